// Text that can be copied with one click, also where the page has not come by https.
import { useEffect, useState } from "react";
import { CheckIcon, CopyIcon } from "tdesign-icons-react";
import { announce } from "./toast";
import { t } from "./words";

async function toClipboard(text: string): Promise<void> {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const field = document.createElement("textarea");
  field.value = text;
  const place = document.querySelector("dialog[open]") ?? document.body;
  place.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}

export function Copy({ text, label }: { text: string; label?: string }) {
  const [done, setDone] = useState(false);
  useEffect(() => {
    if (!done) return;
    const timer = setTimeout(() => setDone(false), 1500);
    return () => clearTimeout(timer);
  }, [done]);
  const copy = () =>
    void toClipboard(text).then(
      () => {
        setDone(true);
        announce(t("Copied"));
      },
      () => announce(t("The browser does not let this page copy"), "error"),
    );
  return (
    <button type="button" className="copy" onClick={copy} title={t("Copy")} aria-label={label ?? t("Copy")}>
      {done ? <CheckIcon /> : <CopyIcon />}
      {label}
    </button>
  );
}

/** A command on a line of its own, ready to be copied. */
export function Command({ text, secret }: { text: string; secret?: boolean }) {
  return (
    <div className="command">
      <pre tabIndex={0} translate="no" data-secret={secret || undefined}>
        {text}
      </pre>
      <Copy text={text} />
    </div>
  );
}
