// What an image is made of: layers with the commands that made them, the images of an index, what refers to it, and its
// documents as they were pushed.
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { call, type Schemas } from "../api/client";
import { tabIn, useAddress } from "../parts/address";
import { Command, Copy } from "../parts/copy";
import { useInstance } from "../parts/instance";
import { Card, Facts, Tabs } from "../parts/page";
import { ProblemBox } from "../parts/problem";
import { PullCommands } from "../parts/pull-commands";
import { ResourceTable } from "../parts/resource-table";
import { ago, shortDigest, size } from "../parts/shown";
import { t } from "../parts/words";
import { When } from "../parts/when";
import { lastPull } from "../parts/delete-image";
import { Platforms, type Where } from "./tags";

type Referrer = Schemas["ReferrerInfo"];

export function Image({ where, reference }: { where: Where; reference: string }) {
  const instance = useInstance();
  const [address, change] = useAddress();
  const name = `${where.NamespaceName}/${where.RepositoryName}`;
  const keys = [where.RegistryId, name, reference];
  const tagged = !reference.includes(":");
  const row = useQuery({
    queryKey: ["image", ...keys],
    queryFn: () => call("DescribeImages", { ...where, ...(tagged ? { ImageVersion: reference, ExactMatch: true } : { Digest: reference }), Limit: 20 }),
  });
  const members = useQuery({ queryKey: ["members", ...keys], queryFn: () => call("DescribeImageMembers", { ...where, Reference: reference }) });
  const found = row.data?.ImageInfoList[0];
  if (members.isError) return <ProblemBox error={members.error} />;
  // Until it is known, an address that names this tab is believed.
  const index = members.data ? members.data.Members.length > 0 : address.get("tab") === "members";
  const digest = members.data?.Digest ?? found?.Digest ?? "";
  const tabs = [
    { key: "layers", text: t("Layers") },
    ...(index ? [{ key: "members", text: t("Images of the index") }] : []),
    { key: "referrers", text: t("Signatures and attachments") },
    { key: "documents", text: t("Manifest and configuration") },
    { key: "pull", text: t("Pull") },
  ];
  const tab = tabIn(address, tabs);
  const facts: [string, React.ReactNode][] = [
    [t("Digest"), <span key="d"><code className="wrap">{digest}</code> {digest && <Copy text={digest} />}</span>],
  ];
  if (found) {
    facts.push(
      [t("Size"), size(found.Size)],
      [t("Platforms"), <Platforms key="p" text={found.Platforms} />],
      [t("Kind"), <code key="k" className="wrap">{found.Kind.replace("Artifact::", "")}</code>],
      [t("Pushed"), <When at={found.UpdateTime} />],
      [t("Pulls"), lastPull(found)],
    );
  }
  return (
    <>
      <Card><Facts facts={facts} /></Card>
      <Tabs
        name={reference}
        shown={tab}
        onShow={(key) => change({ tab: key === "layers" ? null : key })}
        tabs={tabs}
      />
      {tab === "layers" && <Layers where={where} reference={reference} members={members.data?.Members ?? []} />}
      {tab === "members" && <Members name={name} members={members.data?.Members ?? []} />}
      {tab === "referrers" && <Referrers where={where} reference={reference} digest={digest} />}
      {tab === "documents" && (tagged ? <Documents where={where} tag={reference} /> : <p className="muted">{t("Documents are shown for tags.")}</p>)}
      {tab === "pull" && <PullCommands instance={instance} name={name} tag={reference} />}
    </>
  );
}

function Layers({ where, reference, members }: { where: Where; reference: string; members: Schemas["roadstead.services.manifests.MemberInfo"][] }) {
  const [address, change] = useAddress();
  const platform = address.get("platform") ?? "";
  const found = useQuery({
    queryKey: ["layers", where.RegistryId, where.NamespaceName, where.RepositoryName, reference, platform],
    queryFn: () => call("DescribeImageLayers", { ...where, Reference: reference, Platform: platform }),
  });
  const choices = members.filter((each) => each.Present && each.Platform && !each.Platform.startsWith("unknown"));
  const largest = Math.max(1, ...(found.data?.Layers.map((each) => each.Size) ?? []));
  return (
    <section aria-label={t("Layers")}>
      {choices.length > 1 && (
        <label className="filter">
          {t("Platform")}{" "}
          <select className="select" value={platform || found.data?.Platform || ""} onChange={(event) => change({ platform: event.target.value })}>
            {choices.map((each) => <option key={each.Digest}>{each.Platform}</option>)}
          </select>
        </label>
      )}
      {found.isError && <ProblemBox error={found.error} />}
      {found.isPending && <p className="muted" aria-busy="true">{t("Loading")}</p>}
      {found.data && (
        <>
          <p className="muted">
            {t("{count} steps, {size} compressed", { count: found.data.Layers.length, size: size(found.data.Size) })}
            {found.data.Platform && ` · ${found.data.Platform}`}
            {found.data.Created && ` · ${t("built {when}", { when: ago(found.data.Created) })}`}
          </p>
          <ol className="layers">
            {found.data.Layers.map((each, place) => (
              <li key={place} className={each.Digest ? undefined : "empty-layer"}>
                <span className="layer-size">{each.Digest ? size(each.Size) : "0"}</span>
                <span className="layer-bar" aria-hidden="true">
                  <svg viewBox="0 0 100 6" preserveAspectRatio="none"><rect width={each.Digest ? Math.max(1, (each.Size / largest) * 100) : 0} height="6" rx="1" /></svg>
                </span>
                <code className="layer-command">{spoken(each.Command) || <span className="muted">{t("no command recorded")}</span>}</code>
                {each.Digest && <span className="layer-digest nowrap"><code title={each.Digest}>{shortDigest(each.Digest)}</code> <Copy text={each.Digest} /></span>}
              </li>
            ))}
          </ol>
        </>
      )}
    </section>
  );
}

