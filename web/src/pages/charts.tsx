// Helm charts: the list, and one chart with its versions.
import { useQueryClient } from "@tanstack/react-query";
import { Tag } from "tdesign-react";
import { useState } from "react";
import { Link, useNavigate, useParams } from "react-router";
import { call, type Schemas } from "../api/client";
import { tabIn, useAddress } from "../parts/address";
import { Button } from "../parts/button";
import { Confirm } from "../parts/confirm";
import { Command } from "../parts/copy";
import { domainOf, useExampleNamespace, useInstance } from "../parts/instance";
import { Page, Tabs } from "../parts/page";
import { ResourceTable } from "../parts/resource-table";
import { RowActions } from "../parts/row-actions";
import { number, size } from "../parts/shown";
import { announce } from "../parts/toast";
import { t } from "../parts/words";
import { When } from "../parts/when";
import { ChartVersion } from "./chart_contents";
import { NamespaceFilter } from "./repositories";

type Row = Schemas["HelmChartInfo"];
type Version = Schemas["HelmChartVersion"];

export interface ChartPlace {
  RegistryId: string;
  NamespaceName: string;
  ChartName: string;
}

export default function Charts() {
  const { namespace } = useParams();
  return namespace ? <Chart /> : <ChartList />;
}

function ChartList() {
  const instance = useInstance();
  const cache = useQueryClient();
  const [address, change] = useAddress();
  const [deleting, setDeleting] = useState<Row>();
  const RegistryId = instance.RegistryId;
  const namespace = address.get("namespace") ?? "";
  const place = (row: Row) => `/i/${instance.RegistryName}/charts/${row.Namespace}/${row.Name}`;
  const host = domainOf(instance);
  const example = useExampleNamespace(RegistryId);
  const secure = location.protocol === "https:";
  return (
    <Page title={t("Helm charts")} lead={t("Charts live in the same namespaces as images. What is pushed by OCI is in the chart repository too, and the other way round.")}>
      <ResourceTable<Row>
        name={t("Helm charts")}
        keys={["charts", RegistryId, namespace]}
        search={t("Search by name")}
        filters={<NamespaceFilter value={namespace} onChange={(chosen) => change({ namespace: chosen, last: null })} />}
        ask={async (page, search, _, signal) => {
          const found = await call("DescribeHelmCharts", { RegistryId, ...page, NamespaceName: namespace || null, ChartName: search || null }, signal);
          return { rows: found.ChartList, last: found.Last, total: found.TotalCount };
        }}
        rowKey={(row) => `${row.Namespace}/${row.Name}`}
        to={place}
        columns={[
          { title: t("Name"), cell: (row) => <><Link to={place(row)}>{row.Name}</Link> {row.Deprecated && <Tag theme="warning" variant="light">{t("deprecated")}</Tag>}{row.Description && <div className="muted clip">{row.Description}</div>}</> },
          { title: t("Namespace"), minor: true, cell: (row) => row.Namespace },
          { title: t("Newest version"), cell: (row) => <code>{row.LatestVersion}</code> },
          { title: t("Versions"), align: "end", minor: true, cell: (row) => number(row.VersionCount) },
          { title: t("Pulls"), align: "end", minor: true, cell: (row) => number(row.PullCount) },
          { title: t("Changed"), minor: true, cell: (row) => <When at={row.UpdateTime} /> },
          { title: t("Actions"), align: "end", cell: (row) => <RowActions onDelete={() => setDeleting(row)} /> },
        ]}
        empty={{
          title: t("There is no chart here yet"),
          text: t("Push the first one:"),
          commands: [`helm registry login ${host}${secure ? "" : " --plain-http"}`, `helm push CHART-1.0.0.tgz oci://${host}/${namespace || example}${secure ? "" : " --plain-http"}`],
        }}
      />
      {deleting && (
        <DeleteChart
          where={{ RegistryId, NamespaceName: deleting.Namespace, ChartName: deleting.Name }}
          count={deleting.VersionCount}
          onDone={() => {
            setDeleting(undefined);
            void cache.invalidateQueries({ queryKey: ["charts", RegistryId] });
          }}
          onCancel={() => setDeleting(undefined)}
        />
      )}
    </Page>
  );
}

interface DeleteProps {
  where: ChartPlace;
  count?: number;
  versions?: string[];
  onDone: () => void;
  onCancel: () => void;
}

function DeleteChart({ where, count, versions, onDone, onCancel }: DeleteProps) {
  const name = `${where.NamespaceName}/${where.ChartName}`;
  return (
    <Confirm
      title={versions ? t("Delete {name}?", { name: `${where.ChartName} ${versions.join(", ")}` }) : t("Delete chart {name}?", { name })}
      typed={versions ? undefined : where.ChartName}
      impact={{
        keys: ["impact", "chart", name, versions],
        ask: () => call("DescribeHelmChartVersions", { ...where, Limit: 50 }),
        tell: (held) => {
          const going = held.VersionList.filter((each) => !versions || versions.includes(each.Version));
          return (
            <>
              <p>{t("What goes: {count} versions, {size}", { count: versions?.length ?? count ?? held.TotalCount ?? going.length, size: size(going.reduce((sum, each) => sum + each.Size, 0)) })}</p>
              <ul className="tag-list">{going.map((each) => <li key={each.Version}><code>{each.Version}</code> {t("{count} pulls", { count: number(each.PullCount) })}</li>)}</ul>
            </>
          );
        },
      }}
      act={() => call("DeleteHelmChart", { ...where, ChartVersions: versions ?? [] })}
      onDone={() => {
        announce(t("{name} is deleted", { name: versions?.join(", ") ?? name }));
        onDone();
      }}
      onCancel={onCancel}
    />
  );
}

