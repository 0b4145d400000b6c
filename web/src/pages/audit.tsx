// The audit: who has changed what, who was refused what, and why.
import { useQuery } from "@tanstack/react-query";
import { Tag } from "tdesign-react";
import { useState } from "react";
import { call, type Schemas } from "../api/client";
import { useAddress } from "../parts/address";
import { Command } from "../parts/copy";
import { Dialog } from "../parts/dialog";
import { Doer } from "../parts/event-line";
import { Facts, Page } from "../parts/page";
import { gateOf, ProblemBox } from "../parts/problem";
import { ResourceTable } from "../parts/resource-table";
import { time } from "../parts/shown";
import { said, t } from "../parts/words";
import { pretty } from "./manifests";

type Row = Schemas["AuditedEvent"];

const seconds = (typed: string): number => Math.floor(new Date(typed).getTime() / 1000);

/** How many more refusals an entry stands for, like " +290". */
function more(decision: string): string {
  const count = decision ? (JSON.parse(decision) as { more?: number }).more : undefined;
  return count ? ` +${count}` : "";
}

export default function Audit() {
  const [address, change] = useAddress();
  const [opened, setOpened] = useState<Row>();
  const field = (name: string) => address.get(name) ?? "";
  const wanted = { User: field("user"), Action: field("action"), Resource: field("resource"), Address: field("from"), Outcome: field("outcome") as "" | "done" | "refused" };
  const [since, until] = [field("since"), field("until")];
  return (
    <Page title={t("Audit")} lead={t("Every change and every refusal: who, what, from where, by which door, and how the gates decided.")}>
      <form className="toolbar" role="search" onSubmit={(event) => event.preventDefault()}>
        <Text name="user" label={t("Account number")} />
        <Text name="action" label={t("Action")} hint="tcr:Delete*" />
        <Text name="resource" label={t("Resource")} hint="repository/*" />
        <Text name="from" label={t("Address")} />
        <label className="filter">
          {t("Outcome")}{" "}
          <select className="select" value={wanted.Outcome} onChange={(event) => change({ outcome: event.target.value, last: null })}>
            <option value="">{t("All")}</option>
            <option value="done">{t("done")}</option>
            <option value="refused">{t("refused")}</option>
          </select>
        </label>
        <label className="filter">
          {t("Since")} <input type="datetime-local" className="plain" value={since} onChange={(event) => change({ since: event.target.value, last: null })} />
        </label>
        <label className="filter">
          {t("Until")} <input type="datetime-local" className="plain" value={until} onChange={(event) => change({ until: event.target.value, last: null })} />
        </label>
      </form>
      <ResourceTable<Row>
        name={t("Audit")}
        keys={["audit", wanted, since, until]}
        ask={async (page, _, __, signal) => {
          const span = { ...(since && { StartTime: seconds(since) }), ...(until && { EndTime: seconds(until) }) };
          const found = await call("LookUpEvents", { ...page, ...wanted, ...span }, signal);
          return { rows: found.Events, last: found.Last };
        }}
        rowKey={(row) => String(row.Id)}
        open={setOpened}
        columns={[
          { title: t("Time"), cell: (row) => <button type="button" className="link nowrap" onClick={() => setOpened(row)}>{time(row.Time)}</button> },
          { title: t("Account"), cell: (row) => <Doer by={row} /> },
          { title: t("Action"), cell: (row) => <code className="wrap">{row.Action}</code> },
          { title: t("Resource"), minor: true, cell: (row) => <code className="wrap">{row.Resource}</code> },
          { title: t("Outcome"), cell: (row) => (row.Outcome === "refused" ? <Tag theme="danger" variant="light">{t("refused")}{more(row.Decision)}</Tag> : <Tag theme="success" variant="light">{t("done")}</Tag>) },
          { title: t("Address"), minor: true, cell: (row) => <code>{row.Address}</code> },
        ]}
        empty={{ title: t("No entry fits"), commands: ["roadstead audit list --outcome refused"] }}
      />
      {opened && <Entry row={opened} onClose={() => setOpened(undefined)} />}
      {field("explain") && <Explained id={field("explain")} onClose={() => change({ explain: null })} />}
    </Page>
  );
}

function Text({ name, label, hint }: { name: string; label: string; hint?: string }) {
  const [address, change] = useAddress();
  const [text, setText] = useState(address.get(name) ?? "");
  return (
    <label className="filter">
      {label} <input className="plain short" value={text} placeholder={hint} onChange={(event) => setText(event.target.value)} onBlur={() => change({ [name]: text.trim(), last: null })} onKeyDown={(event) => event.key === "Enter" && change({ [name]: text.trim(), last: null })} />
    </label>
  );
}

function Entry({ row, onClose }: { row: Row; onClose: () => void }) {
  const [, change] = useAddress();
  return (
    <Dialog title={row.Action} onClose={onClose} wide>
      <Facts
        facts={[
          [t("Time"), time(row.Time)],
          [t("Account"), <>{row.UserName} <code>{row.User}</code></>],
          [t("Address"), row.Address],
          [t("Door"), row.Door],
          [t("Resource"), <code key="r" className="wrap">{row.Resource}</code>],
          [t("Request"), <button key="q" type="button" className="link" onClick={() => { onClose(); change({ explain: row.RequestId }); }}>{row.RequestId}</button>],
        ]}
      />
      {([["Asked for", row.Data], ["Before", row.Before], ["After", row.After], ["Decision of the gates", row.Decision]] as const).map(([title, text]) => text && text !== "{}" && (
        <section key={title}>
          <h3>{t(title)}</h3>
          <Command text={pretty(text)} />
        </section>
      ))}
    </Dialog>
  );
}

function Explained({ id, onClose }: { id: string; onClose: () => void }) {
  const found = useQuery({ queryKey: ["explained", id], queryFn: () => call("ExplainRequest", { RequestId: id }) });
  return (
    <Dialog title={t("Request {name}", { name: id })} onClose={onClose} wide>
      {found.isError && <ProblemBox error={found.error} />}
      {found.data?.Refusals.map((each, place) => (
        <section key={place} className="refusal">
          <p><Tag theme="danger" variant="light">{gateOf(each.Gate)}</Tag> <strong>{said(each.Message)}</strong></p>
          <Facts
            facts={[
              [t("Account"), <>{each.UserName} <code>{each.User}</code></>], [t("Address"), each.Address], [t("Action"), <code key="a">{each.Action}</code>],
              [t("Resource"), <code key="r" className="wrap">{each.Resource}</code>], [t("Reason"), said(each.Reason)], [t("Policy"), each.Policy || "—"],
            ]}
          />
          <p><strong>{t("What helps:")}</strong> {said(each.Remedy)}</p>
        </section>
      ))}
      {found.data?.Refusals.length === 0 && <p>{t("Nothing of this request was refused.")}</p>}
      {found.data?.Events.map((each) => <p key={each.Id}><code>{each.Action}</code> {each.Outcome === "refused" ? t("refused") : t("done")} · {time(each.Time)}</p>)}
    </Dialog>
  );
}