/** The command as its author wrote it: builders put a shell before it. */
const spoken = (command: string): string => command.replace(/^\/bin\/sh -c #\(nop\)\s+/, "").replace(/^(RUN )?\/bin\/sh -c /, "RUN ").replace(/ # buildkit$/, "");

function Members({ name, members }: { name: string; members: Schemas["roadstead.services.manifests.MemberInfo"][] }) {
  const instance = useInstance();
  return (
    <div className="table-scroll" tabIndex={0} role="region" aria-label={t("Images of the index")}>
      <table>
        <thead><tr><th>{t("Platform")}</th><th>{t("Digest")}</th><th className="align-end">{t("Size")}</th></tr></thead>
        <tbody>
          {members.map((each) => (
            <tr key={each.Digest}>
              <td>{each.Platform || "—"}</td>
              <td>{each.Present ? <Link to={`/i/${instance.RegistryName}/repositories/${name}?image=${each.Digest}`}><code>{shortDigest(each.Digest)}</code></Link> : <><code>{shortDigest(each.Digest)}</code> <span className="muted">{t("not here")}</span></>}</td>
              <td className="align-end">{each.Present ? size(each.Size) : "—"}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Referrers({ where, reference, digest }: { where: Where; reference: string; digest: string }) {
  const instance = useInstance();
  const name = `${where.NamespaceName}/${where.RepositoryName}`;
  return (
    <ResourceTable<Referrer>
      name={t("Signatures and attachments")}
      keys={["referrers", where.RegistryId, name, reference]}
      ask={async (page, _, __, signal) => {
        const found = await call("DescribeImageReferrers", { ...where, Reference: reference, ...page }, signal);
        return { rows: found.Referrers, last: found.Last, total: found.TotalCount };
      }}
      rowKey={(row) => row.Digest}
      columns={[
        { title: t("Kind"), cell: (row) => <code className="wrap">{row.ArtifactType || row.MediaType}</code> },
        { title: t("Digest"), cell: (row) => <Link to={`/i/${instance.RegistryName}/repositories/${name}?image=${row.Digest}`}><code>{shortDigest(row.Digest)}</code></Link> },
        { title: t("Size"), align: "end", cell: (row) => size(row.Size) },
      ]}
      empty={{
        title: t("Nothing is attached to this image"),
        text: t("Signatures, bills of materials and other artifacts that name this image as their subject appear here:"),
        commands: [`oras attach --artifact-type application/spdx+json ${location.host}/${name}@${digest} sbom.json`, `cosign sign ${location.host}/${name}@${digest}`],
      }}
    />
  );
}

function Documents({ where, tag }: { where: Where; tag: string }) {
  const found = useQuery({
    queryKey: ["documents", where.RegistryId, where.NamespaceName, where.RepositoryName, tag],
    queryFn: () => call("DescribeImageManifests", { ...where, ImageVersion: tag }),
  });
  if (found.isError) return <ProblemBox error={found.error} />;
  if (!found.data) return <p className="muted" aria-busy="true">{t("Loading")}</p>;
  return (
    <>
      {found.data.Labels.length > 0 && <Card title={t("Labels")}><Facts facts={found.data.Labels.map((each) => [each.Key, <span key="v" className="wrap">{each.Value}</span>])} /></Card>}
      <Card title={t("Manifest")}><Command text={pretty(found.data.Manifest)} /></Card>
      {found.data.Config && <Card title={t("Configuration")}><Command text={pretty(found.data.Config)} /></Card>}
    </>
  );
}

export function pretty(json: string): string {
  try {
    return JSON.stringify(JSON.parse(json), null, 2);
  } catch {
    return json;
  }
}
