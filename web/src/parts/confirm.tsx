// Nothing goes without saying beforehand what goes: the window that asks before it deletes.
import { useMutation, useQuery } from "@tanstack/react-query";
import { Input } from "tdesign-react";
import { useState, type ReactNode } from "react";
import { Button } from "./button";
import { Dialog } from "./dialog";
import { ProblemBox } from "./problem";
import { t } from "./words";

interface Props<Impact> {
  title: string;
  /** What would go, asked of the server; the button waits for it. */
  impact?: { keys: readonly unknown[]; ask: () => Promise<Impact>; tell: (impact: Impact) => ReactNode };
  text?: ReactNode;
  /** What has to be typed, where much is lost. */
  typed?: string;
  verb?: string;
  act: () => Promise<unknown>;
  onDone: () => void;
  onCancel: () => void;
}

export function Confirm<Impact>({ title, impact, text, typed, verb, act, onDone, onCancel }: Props<Impact>) {
  const [word, setWord] = useState("");
  const doing = useMutation({ mutationFn: act, onSuccess: onDone });
  const told = useQuery({
    queryKey: impact?.keys ?? ["no impact"],
    queryFn: async () => (impact ? await impact.ask() : null),
    staleTime: 0,
    gcTime: 0,
  });
  const ready = (!impact || told.isSuccess) && (!typed || word === typed);
  return (
    <Dialog title={title} onClose={onCancel}>
      <form
        className="action-form"
        onSubmit={(event) => {
          event.preventDefault();
          if (ready) doing.mutate();
        }}
      >
        {text}
        {impact && told.isPending && <p className="muted" aria-busy="true">{t("Finding out what would go")}</p>}
        {told.isError && <ProblemBox error={told.error} />}
        {impact && told.isSuccess && impact.tell(told.data as Impact)}
        {typed && (
          <label className="field">
            {t("Type {name} to go on", { name: typed })}
            <Input value={word} onChange={setWord} spellCheck={false} />
          </label>
        )}
        {doing.isError && <ProblemBox error={doing.error} />}
        <footer>
          <Button type="button" variant="outline" onClick={onCancel}>
            {t("Cancel")}
          </Button>
          <Button type="submit" theme="danger" disabled={!ready} loading={doing.isPending}>
            {verb ?? t("Delete")}
          </Button>
        </footer>
      </form>
    </Dialog>
  );
}
