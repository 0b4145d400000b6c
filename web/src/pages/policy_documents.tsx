// Policies: what they say, in versions, and who has them.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Tag } from "tdesign-react";
import { useState } from "react";
import { Link, useNavigate, useParams } from "react-router";
import { call, type Schemas } from "../api/client";
import { ActionDialog } from "../parts/action-form";
import { tabIn, useAddress } from "../parts/address";
import { Button } from "../parts/button";
import { Confirm } from "../parts/confirm";
import { Command } from "../parts/copy";
import { Page, Tabs } from "../parts/page";
import { ProblemBox } from "../parts/problem";
import { ResourceTable } from "../parts/resource-table";
import { time } from "../parts/shown";
import { announce } from "../parts/toast";
import { t, type Text } from "../parts/words";
import { When } from "../parts/when";
import { pretty } from "./manifests";

type Row = Schemas["PolicyInfo"];

export default function Policies() {
  const { policy } = useParams();
  return policy ? <Policy id={Number(policy)} /> : <PolicyList />;
}

const document = (actions: string[], resource: string): string =>
  JSON.stringify({ version: "2.0", statement: [{ effect: "allow", action: actions, resource: [resource] }] }, null, 2);
const TEMPLATES: { text: Text; written: string }[] = [
  { text: "Pull from one repository", written: document(["tcr:PullRepository", "tcr:DescribeRepositories", "tcr:DescribeImages"], "qcs::tcr:::repository/*/library/my-image") },
  { text: "Push and pull in one namespace", written: document(["tcr:PushRepository", "tcr:PullRepository", "tcr:CreateRepository", "tcr:Describe*"], "qcs::tcr:::repository/*/library/*") },
  { text: "See everything, change nothing", written: document(["tcr:Describe*", "tcr:Check*", "tcr:PullRepository"], "*") },
];

function PolicyList() {
  const cache = useQueryClient();
  const navigate = useNavigate();
  const [address, change] = useAddress();
  const [creating, setCreating] = useState(false);
  const [written, setWritten] = useState(TEMPLATES[0].written);
  const scope = (address.get("scope") ?? "All") as "All" | "Local" | "QCS";
  const create = <Button theme="primary" onClick={() => setCreating(true)}>{t("New policy")}</Button>;
  return (
    <Page title={t("Policies")} lead={t("A policy says which actions on which resources are allowed or denied. Denied beats allowed, and nothing is allowed by default.")}>
      <ResourceTable<Row>
        name={t("Policies")}
        keys={["policies", scope]}
        search={t("Search by name")}
        filters={
          <label className="filter">
            {t("Kind")}{" "}
            <select className="select" value={scope} onChange={(event) => change({ scope: event.target.value, last: null })}>
              <option value="All">{t("All")}</option>
              <option value="QCS">{t("Presets")}</option>
              <option value="Local">{t("Written here")}</option>
            </select>
          </label>
        }
        ask={async (page, search, _, signal) => {
          const found = await call("ListPolicies", { ...page, Scope: scope, Keyword: search }, signal);
          return { rows: found.List, last: found.Last, total: found.TotalCount };
        }}
        rowKey={(row) => String(row.PolicyId)}
        to={(row) => `/policies/${row.PolicyId}`}
        actions={create}
        columns={[
          { title: t("Name"), cell: (row) => <><Link to={`/policies/${row.PolicyId}`}>{row.PolicyName}</Link>{row.Description && <div className="muted clip">{row.Description}</div>}</> },
          { title: t("Kind"), cell: (row) => <Tag variant="light" theme={row.Type === 2 ? "primary" : "default"}>{row.Type === 2 ? t("Preset") : t("Written here")}</Tag> },
          { title: t("Given to"), align: "end", cell: (row) => row.Attachments },
          { title: t("Changed"), minor: true, cell: (row) => <When at={row.UpdateTime} /> },
        ]}
        empty={{ title: t("There is no policy of this kind yet"), commands: ["roadstead policy create read-busybox --template read-repository --on library/busybox"], action: create }}
      />
      {creating && (
        <ActionDialog
          key={written}
          title={t("New policy")}
          action="CreatePolicy"
          fields={["PolicyName", "Description", "PolicyDocument"]}
          initial={{ PolicyDocument: written }}
          special={{ PolicyDocument: { rows: 14 } }}
          submit={t("Create")}
          wide
          onDone={(answer) => {
            void cache.invalidateQueries({ queryKey: ["policies"] });
            void navigate(`/policies/${answer.PolicyId}`);
          }}
          onCancel={() => setCreating(false)}
        >
          <p className="templates">
            <span>{t("Begin with:")}</span>
            {TEMPLATES.map((each) => <button key={each.text} type="button" className="link" onClick={() => setWritten(each.written)}>{t(each.text)}</button>)}
          </p>
        </ActionDialog>
      )}
    </Page>
  );
}

