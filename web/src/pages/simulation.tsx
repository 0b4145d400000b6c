// "What may this person do here?": the verdict on an action, and the statement that decides, without doing it.
import { useQuery } from "@tanstack/react-query";
import { Tag } from "tdesign-react";
import { useState } from "react";
import { Link } from "react-router";
import { call } from "../api/client";
import { useAddress } from "../parts/address";
import { Button } from "../parts/button";
import { Command } from "../parts/copy";
import { instanceNamed, useInstanceNames, useLastInstance } from "../parts/instance";
import { Card, Page } from "../parts/page";
import { ProblemBox } from "../parts/problem";
import { useMe } from "../parts/session";
import { said, t, type Text } from "../parts/words";
import { pretty } from "./manifests";

const ACTIONS: { action: string; text: Text }[] = [
  { action: "tcr:PullRepository", text: "Pull images" },
  { action: "tcr:PushRepository", text: "Push images" },
  { action: "tcr:DeleteImage", text: "Delete images" },
  { action: "tcr:DeleteRepository", text: "Delete the repository" },
  { action: "tcr:DescribeImages", text: "See tags" },
  { action: "tcr:ModifyRepository", text: "Edit the description" },
  { action: "tcr:CreateWebhookTrigger", text: "Create triggers" },
  { action: "tcr:CreateInstanceToken", text: "Create access credentials" },
];

export default function Simulation() {
  const [address, change] = useAddress();
  const users = useQuery({ queryKey: ["users", "choice"], queryFn: () => call("ListUsers", { Limit: 500 }) });
  const groups = useQuery({ queryKey: ["groups", "choice"], queryFn: () => call("ListGroups", { Limit: 500 }) });
  const who = address.get("who") ?? "me";
  const document = address.get("document");
  const me = useMe();
  const [typed, setTyped] = useState(address.get("on") ?? "library/my-image");
  const on = address.get("on") ?? "library/my-image";
  const last = useLastInstance();
  const instance = address.get("instance") ?? last;
  const instances = useInstanceNames(instance);
  const registry = useQuery({ queryKey: ["instance", instance], queryFn: () => instanceNamed(instance), enabled: Boolean(instance) });
  const policy = useQuery({ queryKey: ["policy", Number(document)], queryFn: () => call("GetPolicy", { PolicyId: Number(document) }), enabled: Boolean(document) });
  const subject = document
    ? policy.data && { PolicyDocument: policy.data.PolicyDocument }
    : who === "me" ? { Uin: Number(me.Uin) } : who.startsWith("group/") ? { GroupId: Number(who.slice(6)) } : { Uin: Number(who) };
  const id = registry.data?.RegistryId;
  return (
    <Page title={t("Who may do what")} lead={t("What somebody may do on a repository, and why, without doing it.")}>
      <form
        className="toolbar"
        onSubmit={(event) => {
          event.preventDefault();
          change({ on: typed });
        }}
      >
        {document ? (
          <span>{t("Policy")} <Link to={`/policies/${document}`}>{policy.data?.PolicyName ?? document}</Link></span>
        ) : (
          <label className="filter">
            {t("Who")}{" "}
            <select className="select" value={who} onChange={(event) => change({ who: event.target.value })}>
              <option value="me">{me.Name}</option>
              {users.data?.Data.map((each) => <option key={each.Uin} value={each.Uin}>{each.Name}</option>)}
              {groups.data?.GroupInfo.map((each) => <option key={each.GroupId} value={`group/${each.GroupId}`}>{t("Group {name}", { name: each.GroupName })}</option>)}
            </select>
          </label>
        )}
        <label className="filter">
          {t("Instance")}{" "}
          <select className="select" value={instance} onChange={(event) => change({ instance: event.target.value })}>
            {instances.map((name) => <option key={name}>{name}</option>)}
          </select>
        </label>
        <label className="filter">
          {t("Repository")} <input className="plain" value={typed} onChange={(event) => setTyped(event.target.value)} spellCheck={false} />
        </label>
        <Button type="submit" theme="primary">{t("Ask")}</Button>
      </form>
      {(registry.error ?? policy.error) && <ProblemBox error={registry.error ?? policy.error} />}
      {registry.data === null && <p className="muted">{t("There is no instance {name} that you may see", { name: instance })}</p>}
      <Card>
        <ul className="verdicts" aria-busy={!id && !registry.isFetched}>
          {id && subject && ACTIONS.map((each) => (
            <Verdict key={each.action} action={each.action} text={each.text} resource={each.action.endsWith("InstanceToken") ? `instance/${id}` : each.action.endsWith("Trigger") ? `repository/${id}/${on.split("/")[0]}` : `repository/${id}/${on}`} subject={subject} />
          ))}
        </ul>
      </Card>
    </Page>
  );
}

interface VerdictProps {
  action: string;
  text: Text;
  resource: string;
  subject: { Uin?: number; GroupId?: number; PolicyDocument?: string };
}

function Verdict({ action, text, resource, subject }: VerdictProps) {
  const found = useQuery({ queryKey: ["simulation", action, resource, subject], queryFn: () => call("SimulatePolicy", { Action: action, Resource: resource, ...subject }) });
  return (
    <li>
      <details>
        <summary>
          {found.data ? found.data.Allowed ? <Tag theme="success" variant="light">{t("may")}</Tag> : <Tag theme="danger" variant="light">{t("may not")}</Tag> : <Tag variant="light">…</Tag>}{" "}
          <strong>{t(text)}</strong> <code>{action}</code> <span className="muted">{said(found.data?.Reason ?? "")}</span>
        </summary>
        {found.isError && <ProblemBox error={found.error} />}
        {found.data?.Policy && <p>{t("Policy")}: <strong>{found.data.Policy}</strong></p>}
        {found.data?.Text ? <Command text={pretty(found.data.Text)} /> : found.data && <p className="muted">{t("No statement is about it.")}</p>}
      </details>
    </li>
  );
}
