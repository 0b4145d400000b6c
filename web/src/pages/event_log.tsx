// What happens in an instance, as it happens: a list that grows by itself.
import { call, type Schemas } from "../api/client";
import { useAddress } from "../parts/address";
import { Doer, kindOf, KINDS, Subject } from "../parts/event-line";
import { meaning, useInstance } from "../parts/instance";
import { Page } from "../parts/page";
import { ResourceTable } from "../parts/resource-table";
import { time } from "../parts/shown";
import { t } from "../parts/words";
import { NamespaceFilter } from "./repositories";

type Row = Schemas["LoggedEvent"];

export default function Events() {
  const instance = useInstance();
  const [address, change] = useAddress();
  const RegistryId = instance.RegistryId;
  const kind = address.get("kind") ?? "";
  const namespace = address.get("namespace") ?? "";
  const repository = address.get("repository") ?? "";
  return (
    <Page title={t("Activity")} lead={t("Pushes, pulls, deletions and changes, newest first. The list grows by itself.")}>
      <ResourceTable<Row>
        name={t("Activity")}
        keys={["events", RegistryId, kind, namespace, repository]}
        filters={
          <>
            <NamespaceFilter value={namespace} onChange={(chosen) => change({ namespace: chosen, last: null })} />
            <label className="filter">
              {t("Kind")}{" "}
              <select className="select" value={kind} onChange={(event) => change({ kind: event.target.value, last: null })}>
                <option value="">{t("All")}</option>
                {Object.keys(KINDS).map((each) => <option key={each} value={each}>{kindOf(each)}</option>)}
              </select>
            </label>
          </>
        }
        ask={async (page, _, __, signal) => {
          const asked = { RegistryId, ...page, Kinds: kind ? [kind] : [], NamespaceName: namespace, Repository: repository };
          const found = await call("DescribeEvents", asked, signal);
          return { rows: found.Events, last: found.Last };
        }}
        rowKey={(row) => String(row.Id)}
        columns={[
          { title: t("Time"), cell: (row) => <time dateTime={row.Time} className="nowrap">{time(row.Time)}</time> },
          { title: t("Kind"), cell: (row) => <span className="nowrap"><span className={`dot dot-${row.Kind}`} aria-hidden="true" /> {kindOf(row.Kind)}</span> },
          { title: t("What"), cell: (row) => <Subject event={row} instance={instance.RegistryName} /> },
          { title: t("Account"), minor: true, cell: (row) => <Doer by={row} /> },
        ]}
        empty={{
          title: t("Nothing has happened yet"),
          text: t("Follow it on the command line too:"),
          commands: [meaning(instance, "roadstead events --follow")],
        }}
      />
    </Page>
  );
}
