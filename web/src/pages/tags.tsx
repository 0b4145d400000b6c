// One repository: its tags, what an image is made of, and its description.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useNavigate, useParams } from "react-router";
import { call, type Schemas } from "../api/client";
import { tabIn, useAddress } from "../parts/address";
import { Button } from "../parts/button";
import { CopyImage } from "../parts/copy-image";
import { Copy } from "../parts/copy";
import { Confirm } from "../parts/confirm";
import { DeleteImage, DeleteRepository } from "../parts/delete-image";
import { useInstance } from "../parts/instance";
import { Page, Tabs } from "../parts/page";
import { ProblemBox } from "../parts/problem";
import { PullCommands } from "../parts/pull-commands";
import { ResourceTable } from "../parts/resource-table";
import { RowActions } from "../parts/row-actions";
import { ago, number, shortDigest, size } from "../parts/shown";
import { announce } from "../parts/toast";
import { t } from "../parts/words";
import { When } from "../parts/when";
import { Description } from "../parts/description";
import { Image } from "./manifests";

type Row = Schemas["ImageInfo"];

export default function Tags() {
  const instance = useInstance();
  const { namespace = "", "*": rest = "" } = useParams();
  const [address, change] = useAddress();
  const RegistryId = instance.RegistryId;
  const name = `${namespace}/${rest}`;
  const image = address.get("image");
  const where = { RegistryId, NamespaceName: namespace, RepositoryName: rest };
  const above = [
    { text: t("Image repositories"), to: `/i/${instance.RegistryName}/repositories` },
    { text: namespace, to: `/i/${instance.RegistryName}/repositories?namespace=${namespace}` },
    ...(image ? [{ text: rest, to: `/i/${instance.RegistryName}/repositories/${name}` }] : []),
  ];
  if (image) {
    return (
      <Page
        title={image.startsWith("sha") ? shortDigest(image) : `${rest}:${image}`}
        above={above}
        actions={!image.includes(":") && <CopyImage where={where} tag={image} />}
      >
        <Image where={where} reference={image} />
      </Page>
    );
  }
  const tabs = [
    { key: "tags", text: t("Tags") },
    { key: "about", text: t("Description") },
    { key: "pull", text: t("Pull and push") },
  ];
  const tab = tabIn(address, tabs);
  return (
    <Page title={name} above={above} actions={<Delete RegistryId={RegistryId} name={name} />}>
      <Tabs
        name={name}
        shown={tab}
        onShow={(key) => change({ tab: key === "tags" ? null : key, q: null, last: null })}
        tabs={tabs}
      />
      {tab === "tags" && <TagTable where={where} name={name} onOpen={(tag) => change({ image: tag, q: null, last: null })} />}
      {tab === "about" && <Description where={where} />}
      {tab === "pull" && <PullCommands instance={instance} name={name} tag="TAG" push />}
    </Page>
  );
}

export interface Where {
  RegistryId: string;
  NamespaceName: string;
  RepositoryName: string;
}

