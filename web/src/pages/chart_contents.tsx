// One version of a chart: read-me, values, every file, what differs from another version, and how it is installed.
import { useMutation, useQuery } from "@tanstack/react-query";
import { Tag } from "tdesign-react";
import { call, type Schemas } from "../api/client";
import { tabIn, useAddress } from "../parts/address";
import { Button } from "../parts/button";
import { Code, Difference } from "../parts/code";
import { Command, Copy } from "../parts/copy";
import { Markdown } from "../parts/description";
import { reaching, useInstance } from "../parts/instance";
import { Card, Facts, Tabs } from "../parts/page";
import { ProblemBox } from "../parts/problem";
import { ago, number, size } from "../parts/shown";
import { t } from "../parts/words";
import type { ChartPlace } from "./charts";

type Details = Schemas["HelmChartDetails"];

interface Props {
  where: ChartPlace;
  version: string;
}

export function ChartVersion({ where, version }: Props) {
  const instance = useInstance();
  const [address, change] = useAddress();
  const found = useQuery({
    queryKey: ["chart-version", where.RegistryId, where.NamespaceName, where.ChartName, version],
    queryFn: () => call("DescribeHelmChartVersion", { ...where, ChartVersion: version }),
    staleTime: 60_000,
  });
  const downloading = useMutation({
    mutationFn: () => call("DescribeChartDownloadInfo", { ...where, ChartVersion: version }),
    onSuccess: (answer) => location.assign(answer.PreSignedDownloadURL),
  });
  if (found.isError) return <ProblemBox error={found.error} />;
  if (!found.data) return <p className="muted" aria-busy="true">{t("Loading")}</p>;
  const chart = found.data;
  const tabs = [
    ...(chart.Readme ? [{ key: "readme", text: t("Read-me") }] : []),
    { key: "values", text: t("Values") },
    { key: "files", text: t("Files") },
    { key: "install", text: t("Install") },
    { key: "dependencies", text: t("Dependencies") },
    { key: "difference", text: t("Compare") },
  ];
  const tab = tabIn(address, tabs);
  return (
    <>
      <Card actions={<Button variant="outline" loading={downloading.isPending} onClick={() => downloading.mutate()}>{t("Download")}</Button>} title={chart.Version.Description || where.ChartName}>
        {downloading.isError && <ProblemBox error={downloading.error} />}
        <About chart={chart} />
      </Card>
      <Tabs name={version} shown={tab} onShow={(key) => change({ tab: key, path: null })} tabs={tabs} />
      {tab === "readme" && <Card><Markdown text={chart.Readme} /></Card>}
      {tab === "values" && (chart.Values ? <Code text={chart.Values} /> : <p className="muted">{t("The chart has no values.")}</p>)}
      {tab === "files" && <Files where={where} version={version} files={chart.Files} />}
      {tab === "install" && chart.Install.map((each) => (
        <Card key={each.Way} title={each.Way === "oci" ? "OCI" : t("Chart repository")}>
          {each.Commands.map((command) => <Command key={command} text={reaching(instance, command)} />)}
        </Card>
      ))}
      {tab === "dependencies" && <Dependencies chart={chart} />}
      {tab === "difference" && <Compare where={where} version={version} />}
    </>
  );
}

