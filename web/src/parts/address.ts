// What a page shows stands in its address: search, filters, place in the list, open tab. So it can be sent to others,
// and the browser's back button does what one expects.
import { useCallback } from "react";
import { useSearchParams } from "react-router";

export type Change = Record<string, string | null | undefined>;

/** The tab that the address names; the first where it names none of these. */
export function tabIn(address: URLSearchParams, tabs: { key: string }[]): string {
  const named = address.get("tab");
  return (tabs.find((each) => each.key === named) ?? tabs[0]).key;
}

/** The parameters of the address, and a way to change some of them. */
export function useAddress(): [URLSearchParams, (change: Change, replace?: boolean) => void] {
  const [parameters, set] = useSearchParams();
  const change = useCallback(
    (wanted: Change, replace = false) =>
      set(
        (before) => {
          const after = new URLSearchParams(before);
          for (const [name, value] of Object.entries(wanted)) {
            if (value) after.set(name, value);
            else after.delete(name);
          }
          return after;
        },
        { replace },
      ),
    [set],
  );
  return [parameters, change];
}
