// Who is signed in, for every page; and the page to sign in where nobody is.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { createContext, lazy, Suspense, useContext, useEffect, useState, type ReactNode } from "react";
import { onSignedOut, whoAmI, type Me } from "../api/client";
import { ProblemBox } from "./problem";
import { t } from "./words";

const SignIn = lazy(() => import("../pages/sessions").then((page) => ({ default: page.SignIn })));
const Signed = createContext<Me | null>(null);

export function useMe(): Me {
  const me = useContext(Signed);
  if (!me) throw new Error("nobody is signed in");
  return me;
}

export function Session({ children }: { children: ReactNode }) {
  const cache = useQueryClient();
  const me = useQuery({ queryKey: ["me"], queryFn: whoAmI, staleTime: Infinity, retry: false });
  const [ended, setEnded] = useState(false);
  useEffect(
    () =>
      onSignedOut(() => {
        if (cache.getQueryData(["me"])) setEnded(true);
        cache.setQueryData(["me"], null);
      }),
    [cache],
  );
  if (me.isError) return <main className="alone"><ProblemBox error={me.error} /></main>;
  if (me.isPending) return <main className="alone" aria-busy="true"><p className="muted">{t("Loading")}</p></main>;
  if (!me.data) return <Suspense fallback={<main className="alone" aria-busy="true" />}><SignIn ended={ended} /></Suspense>;
  return <Signed value={me.data}>{children}</Signed>;
}