function Policy({ id }: { id: number }) {
  const cache = useQueryClient();
  const navigate = useNavigate();
  const [address, change] = useAddress();
  const [editing, setEditing] = useState(false);
  const [deleting, setDeleting] = useState(false);
  const found = useQuery({ queryKey: ["policy", id], queryFn: () => call("GetPolicy", { PolicyId: id }) });
  const again = () => void cache.invalidateQueries({ predicate: (query) => ["policy", "policies", "policy-versions", "policy-entities"].includes(String(query.queryKey[0])) });
  const above = [{ text: t("Policies"), to: "/policies" }];
  const tabs = [{ key: "document", text: t("Document") }, { key: "entities", text: t("Who has it") }, { key: "versions", text: t("Versions") }];
  const tab = tabIn(address, tabs);
  const own = found.data?.Type === 1;
  const name = found.data?.PolicyName ?? String(id);
  return (
    <Page
      title={name}
      lead={found.data?.Description}
      above={above}
      actions={
        own && (
          <>
            <Button variant="outline" onClick={() => setEditing(true)}>{t("Edit")}</Button>
            <Button variant="outline" theme="danger" onClick={() => setDeleting(true)}>{t("Delete")}</Button>
          </>
        )
      }
    >
      {found.isError && <ProblemBox error={found.error} />}
      <Tabs
        name={name}
        shown={tab}
        onShow={(key) => change({ tab: key === "document" ? null : key, last: null })}
        tabs={tabs}
      />
      {tab === "document" && found.data && (
        <>
          <Command text={pretty(found.data.PolicyDocument)} />
          <p><Link to={`/access?document=${id}`}>{t("Try out what it allows")}</Link></p>
        </>
      )}
      {tab === "entities" && <Entities id={id} again={again} />}
      {tab === "versions" && <Versions id={id} own={own} again={again} />}
      {editing && found.data && (
        <ActionDialog
          title={name}
          action="CreatePolicyVersion"
          fixed={{ PolicyId: id }}
          fields={["PolicyDocument", "SetAsDefault"]}
          initial={{ PolicyDocument: pretty(found.data.PolicyDocument), SetAsDefault: true }}
          special={{ PolicyDocument: { rows: 16 } }}
          submit={t("Save as a new version")}
          wide
          onDone={() => {
            setEditing(false);
            announce(t("Saved"));
            again();
          }}
          onCancel={() => setEditing(false)}
        />
      )}
      {deleting && (
        <Confirm
          title={t("Delete policy {name}?", { name })}
          text={<p>{t("Whoever has it has it no more, at once.")}</p>}
          impact={{
            keys: ["impact", "policy", id],
            ask: () => call("ListEntitiesForPolicy", { PolicyId: id, Limit: 20 }),
            tell: (had) => had.List.length ? <ul className="tag-list">{had.List.map((each) => <li key={each.Id + each.Name}>{each.Name}</li>)}</ul> : <p className="muted">{t("Nobody has it.")}</p>,
          }}
          act={() => call("DeletePolicy", { PolicyId: [id] })}
          onDone={() => {
            again();
            void navigate("/policies");
          }}
          onCancel={() => setDeleting(false)}
        />
      )}
    </Page>
  );
}

