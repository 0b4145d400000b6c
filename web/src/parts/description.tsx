// Text in Markdown, shown as the server renders and sanitises it, and edited with a preview beside it.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Input, Textarea } from "tdesign-react";
import { useDeferredValue, useState } from "react";
import { call } from "../api/client";
import type { Where } from "../pages/tags";
import { Button } from "./button";
import { ProblemBox } from "./problem";
import { announce } from "./toast";
import { t } from "./words";

export function Markdown({ text }: { text: string }) {
  const found = useQuery({ queryKey: ["markdown", text], queryFn: () => call("PreviewMarkdown", { Text: text }), staleTime: Infinity, placeholderData: (before) => before });
  if (found.isError) return <ProblemBox error={found.error} />;
  // The server has let through nothing that could run, and the page's policy would not run it.
  return <div className="markdown" dangerouslySetInnerHTML={{ __html: found.data?.Html ?? "" }} />;
}

export function Description({ where }: { where: Where }) {
  const name = `${where.NamespaceName}/${where.RepositoryName}`;
  const cache = useQueryClient();
  const [editing, setEditing] = useState(false);
  const keys = ["description", where.RegistryId, name];
  const found = useQuery({
    queryKey: keys,
    queryFn: async () => {
      const page = await call("DescribeRepositories", { RegistryId: where.RegistryId, NamespaceName: where.NamespaceName, RepositoryName: name, Limit: 100 });
      return page.RepositoryList.find((each) => each.Name === name) ?? null;
    },
  });
  if (found.isError) return <ProblemBox error={found.error} />;
  if (found.isPending) return <p className="muted" aria-busy="true">{t("Loading")}</p>;
  const row = found.data;
  if (editing && row) {
    return <Editor where={where} summary={row.BriefDescription} text={row.Description} onDone={(saved) => {
      setEditing(false);
      if (saved) void cache.invalidateQueries({ queryKey: keys });
    }} />;
  }
  return (
    <section className="card" aria-label={t("Description")}>
      <header>
        <h2>{row?.BriefDescription || name}</h2>
        <Button variant="outline" onClick={() => setEditing(true)}>{t("Edit")}</Button>
      </header>
      {row?.Description ? <Markdown text={row.Description} /> : <p className="muted">{t("Nobody has described this repository yet: what it holds, how it is configured, whom to ask.")}</p>}
    </section>
  );
}

function Editor({ where, summary, text, onDone }: { where: Where; summary: string; text: string; onDone: (saved: boolean) => void }) {
  const [brief, setBrief] = useState(summary);
  const [written, setWritten] = useState(text);
  const shown = useDeferredValue(written);
  const saving = useMutation({
    mutationFn: () => call("ModifyRepository", { ...where, BriefDescription: brief, Description: written }),
    onSuccess: () => {
      announce(t("Saved"));
      onDone(true);
    },
  });
  return (
    <form
      className="action-form"
      onSubmit={(event) => {
        event.preventDefault();
        saving.mutate();
      }}
    >
      <label className="field">
        {t("Summary, one line")}
        <Input value={brief} onChange={setBrief} maxlength={100} />
      </label>
      <div className="side-by-side">
        <label className="field">
          {t("Description in Markdown, up to 1,000 characters")}
          <Textarea value={written} onChange={setWritten} rows={14} maxlength={1000} />
        </label>
        <div className="field">
          {t("Preview")}
          <div className="card"><Markdown text={shown} /></div>
        </div>
      </div>
      {saving.isError && <ProblemBox error={saving.error} />}
      <footer>
        <Button type="button" variant="outline" onClick={() => onDone(false)}>{t("Cancel")}</Button>
        <Button type="submit" theme="primary" loading={saving.isPending}>{t("Save")}</Button>
      </footer>
    </form>
  );
}
