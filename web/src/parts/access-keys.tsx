// API keys of an account: made, shown once, switched off, deleted.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState, type ReactNode } from "react";
import { ApiProblem, call, type Schemas } from "../api/client";
import { Toggle } from "../pages/credentials";
import { Button } from "./button";
import { Confirm } from "./confirm";
import { Command } from "./copy";
import { Dialog } from "./dialog";
import { Card } from "./page";
import { ProblemBox } from "./problem";
import { ago } from "./shown";
import { t } from "./words";

interface Props {
  uin: number;
  /** What else can be made here. */
  children?: ReactNode;
}

export function AccessKeys({ uin, children }: Props) {
  const cache = useQueryClient();
  const [made, setMade] = useState<Schemas["AccessKeyDetail"]>();
  const [deleting, setDeleting] = useState<string>();
  const again = () => void cache.invalidateQueries({ queryKey: ["access-keys", uin] });
  const found = useQuery({ queryKey: ["access-keys", uin], queryFn: () => call("ListAccessKeys", { TargetUin: uin }) });
  const creating = useMutation({
    mutationFn: () => call("CreateAccessKey", { TargetUin: uin }),
    onSuccess: (answer) => {
      setMade(answer.AccessKey);
      again();
    },
  });
  const switching = useMutation({
    mutationFn: (row: Schemas["AccessKeyInfo"]) => call("UpdateAccessKey", { TargetUin: uin, AccessKeyId: row.AccessKeyId, Status: row.Status === "Active" ? "Inactive" : "Active" }),
    onSuccess: again,
  });
  // Most people may not: that is no failure of this page.
  const closed = found.error instanceof ApiProblem && found.error.problem.Gate === "policy";
  const problem = (closed ? null : found.error) ?? creating.error ?? switching.error;
  return (
    <Card title={t("API keys")} actions={<span className="page-actions">{children}{!closed && <Button variant="outline" loading={creating.isPending} onClick={() => creating.mutate()}>{t("New API key")}</Button>}</span>}>
      {problem && <ProblemBox error={problem} />}
      {closed && <p className="muted">{t("You may not see the API keys of this account. Whoever manages users makes them, or gives you {action}.", { action: "cam:ListAccessKeys" })}</p>}
      {found.data?.AccessKeys.length === 0 && <p className="muted">{t("An API key opens the API: for scripts, tccli, the SDKs and Terraform. There is none yet.")}</p>}
      <ul className="plain-list">
        {found.data?.AccessKeys.map((each) => (
          <li key={each.AccessKeyId}>
            <code className="wrap">{each.AccessKeyId}</code>
            <span className="muted">{each.LastUsedTime ? t("last used {when}", { when: ago(each.LastUsedTime) }) : t("never used")}</span>
            <span className="toolbar-gap" />
            <Toggle name={each.AccessKeyId} on={each.Status === "Active"} onChange={() => switching.mutate(each)} />
            <Button variant="text" size="small" theme="danger" onClick={() => setDeleting(each.AccessKeyId)}>{t("Delete")}</Button>
          </li>
        ))}
      </ul>
      {made && (
        <Dialog title={t("New API key")} onClose={() => setMade(undefined)} wide>
          <div className="action-form">
            <p>{t("What is secret here is shown this once.")}</p>
            <label>SecretId</label>
            <Command text={made.AccessKeyId} />
            <label>SecretKey</label>
            <Command text={made.SecretAccessKey} secret />
            <footer><Button theme="primary" onClick={() => setMade(undefined)}>{t("Done")}</Button></footer>
          </div>
        </Dialog>
      )}
      {deleting && (
        <Confirm
          title={t("Delete {name}?", { name: deleting })}
          text={<p>{t("Whoever uses the key is refused at once.")}</p>}
          act={() => call("DeleteAccessKey", { TargetUin: uin, AccessKeyId: deleting })}
          onDone={() => {
            setDeleting(undefined);
            again();
          }}
          onCancel={() => setDeleting(undefined)}
        />
      )}
    </Card>
  );
}
