// Image repositories of an instance, or of one namespace.
import { useQueryClient } from "@tanstack/react-query";
import { Tag } from "tdesign-react";
import { useState } from "react";
import { Link, useNavigate } from "react-router";
import { call, type Schemas } from "../api/client";
import { ActionDialog } from "../parts/action-form";
import { useAddress } from "../parts/address";
import { Button } from "../parts/button";
import { DeleteRepository } from "../parts/delete-image";
import { domainOf, useExampleNamespace, useInstance, useNamespaceNames } from "../parts/instance";
import { Page } from "../parts/page";
import { ResourceTable } from "../parts/resource-table";
import { RowActions } from "../parts/row-actions";
import { number } from "../parts/shown";
import { announce } from "../parts/toast";
import { t } from "../parts/words";
import { When } from "../parts/when";

type Row = Schemas["RepositoryInfo"];
type Order = "name" | "-name" | "creation_time" | "-creation_time" | "update_time" | "-update_time";

export default function Repositories() {
  const instance = useInstance();
  const cache = useQueryClient();
  const navigate = useNavigate();
  const [address, change] = useAddress();
  const [creating, setCreating] = useState(false);
  const [deleting, setDeleting] = useState<Row>();
  const RegistryId = instance.RegistryId;
  const namespace = address.get("namespace") ?? "";
  const names = useNamespaceNames(RegistryId);
  const example = useExampleNamespace(RegistryId);
  const place = (row: Row) => `/i/${instance.RegistryName}/repositories/${row.Name}`;
  const create = (
    <Button theme="primary" onClick={() => setCreating(true)}>
      {t("New repository")}
    </Button>
  );
  return (
    <Page title={t("Image repositories")} lead={t("A push makes a repository that is missing. It is the smallest thing that permissions are about.")}>
      <ResourceTable<Row>
        name={t("Image repositories")}
        keys={["repositories", RegistryId, namespace]}
        search={t("Search by name")}
        filters={<NamespaceFilter value={namespace} onChange={(chosen) => change({ namespace: chosen, last: null })} />}
        ask={async (page, search, sort, signal) => {
          const found = await call(
            "DescribeRepositories",
            { RegistryId, ...page, NamespaceName: namespace || null, RepositoryName: search || null, SortBy: (sort || "name") as Order },
            signal,
          );
          return { rows: found.RepositoryList, last: found.Last, total: found.TotalCount };
        }}
        rowKey={(row) => row.Name}
        to={place}
        actions={create}
        columns={[
          {
            title: t("Name"),
            sort: "name",
            cell: (row) => (
              <>
                <Link to={place(row)}>{row.Name}</Link>
                {row.BriefDescription && <div className="muted clip">{row.BriefDescription}</div>}
              </>
            ),
          },
          { title: t("Access level"), minor: true, cell: (row) => (row.Public ? <Tag theme="warning" variant="light">{t("Public")}</Tag> : <Tag variant="light">{t("Private")}</Tag>) },
          { title: t("Pulls"), align: "end", cell: (row) => number(row.PullCount) },
          { title: t("Last pulled"), minor: true, cell: (row) => <When at={row.LastPullTime} /> },
          { title: t("Changed"), minor: true, sort: "update_time", cell: (row) => <When at={row.UpdateTime} /> },
          {
            title: t("Actions"),
            align: "end",
            cell: (row) => <RowActions onDelete={() => setDeleting(row)} />,
          },
        ]}
        empty={{
          title: t("There is no image here yet"),
          text: t("Push the first one:"),
          commands: [
            `docker login ${domainOf(instance)}`,
            `docker tag IMAGE ${domainOf(instance)}/${namespace || example}/IMAGE:1`,
            `docker push ${domainOf(instance)}/${namespace || example}/IMAGE:1`,
          ],
          action: <Link to={`/i/${instance.RegistryName}/credentials`}>{t("Get a login first")}</Link>,
        }}
      />
      {creating && (
        <ActionDialog
          title={t("New repository")}
          action="CreateRepository"
          fixed={{ RegistryId }}
          initial={{ NamespaceName: namespace || undefined }}
          fields={["NamespaceName", "RepositoryName", "BriefDescription", "Description"]}
          special={{ NamespaceName: names?.length ? { options: names.map((each) => ({ value: each, label: each })) } : {} }}
          submit={t("Create")}
          onDone={(_, asked) => {
            announce(t("{name} is created", { name: asked.RepositoryName }));
            void navigate(`/i/${instance.RegistryName}/repositories/${asked.NamespaceName}/${asked.RepositoryName}`);
          }}
          onCancel={() => setCreating(false)}
        />
      )}
      {deleting && (
        <DeleteRepository
          RegistryId={RegistryId}
          name={deleting.Name}
          onDone={() => {
            setDeleting(undefined);
            void cache.invalidateQueries({ queryKey: ["repositories", RegistryId] });
          }}
          onCancel={() => setDeleting(undefined)}
        />
      )}
    </Page>
  );
}

/** A choice among the namespaces; many are not listed at once, so the first hundred have to do beside the search. */
export function NamespaceFilter({ value, onChange }: { value: string; onChange: (name: string) => void }) {
  const { RegistryId } = useInstance();
  const names = useNamespaceNames(RegistryId) ?? [];
  return (
    <label className="filter">
      {t("Namespace")}{" "}
      <select className="select" value={value} onChange={(event) => onChange(event.target.value)}>
        <option value="">{t("All")}</option>
        {(value && !names.includes(value) ? [value, ...names] : names).map((name) => (
          <option key={name}>{name}</option>
        ))}
      </select>
    </label>
  );
}
