// Triggers: what happens is posted to addresses of yours. The form shows while typing what a pattern means.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Input, Tag, Textarea } from "tdesign-react";
import { useDeferredValue, useState } from "react";
import { Link, useNavigate } from "react-router";
import { call, type Schemas } from "../api/client";
import { useAddress } from "../parts/address";
import { Button } from "../parts/button";
import { Confirm } from "../parts/confirm";
import { Dialog } from "../parts/dialog";
import { kindOf } from "../parts/event-line";
import { meaning, useInstance } from "../parts/instance";
import { Page } from "../parts/page";
import { ProblemBox } from "../parts/problem";
import { ResourceTable } from "../parts/resource-table";
import { RowActions } from "../parts/row-actions";
import { ago } from "../parts/shown";
import { announce } from "../parts/toast";
import { said, t } from "../parts/words";
import { Toggle } from "./credentials";
import { NamespaceFilter } from "./repositories";

export type Trigger = Schemas["WebhookTrigger"];
type Target = { Address: string; Headers: { Key: string; Values: string[] }[] };

// What triggers can be about.
const EVENTS = ["pushImage", "pullImage", "deleteImage", "uploadChart", "downloadChart", "deleteChart"];

export default function Triggers() {
  const instance = useInstance();
  const cache = useQueryClient();
  const navigate = useNavigate();
  const [address, change] = useAddress();
  const [editing, setEditing] = useState<Trigger | "new">();
  const [deleting, setDeleting] = useState<Trigger>();
  const RegistryId = instance.RegistryId;
  const namespace = address.get("namespace") ?? "";
  const again = () => void cache.invalidateQueries({ queryKey: ["triggers", RegistryId] });
  const switching = useMutation({
    mutationFn: (row: Trigger) => call("ModifyWebhookTrigger", { RegistryId, Namespace: row.NamespaceName ?? "", Trigger: { ...sent(row), Enabled: !row.Enabled } }),
    onSuccess: again,
  });
  const create = <Button theme="primary" onClick={() => setEditing("new")}>{t("New trigger")}</Button>;
  return (
    <Page title={t("Triggers")} lead={t("What happens to images and charts is posted as JSON to addresses of yours: a deployment, a chat, a build.")}>
      {switching.isError && <ProblemBox error={switching.error} />}
      <ResourceTable<Trigger>
        name={t("Triggers")}
        keys={["triggers", RegistryId, namespace]}
        search={t("Search by name")}
        filters={<NamespaceFilter value={namespace} onChange={(chosen) => change({ namespace: chosen, last: null })} />}
        ask={async (page, search, _, signal) => {
          const found = await call("DescribeWebhookTrigger", { RegistryId, ...page, Namespace: namespace || null, Search: search }, signal);
          return { rows: found.Triggers, last: found.Last, total: found.TotalCount };
        }}
        rowKey={(row) => String(row.Id)}
        to={(row) => `/i/${instance.RegistryName}/triggers/${row.Id}?of=${row.NamespaceName ?? ""}`}
        actions={create}
        columns={[
          { title: t("Name"), cell: (row) => <><Link to={`${row.Id}?of=${row.NamespaceName ?? ""}`}>{row.Name}</Link>{row.Description && <div className="muted clip">{row.Description}</div>}</> },
          { title: t("Namespace"), minor: true, cell: (row) => row.NamespaceName || <span className="muted">{t("any")}</span> },
          { title: t("On"), minor: true, cell: (row) => row.EventTypes.map((each) => <div key={each} className="nowrap">{kindOf(each)}</div>) },
          { title: t("Repositories and tags"), minor: true, cell: (row) => <code>{row.Condition || t("all")}</code> },
          { title: t("State"), cell: (row) => (row.FailingSince ? <Tag theme="danger" variant="light">{t("failing since {when}", { when: ago(row.FailingSince) })}</Tag> : row.Enabled ? <Tag theme="success" variant="light">{t("well")}</Tag> : <Tag variant="light">{t("off")}</Tag>) },
          { title: t("Enabled"), cell: (row) => <Toggle name={row.Name} on={row.Enabled} onChange={() => switching.mutate(row)} /> },
          {
            title: t("Actions"),
            align: "end",
            cell: (row) => <RowActions onEdit={() => setEditing(row)} onDelete={() => setDeleting(row)} />,
          },
        ]}
        empty={{
          title: t("There is no trigger yet"),
          text: t("Have your deployment told of each new image. On the command line:"),
          commands: [meaning(instance, "roadstead trigger create deploy --url https://deploy.example.com/push --on pushImage --when 'shop/*:release-*'")],
          action: create,
        }}
      />
      {editing && (
        <Dialog title={editing === "new" ? t("New trigger") : t("Trigger {name}", { name: editing.Name })} onClose={() => setEditing(undefined)} wide>
          <TriggerForm
            trigger={editing === "new" ? undefined : editing}
            namespace={namespace}
            onDone={(id) => {
              setEditing(undefined);
              announce(t("Saved"));
              again();
              if (id) void navigate(`/i/${instance.RegistryName}/triggers`);
            }}
            onCancel={() => setEditing(undefined)}
          />
        </Dialog>
      )}
      {deleting && (
        <Confirm
          title={t("Delete trigger {name}?", { name: deleting.Name })}
          text={<p>{t("Its log goes too, and what it has not delivered yet is not delivered.")}</p>}
          act={() => call("DeleteWebhookTrigger", { RegistryId, Namespace: deleting.NamespaceName ?? "", Id: deleting.Id ?? 0 })}
          onDone={() => {
            setDeleting(undefined);
            again();
          }}
          onCancel={() => setDeleting(undefined)}
        />
      )}
    </Page>
  );
}