function Entities({ id, again }: { id: number; again: () => void }) {
  const detaching = useMutation({
    mutationFn: (row: Schemas["Entity"]) => row.RelatedType === 1 ? call("DetachUserPolicy", { PolicyId: id, DetachUin: row.Uin }) : call("DetachGroupPolicy", { PolicyId: id, DetachGroupId: Number(row.Id) }),
    onSuccess: again,
  });
  return (
    <>
      {detaching.isError && <ProblemBox error={detaching.error} />}
      <ResourceTable<Schemas["Entity"]>
        name={t("Who has it")}
        keys={["policy-entities", id]}
        ask={async (page, _, __, signal) => {
          const found = await call("ListEntitiesForPolicy", { PolicyId: id, ...page }, signal);
          return { rows: found.List, last: found.Last, total: found.TotalCount };
        }}
        rowKey={(row) => `${row.RelatedType}/${row.Id}`}
        to={(row) => (row.RelatedType === 1 ? `/users/${encodeURIComponent(row.Name)}` : `/groups/${row.Id}`)}
        columns={[
          { title: t("Name"), cell: (row) => row.Name },
          { title: t("Kind"), cell: (row) => (row.RelatedType === 1 ? t("User") : t("Group")) },
          { title: t("Since"), minor: true, cell: (row) => <When at={row.AttachmentTime} /> },
          { title: t("Actions"), align: "end", cell: (row) => <Button variant="text" size="small" theme="danger" onClick={() => detaching.mutate(row)}>{t("Take away")}</Button> },
        ]}
        empty={{ title: t("Nobody has it."), text: t("Give it to a user or a group, on their pages or on the command line:"), commands: [`roadstead policy attach NAME --user alice`] }}
      />
    </>
  );
}

function Versions({ id, own, again }: { id: number; own: boolean; again: () => void }) {
  const found = useQuery({ queryKey: ["policy-versions", id], queryFn: () => call("ListPolicyVersions", { PolicyId: id }) });
  const [shown, setShown] = useState<number>();
  const one = useQuery({ queryKey: ["policy", id, "version", shown], queryFn: () => call("GetPolicyVersion", { PolicyId: id, VersionId: shown ?? 1 }), enabled: shown !== undefined });
  const choosing = useMutation({ mutationFn: (version: number) => call("SetDefaultPolicyVersion", { PolicyId: id, VersionId: version }), onSuccess: again });
  const removing = useMutation({ mutationFn: (version: number) => call("DeletePolicyVersion", { PolicyId: id, VersionId: [version] }), onSuccess: again });
  const problem = found.error ?? choosing.error ?? removing.error;
  return (
    <>
      {problem && <ProblemBox error={problem} />}
      <ul className="plain-list card">
        {found.data?.Versions.map((each) => (
          <li key={each.VersionId}>
            <button type="button" className="link" onClick={() => setShown(each.VersionId)}>{t("Version {count}", { count: each.VersionId })}</button>
            <span className="muted">{time(each.CreateDate)}</span>
            {each.IsDefaultVersion === 1 && <Tag theme="success" variant="light">{t("in force")}</Tag>}
            <span className="toolbar-gap" />
            {own && each.IsDefaultVersion === 0 && (
              <>
                <Button size="small" variant="text" onClick={() => choosing.mutate(each.VersionId)}>{t("Put in force")}</Button>
                <Button size="small" variant="text" theme="danger" onClick={() => removing.mutate(each.VersionId)}>{t("Delete")}</Button>
              </>
            )}
          </li>
        ))}
      </ul>
      {one.data && <Command text={pretty(one.data.PolicyVersion.Document)} />}
    </>
  );
}