function About({ chart }: { chart: Details }) {
  const link = (address: string) => <a key={address} href={address} target="_blank" rel="noopener noreferrer nofollow" className="wrap">{address}</a>;
  const safe = (addresses: string[]) => addresses.filter((each) => /^https?:\/\//.test(each)).map(link);
  const facts: [string, React.ReactNode][] = [
    [t("Version of the app"), chart.Version.AppVersion || "—"],
    [t("Size"), size(chart.Version.Size)],
    [t("Pushed"), ago(chart.Version.CreationTime)],
    [t("Pulls"), number(chart.Version.PullCount)],
    [t("Digest"), <span key="d"><code className="wrap">{chart.ManifestDigest}</code> <Copy text={chart.ManifestDigest} /></span>],
  ];
  if (chart.KubeVersion) facts.push(["Kubernetes", <code key="k">{chart.KubeVersion}</code>]);
  if (safe([chart.Home]).length) facts.push([t("Home"), safe([chart.Home])]);
  if (safe(chart.Sources).length) facts.push([t("Sources"), safe(chart.Sources)]);
  if (chart.Maintainers.length) facts.push([t("Maintainers"), chart.Maintainers.map((each) => each.Name).join(", ")]);
  if (chart.Keywords.length) facts.push([t("Keywords"), chart.Keywords.map((each) => <Tag key={each} variant="light">{each}</Tag>)]);
  return <Facts facts={facts} />;
}

function Files({ where, version, files }: Props & { files: Details["Files"] }) {
  const [address, change] = useAddress();
  const path = address.get("path") ?? files.find((each) => each.Path.endsWith("Chart.yaml"))?.Path ?? files[0]?.Path ?? "";
  const found = useQuery({
    queryKey: ["chart-file", where.RegistryId, where.NamespaceName, where.ChartName, version, path],
    queryFn: () => call("DescribeHelmChartFile", { ...where, ChartVersion: version, Path: path }),
    enabled: Boolean(path),
    staleTime: Infinity,
  });
  return (
    <div className="files">
      <nav aria-label={t("Files")}>
        <ul>
          {files.map((each) => (
            <li key={each.Path}>
              <button type="button" className="link" aria-current={each.Path === path || undefined} onClick={() => change({ path: each.Path }, true)}>
                {each.Path}
              </button>
              <span className="muted nowrap">{size(each.Size)}</span>
            </li>
          ))}
        </ul>
      </nav>
      <div>
        {found.isError && <ProblemBox error={found.error} />}
        {found.data && (found.data.Encoding === "text" ? <Code text={found.data.Content} plain={!/\.(ya?ml|tpl|json)$/.test(path)} /> : <p className="muted">{t("This file is no text.")}</p>)}
      </div>
    </div>
  );
}

function Dependencies({ chart }: { chart: Details }) {
  if (!chart.Dependencies.length) return <p className="muted">{t("The chart needs no other charts.")}</p>;
  return (
    <div className="table-scroll" tabIndex={0} role="region" aria-label={t("Dependencies")}>
      <table>
        <thead><tr><th>{t("Name")}</th><th>{t("Version")}</th><th>{t("Repository")}</th><th className="minor">{t("Condition")}</th></tr></thead>
        <tbody>
          {chart.Dependencies.map((each) => (
            <tr key={each.Name + each.Alias}>
              <td>{each.Name}{each.Alias && ` (${each.Alias})`}</td>
              <td><code>{each.Version}</code></td>
              <td className="wrap">{each.Repository || t("comes with the chart")}</td>
              <td className="minor"><code>{each.Condition || "—"}</code></td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Compare({ where, version }: Props) {
  const [address, change] = useAddress();
  const versions = useQuery({ queryKey: ["chart-versions", where.RegistryId, where.NamespaceName, where.ChartName, "choice"], queryFn: () => call("DescribeHelmChartVersions", { ...where, Limit: 200 }) });
  const others = versions.data?.VersionList.map((each) => each.Version).filter((each) => each !== version) ?? [];
  const all = versions.data?.VersionList.map((each) => each.Version) ?? [];
  const other = address.get("with") ?? all[all.indexOf(version) + 1] ?? others[0] ?? "";
  const found = useQuery({
    queryKey: ["chart-difference", where.RegistryId, where.NamespaceName, where.ChartName, version, other],
    queryFn: () => call("DescribeHelmChartDifference", { ...where, ChartVersion: other, OtherVersion: version }),
    enabled: other !== "",
    staleTime: 60_000,
  });
  if (versions.data && !others.length) return <p className="muted">{t("There is no other version to compare with.")}</p>;
  return (
    <>
      <label className="filter">
        {t("Since version")}{" "}
        <select className="select" value={other} onChange={(event) => change({ with: event.target.value })}>
          {others.map((each) => <option key={each}>{each}</option>)}
        </select>
      </label>
      {found.isError && <ProblemBox error={found.error} />}
      {found.data?.Files.length === 0 && <p className="muted">{t("Values and templates are the same.")}</p>}
      {found.data?.Files.map((each) => (
        <section key={each.Path}>
          <h2 className="section-title"><code>{each.Path}</code> <Tag variant="light" theme={each.Change === "removed" ? "danger" : each.Change === "added" ? "success" : "primary"}>{t(CHANGES[each.Change])}</Tag></h2>
          <Difference text={each.Difference} />
        </section>
      ))}
    </>
  );
}

const CHANGES = { added: "added", removed: "removed", changed: "changed" } as const;