function TagTable({ where, name, onOpen }: { where: Where; name: string; onOpen: (tag: string) => void }) {
  const instance = useInstance();
  const cache = useQueryClient();
  const [deleting, setDeleting] = useState<string>();
  const [several, setSeveral] = useState<{ tags: string[]; clear: () => void }>();
  const [pulling, setPulling] = useState<string>();
  const again = () => void cache.invalidateQueries({ queryKey: ["tags", where.RegistryId, name] });
  const exists = useQuery({
    queryKey: ["repository", where.RegistryId, name],
    queryFn: () => call("DescribeImages", { ...where, Limit: 1 }),
  });
  if (exists.isError) return <ProblemBox error={exists.error} />;
  return (
    <>
      {pulling && <PullCommands instance={instance} name={name} tag={pulling} onClose={() => setPulling(undefined)} />}
      <ResourceTable<Row>
        name={t("Tags")}
        keys={["tags", where.RegistryId, name]}
        search={t("Search tags")}
        ask={async (page, search, _, signal) => {
          const found = await call("DescribeImages", { ...where, ...page, ImageVersion: search || null }, signal);
          return { rows: found.ImageInfoList, last: found.Last, total: found.TotalCount };
        }}
        rowKey={(row) => row.ImageVersion}
        open={(row) => onOpen(row.ImageVersion)}
        chosen={(rows, clear) => (
          <Button theme="danger" variant="outline" onClick={() => setSeveral({ tags: rows.map((row) => row.ImageVersion), clear })}>
            {t("Delete {count} tags", { count: rows.length })}
          </Button>
        )}
        columns={[
          { title: t("Tag"), cell: (row) => <Link to={`?image=${encodeURIComponent(row.ImageVersion)}`}><code>{row.ImageVersion}</code></Link> },
          {
            title: t("Digest"),
            minor: true,
            cell: (row) => (
              <span className="nowrap">
                <code title={row.Digest}>{shortDigest(row.Digest)}</code> <Copy text={row.Digest} />
              </span>
            ),
          },
          { title: t("Size"), align: "end", cell: (row) => <span className="nowrap">{size(row.Size)}</span> },
          { title: t("Platforms"), minor: true, cell: (row) => <Platforms text={row.Platforms} /> },
          { title: t("Pushed"), minor: true, cell: (row) => <When at={row.UpdateTime} /> },
          {
            title: t("Last pulled"),
            minor: true,
            cell: (row) => <span title={t("{count} pulls", { count: number(row.PullCount) })}>{ago(row.LastPullTime)}</span>,
          },
          {
            title: t("Actions"),
            align: "end",
            cell: (row) => (
              <RowActions onDelete={() => setDeleting(row.ImageVersion)}>
                <Button variant="text" size="small" onClick={() => setPulling(row.ImageVersion)}>{t("Pull")}</Button>
              </RowActions>
            ),
          },
        ]}
        empty={{
          title: t("This repository has no tags yet"),
          text: t("Push the first one:"),
          commands: [`docker push ${location.host}/${name}:1`],
        }}
      />
      {deleting && (
        <DeleteImage
          RegistryId={where.RegistryId}
          name={name}
          tag={deleting}
          onDone={() => {
            setDeleting(undefined);
            again();
          }}
          onCancel={() => setDeleting(undefined)}
        />
      )}
      {several && (
        <Confirm
          title={t("Delete {count} tags", { count: several.tags.length })}
          text={
            <>
              <p>{t("These tags go; an image goes with its last tag.")}</p>
              <ul className="tag-list">{several.tags.map((tag) => <li key={tag}><code>{tag}</code></li>)}</ul>
            </>
          }
          act={async () => {
            for (let place = 0; place < several.tags.length; place += 20) {
              await call("DeleteRepositoryTags", { ...where, Tags: several.tags.slice(place, place + 20) });
            }
          }}
          onDone={() => {
            announce(t("Deleted: {count} tags", { count: several.tags.length }));
            several.clear();
            setSeveral(undefined);
            again();
          }}
          onCancel={() => setSeveral(undefined)}
        />
      )}
    </>
  );
}

export function Platforms({ text }: { text: string }) {
  const all = text.split(",").map((each) => each.trim()).filter(Boolean);
  if (!all.length) return <>—</>;
  return (
    <span className="platforms" title={all.join("\n")}>
      {all.slice(0, 3).map((each) => <code key={each}>{each}</code>)}
      {all.length > 3 && `+${all.length - 3}`}
    </span>
  );
}

function Delete({ RegistryId, name }: { RegistryId: string; name: string }) {
  const [asking, setAsking] = useState(false);
  const navigate = useNavigate();
  const instance = useInstance();
  return (
    <>
      <Button theme="danger" variant="outline" onClick={() => setAsking(true)}>{t("Delete")}</Button>
      {asking && (
        <DeleteRepository
          RegistryId={RegistryId}
          name={name}
          onDone={() => void navigate(`/i/${instance.RegistryName}/repositories`, { replace: true })}
          onCancel={() => setAsking(false)}
        />
      )}
    </>
  );
}