/** The trigger as it is sent: what the server tells of it is left out. */
function sent(row: Trigger) {
  const { Signed: _, FailingSince: __, Secret: ___, ...kept } = row;
  return kept;
}

interface FormProps {
  trigger?: Trigger;
  namespace: string;
  onDone: (id: number | null) => void;
  onCancel: () => void;
}

const headerLines = (target?: Target): string => target?.Headers.map((each) => `${each.Key}: ${each.Values.join(", ")}`).join("\n") ?? "";
const headersOf = (text: string) =>
  text.split("\n").map((line) => line.trim()).filter(Boolean).map((line) => {
    const [key, ...value] = line.split(":");
    return { Key: key.trim(), Values: [value.join(":").trim()] };
  });

function TriggerForm({ trigger, namespace, onDone, onCancel }: FormProps) {
  const { RegistryId } = useInstance();
  const [name, setName] = useState(trigger?.Name ?? "");
  const [description, setDescription] = useState(trigger?.Description ?? "");
  const [place, setPlace] = useState(trigger ? (trigger.NamespaceName ?? "") : namespace);
  const [events, setEvents] = useState<string[]>(trigger?.EventTypes ?? ["pushImage"]);
  const [condition, setCondition] = useState(trigger?.Condition ?? "");
  const [url, setUrl] = useState(trigger?.Targets[0]?.Address ?? "");
  const [headers, setHeaders] = useState(headerLines(trigger?.Targets[0] as Target | undefined));
  const [secret, setSecret] = useState("");
  const [format, setFormat] = useState<"default" | "cloudevents">(trigger?.Format ?? "default");
  const target = { Address: url, Headers: headersOf(headers) };
  const saving = useMutation({
    mutationFn: async () => {
      const Trigger = {
        ...(trigger ? sent(trigger) : { Enabled: true }),
        Name: name, Description: description, EventTypes: events, Condition: condition, Format: format,
        Targets: [target, ...(trigger?.Targets.slice(1) ?? [])],
        ...(secret ? { Secret: secret } : {}),
      } as Trigger;
      if (trigger) await call("ModifyWebhookTrigger", { RegistryId, Namespace: place, Trigger });
      else await call("CreateWebhookTrigger", { RegistryId, Namespace: place, Trigger });
      return null;
    },
    onSuccess: onDone,
  });
  const testing = useMutation({ mutationFn: () => call("TestWebhookTrigger", { RegistryId, Namespace: place, Target: target, Format: format, ...(secret ? { Secret: secret } : {}) }) });
  return (
    <form
      className="action-form"
      onSubmit={(event) => {
        event.preventDefault();
        saving.mutate();
      }}
    >
      <label className="field">{t("Name")}<Input value={name} onChange={setName} spellCheck={false} placeholder="deploy" /></label>
      <label className="field">{t("What it is for")}<Input value={description} onChange={setDescription} /></label>
      {trigger ? <p className="muted">{t("Namespace")}: {trigger.NamespaceName || t("any")}</p> : <NamespaceFilter value={place} onChange={setPlace} />}
      <fieldset className="choice">
        <legend>{t("On")}</legend>
        {EVENTS.map((key) => (
          <label key={key}>
            <input type="checkbox" checked={events.includes(key)} onChange={(event) => setEvents(event.target.checked ? [...events, key] : events.filter((each) => each !== key))} /> {kindOf(key)}
          </label>
        ))}
      </fieldset>
      <div className="side-by-side">
        <label className="field">
          {t("Repositories and tags")}
          <Input value={condition} onChange={setCondition} spellCheck={false} placeholder="shop/*:release-*" />
          <span className="field-help">{t("REPOSITORY:TAG. * stands for anything within a level, ** across levels, ? for one character, {a,b} for either. Empty: all.")}</span>
        </label>
        <PatternTester namespace={place} condition={condition} />
      </div>
      <label className="field">
        {t("Address to post to")}
        <Input value={url} onChange={setUrl} spellCheck={false} placeholder="https://deploy.example.com/push" />
      </label>
      <label className="field">
        {t("Headers, one a line")}
        <Textarea value={headers} onChange={setHeaders} rows={2} placeholder="Authorization: Bearer …" />
      </label>
      <div className="side-by-side">
        <label className="field">
          {t("Secret to sign with")}
          <Input value={secret} onChange={setSecret} type="password" autocomplete="new-password" placeholder={trigger?.Signed ? t("unchanged") : ""} />
        </label>
        <label className="field">
          {t("Form of the body")}
          <select className="select" value={format} onChange={(event) => setFormat(event.target.value as typeof format)}>
            <option value="default">{t("As documented")}</option>
            <option value="cloudevents">CloudEvents 1.0</option>
          </select>
        </label>
      </div>
      {testing.isError && <ProblemBox error={testing.error} />}
      {testing.data?.Results.map((each) => (
        <div key={each.Address} className={each.Accepted ? "result result-well" : "result"} role="status">
          <strong>{each.Accepted ? t("The address has accepted a sample") : t("The address has not accepted a sample")}</strong> {each.Status ?? ""} {t("after {count} ms", { count: each.Milliseconds })}
          {each.Error && <p>{said(each.Error)}</p>}
          {each.AnswerBody && <pre>{each.AnswerBody}</pre>}
        </div>
      ))}
      {saving.isError && <ProblemBox error={saving.error} />}
      <footer>
        <Button type="button" variant="outline" loading={testing.isPending} disabled={!url} onClick={() => testing.mutate()}>{t("Post a sample")}</Button>
        <span className="toolbar-gap" />
        <Button type="button" variant="outline" onClick={onCancel}>{t("Cancel")}</Button>
        <Button type="submit" theme="primary" loading={saving.isPending}>{trigger ? t("Save") : t("Create")}</Button>
      </footer>
    </form>
  );
}

/** Which repositories a pattern means, while it is typed. */
function PatternTester({ namespace, condition }: { namespace: string; condition: string }) {
  const { RegistryId } = useInstance();
  const asked = useDeferredValue(condition);
  const found = useQuery({
    queryKey: ["patterns", RegistryId, namespace, asked],
    queryFn: ({ signal }) => call("TestCondition", { RegistryId, Namespace: namespace, Condition: asked }, signal),
    placeholderData: (before) => before,
    retry: false,
  });
  return (
    <div className="pattern-tester" aria-live="polite">
      {found.isError ? (
        <p className="field-problem">{said(found.error.message)}</p>
      ) : (
        found.data && (
          <>
            <strong>{t("{matched} of {all} repositories", { matched: found.data.Matched, all: found.data.LookedAt })}</strong>
            <ul>
              {found.data.Repositories.slice(0, 8).map((each) => (
                <li key={each.Name}>
                  <code>{each.Name}</code> <span className="muted">{each.Tags.join(" ") || t("no tag fits")}</span>
                </li>
              ))}
            </ul>
          </>
        )
      )}
    </div>
  );
}