function Chart() {
  const instance = useInstance();
  const navigate = useNavigate();
  const { namespace = "", "*": name = "" } = useParams();
  const [address, change] = useAddress();
  const [deleting, setDeleting] = useState(false);
  const where: ChartPlace = { RegistryId: instance.RegistryId, NamespaceName: namespace, ChartName: name };
  const version = address.get("version");
  const list = `/i/${instance.RegistryName}/charts`;
  const above = [{ text: t("Helm charts"), to: list }, { text: namespace, to: `${list}?namespace=${namespace}` }];
  if (version) {
    return (
      <Page title={`${name} ${version}`} above={[...above, { text: name, to: `${list}/${namespace}/${name}` }]}>
        <ChartVersion where={where} version={version} />
      </Page>
    );
  }
  const tabs = [{ key: "versions", text: t("Versions") }, { key: "push", text: t("Pull and push") }];
  const tab = tabIn(address, tabs);
  return (
    <Page title={`${namespace}/${name}`} above={above} actions={<Button variant="outline" theme="danger" onClick={() => setDeleting(true)}>{t("Delete")}</Button>}>
      <Tabs name={name} shown={tab} onShow={(key) => change({ tab: key === "versions" ? null : key, last: null })} tabs={tabs} />
      {tab === "versions" ? <Versions where={where} onOpen={(chosen) => change({ version: chosen, last: null })} /> : <Ways namespace={namespace} name={name} />}
      {deleting && <DeleteChart where={where} onDone={() => void navigate(list)} onCancel={() => setDeleting(false)} />}
    </Page>
  );
}

function Versions({ where, onOpen }: { where: ChartPlace; onOpen: (version: string) => void }) {
  const cache = useQueryClient();
  const [deleting, setDeleting] = useState<string[]>();
  return (
    <>
      <ResourceTable<Version>
        name={t("Versions")}
        keys={["chart-versions", where.RegistryId, where.NamespaceName, where.ChartName]}
        ask={async (page, _, __, signal) => {
          const found = await call("DescribeHelmChartVersions", { ...where, ...page }, signal);
          return { rows: found.VersionList, last: found.Last, total: found.TotalCount };
        }}
        rowKey={(row) => row.Version}
        open={(row) => onOpen(row.Version)}
        chosen={(rows) => <Button theme="danger" variant="outline" onClick={() => setDeleting(rows.map((row) => row.Version))}>{t("Delete {count} versions", { count: rows.length })}</Button>}
        columns={[
          { title: t("Version"), cell: (row) => <><Link to={`?version=${encodeURIComponent(row.Version)}`}><code>{row.Version}</code></Link> {row.Prerelease && <Tag variant="light">{t("pre-release")}</Tag>} {row.Signed && <Tag theme="success" variant="light">{t("signed")}</Tag>}</> },
          { title: t("Version of the app"), minor: true, cell: (row) => row.AppVersion || "—" },
          { title: t("Size"), align: "end", minor: true, cell: (row) => size(row.Size) },
          { title: t("Pulls"), align: "end", minor: true, cell: (row) => number(row.PullCount) },
          { title: t("Pushed"), minor: true, cell: (row) => <When at={row.CreationTime} /> },
          { title: t("Actions"), align: "end", cell: (row) => <RowActions onDelete={() => setDeleting([row.Version])} /> },
        ]}
        empty={{ title: t("There is no chart here yet") }}
      />
      {deleting && (
        <DeleteChart
          where={where}
          versions={deleting}
          onDone={() => {
            setDeleting(undefined);
            void cache.invalidateQueries({ queryKey: ["chart-versions", where.RegistryId] });
          }}
          onCancel={() => setDeleting(undefined)}
        />
      )}
    </>
  );
}

function Ways({ namespace, name }: { namespace: string; name: string }) {
  const instance = useInstance();
  const host = domainOf(instance);
  const plain = location.protocol === "https:" ? "" : " --plain-http";
  return (
    <>
      <h2 className="section-title">OCI</h2>
      <Command text={`helm registry login ${host}${plain}`} />
      <Command text={`helm push ${name}-VERSION.tgz oci://${host}/${namespace}${plain}`} />
      <Command text={`helm pull oci://${host}/${namespace}/${name} --version VERSION${plain}`} />
      <h2 className="section-title">{t("Chart repository")}</h2>
      <Command text={`helm repo add ${instance.RegistryName}-${namespace} ${location.protocol}//${host}/chartrepo/${namespace} --username USERNAME --password PASSWORD`} />
      <Command text={`helm cm-push ${name}-VERSION.tgz ${instance.RegistryName}-${namespace}`} />
      <Command text={`helm pull ${instance.RegistryName}-${namespace}/${name} --version VERSION`} />
    </>
  );
}
