// Namespaces: who may pull from each, and how its images are scanned.
import { useQueryClient } from "@tanstack/react-query";
import { Tag } from "tdesign-react";
import { useState } from "react";
import { Link } from "react-router";
import { call, type Schemas } from "../api/client";
import { ActionDialog } from "../parts/action-form";
import { useAddress } from "../parts/address";
import { Button } from "../parts/button";
import { Confirm } from "../parts/confirm";
import { domainOf, meaning, useInstance } from "../parts/instance";
import { LabelFilter, labelFilters, Labels, labelsField } from "../parts/labels";
import { Page } from "../parts/page";
import { ResourceTable } from "../parts/resource-table";
import { RowActions } from "../parts/row-actions";
import { announce } from "../parts/toast";
import { t } from "../parts/words";
import { When } from "../parts/when";

type Row = Schemas["NamespaceInfo"];

export default function Namespaces() {
  const instance = useInstance();
  const cache = useQueryClient();
  const [address] = useAddress();
  const [creating, setCreating] = useState(false);
  const [changing, setChanging] = useState<Row>();
  const [deleting, setDeleting] = useState<Row>();
  const RegistryId = instance.RegistryId;
  const done = (text: string) => {
    setCreating(false);
    setChanging(undefined);
    setDeleting(undefined);
    announce(text);
    void cache.invalidateQueries({ queryKey: ["namespaces", RegistryId] });
  };
  const create = (
    <Button theme="primary" onClick={() => setCreating(true)}>
      {t("New namespace")}
    </Button>
  );
  return (
    <Page title={t("Namespaces")} lead={t("A namespace holds the repositories of a team or a project. Whoever may pull from it follows from its access level.")}>
      <ResourceTable<Row>
        name={t("Namespaces")}
        keys={["namespaces", RegistryId, address.get("label")]}
        search={t("Search by name")}
        filters={<LabelFilter />}
        narrowedBy="label"
        ask={async (page, search, _, signal) => {
          const found = await call("DescribeNamespaces", { RegistryId, ...page, NamespaceName: search || null, Filters: labelFilters(address) }, signal);
          return { rows: found.NamespaceList, last: found.Last, total: found.TotalCount };
        }}
        rowKey={(row) => row.Name}
        to={(row) => `/i/${instance.RegistryName}/repositories?namespace=${row.Name}`}
        actions={create}
        columns={[
          { title: t("Name"), cell: (row) => <><Link to={`/i/${instance.RegistryName}/repositories?namespace=${row.Name}`}>{row.Name}</Link> <Labels carried={row.TagSpecification} list={`/i/${instance.RegistryName}/namespaces`} /></> },
          { title: t("Access level"), cell: (row) => (row.Public ? <Tag theme="warning" variant="light">{t("Public")}</Tag> : <Tag variant="light">{t("Private")}</Tag>) },
          { title: t("Scan"), minor: true, cell: (row) => (row.AutoScan ? t("Automatic") : t("By hand")) },
          { title: t("Created"), minor: true, cell: (row) => <When at={row.CreationTime} /> },
          {
            title: t("Actions"),
            align: "end",
            cell: (row) => <RowActions onEdit={() => setChanging(row)} onDelete={() => setDeleting(row)} />,
          },
        ]}
        empty={{
          title: t("There is no namespace yet"),
          text: t("Every image lives in a namespace. Create the first one here, or on the command line:"),
          commands: [meaning(instance, "roadstead namespace create my-team"), `docker push ${domainOf(instance)}/my-team/my-image:1`],
          action: create,
        }}
      />
      {creating && (
        <ActionDialog
          title={t("New namespace")}
          action="CreateNamespace"
          fixed={{ RegistryId }}
          fields={["NamespaceName", "IsPublic", "IsAutoScan", "TagSpecification"]}
          special={{ TagSpecification: labelsField("namespace") }}
          submit={t("Create")}
          onDone={(_, asked) => done(t("{name} is created", { name: asked.NamespaceName }))}
          onCancel={() => setCreating(false)}
        />
      )}
      {changing && (
        <ActionDialog
          title={t("Namespace {name}", { name: changing.Name })}
          action="ModifyNamespace"
          fixed={{ RegistryId, NamespaceName: changing.Name }}
          fields={["IsPublic", "IsAutoScan", "TagSpecification"]}
          initial={{ IsPublic: changing.Public, IsAutoScan: changing.AutoScan, TagSpecification: changing.TagSpecification }}
          special={{ TagSpecification: labelsField("namespace") }}
          submit={t("Save")}
          onDone={() => done(t("Saved"))}
          onCancel={() => setChanging(undefined)}
        />
      )}
      {deleting && (
        <Confirm
          title={t("Delete namespace {name}?", { name: deleting.Name })}
          text={<p>{t("Only an empty namespace can be deleted: delete its repositories first. Its rules and triggers go with it.")}</p>}
          act={() => call("DeleteNamespace", { RegistryId, NamespaceName: deleting.Name })}
          onDone={() => done(t("{name} is deleted", { name: deleting.Name }))}
          onCancel={() => setDeleting(undefined)}
        />
      )}
    </Page>
  );
}
