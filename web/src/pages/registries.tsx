// Instances: made as steps that show how far they are, protected, upgraded, deleted with all they hold.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Steps, Tag } from "tdesign-react";
import { useState } from "react";
import { Link, useNavigate } from "react-router";
import { call, type Schemas } from "../api/client";
import { ActionDialog, EditDialog } from "../parts/action-form";
import { useAddress } from "../parts/address";
import { Button } from "../parts/button";
import { Confirm } from "../parts/confirm";
import { Dialog } from "../parts/dialog";
import { Facts, Page } from "../parts/page";
import { LabelFilter, labelFilters, Labels, LabelsDialog, labelsField } from "../parts/labels";
import { ProblemBox } from "../parts/problem";
import { ResourceTable } from "../parts/resource-table";
import { RowActions } from "../parts/row-actions";
import { number, size } from "../parts/shown";
import { said, t, type Text } from "../parts/words";
import { When } from "../parts/when";
import { SPECIFICATIONS } from "./overview";

type Row = Schemas["RegistryInfo"];

const STATES: Record<Row["Status"], { text: Text; theme: "success" | "primary" | "danger" | "warning" }> = {
  Running: { text: "Running", theme: "success" },
  Pending: { text: "Waiting", theme: "primary" },
  Deploying: { text: "Being created", theme: "primary" },
  FailedCreated: { text: "Failed", theme: "danger" },
  Deleting: { text: "Being deleted", theme: "warning" },
};
const STEPS: Record<string, Text> = { Storage: "Storage", Registry: "Registry", Domain: "Host name", Network: "Network", Content: "Content", Bucket: "Storage" };

const specifications = () => Object.entries(SPECIFICATIONS).map(([value, text]) => ({ value, label: t(text) }));

export function StateTag({ state }: { state: Row["Status"] }) {
  const known = STATES[state];
  return <Tag theme={known.theme} variant="light">{t(known.text)}</Tag>;
}

export default function Registries() {
  const cache = useQueryClient();
  const navigate = useNavigate();
  const [address, change] = useAddress();
  const [creating, setCreating] = useState(false);
  const [changing, setChanging] = useState<Row>();
  const [labelling, setLabelling] = useState<Row>();
  const [deleting, setDeleting] = useState<Row>();
  const watched = address.get("watch");
  const again = () => {
    void cache.invalidateQueries({ queryKey: ["instances"] });
    void cache.invalidateQueries({ queryKey: ["instance"] });
  };
  const create = <Button theme="primary" onClick={() => setCreating(true)}>{t("New instance")}</Button>;
  return (
    <Page title={t("Instances")} lead={t("Each instance is a registry of its own, with its own host name, namespaces, credentials and network rules.")}>
      <ResourceTable<Row>
        name={t("Instances")}
        keys={["instances", "list", address.get("label")]}
        filters={<LabelFilter />}
        narrowedBy="label"
        every={5000}
        ask={async (page, _, __, signal) => {
          const found = await call("DescribeInstances", { ...page, AllRegion: true, Filters: labelFilters(address) }, signal);
          return { rows: found.Registries, last: found.Last, total: found.TotalCount };
        }}
        rowKey={(row) => row.RegistryId}
        to={(row) => (row.Status === "Running" ? `/i/${row.RegistryName}/overview` : `/instances?watch=${row.RegistryId}`)}
        actions={create}
        columns={[
          { title: t("Name"), cell: (row) => <><Link to={row.Status === "Running" ? `/i/${row.RegistryName}/overview` : `?watch=${row.RegistryId}`}>{row.RegistryName}</Link><div className="muted"><code>{row.RegistryId}</code></div><Labels carried={row.TagSpecification} list="/instances" /></> },
          { title: t("State"), cell: (row) => <StateTag state={row.Status} /> },
          { title: t("Specification"), minor: true, cell: (row) => t(SPECIFICATIONS[row.RegistryType]) },
          { title: t("Host name"), minor: true, cell: (row) => <code>{row.PublicDomain}</code> },
          { title: t("Region"), minor: true, cell: (row) => row.RegionName },
          { title: t("Created"), minor: true, cell: (row) => <When at={row.CreatedAt} /> },
          {
            title: t("Actions"),
            align: "end",
            cell: (row) => (
              <RowActions onEdit={() => setChanging(row)} onDelete={() => setDeleting(row)}>
                <Button variant="text" size="small" onClick={() => setLabelling(row)}>{t("Labels")}</Button>
              </RowActions>
            ),
          },
        ]}
        empty={{ title: t("There is no instance that you may see"), commands: ["roadstead instance create acme-eu --specification standard"], action: create }}
      />
      {creating && (
        <ActionDialog
          title={t("New instance")}
          action="CreateInstance"
          fields={["RegistryName", "RegistryType", "TagSpecification", "DeletionProtection"]}
          initial={{ RegistryType: "standard" }}
          special={{ RegistryType: { options: specifications() }, TagSpecification: labelsField("instance") }}
          submit={t("Create")}
          onDone={(made) => {
            setCreating(false);
            again();
            change({ watch: made.RegistryId });
          }}
          onCancel={() => setCreating(false)}
        />
      )}
      {changing && (
        <EditDialog
          title={t("Instance {name}", { name: changing.RegistryName })}
          action="ModifyInstance"
          fixed={{ RegistryId: changing.RegistryId }}
          fields={["RegistryType", "DeletionProtection"]}
          initial={{ RegistryType: changing.RegistryType, DeletionProtection: changing.DeletionProtection }}
          special={{ RegistryType: { options: specifications() } }}
          onSaved={again}
          onClose={() => setChanging(undefined)}
        />
      )}
      {labelling && (
        <LabelsDialog
          title={t("Labels of {name}", { name: labelling.RegistryName })}
          path={`instance/${labelling.RegistryId}`}
          carried={labelling.TagSpecification}
          onSaved={again}
          onClose={() => setLabelling(undefined)}
        />
      )}
      {deleting && (
        <DeleteInstance
          row={deleting}
          onDone={() => {
            setDeleting(undefined);
            again();
            change({ watch: deleting.RegistryId });
          }}
          onCancel={() => setDeleting(undefined)}
        />
      )}
      {watched && (
        <Progress
          id={watched}
          onClose={() => {
            change({ watch: null });
            again();
          }}
          onOpen={(name) => void navigate(`/i/${name}/overview`)}
        />
      )}
    </Page>
  );
}

function DeleteInstance({ row, onDone, onCancel }: { row: Row; onDone: () => void; onCancel: () => void }) {
  const cache = useQueryClient();
  const [open, setOpen] = useState(!row.DeletionProtection);
  const lifting = useMutation({
    mutationFn: () => call("ModifyInstance", { RegistryId: row.RegistryId, DeletionProtection: false }),
    onSuccess: () => {
      setOpen(true);
      void cache.invalidateQueries({ queryKey: ["instances"] });
    },
  });
  if (!open) {
    return (
      <Dialog title={t("{name} is protected against deletion", { name: row.RegistryName })} onClose={onCancel}>
        <div className="action-form">
          <p>{t("Lift the protection first. Nothing is deleted by that.")}</p>
          {lifting.isError && <ProblemBox error={lifting.error} />}
          <footer>
            <Button variant="outline" onClick={onCancel}>{t("Cancel")}</Button>
            <Button theme="danger" loading={lifting.isPending} onClick={() => lifting.mutate()}>{t("Lift the protection")}</Button>
          </footer>
        </div>
      </Dialog>
    );
  }
  return (
    <Confirm
      title={t("Delete instance {name}?", { name: row.RegistryName })}
      typed={row.RegistryName}
      impact={{
        keys: ["impact", row.RegistryId],
        ask: () => call("DeleteInstance", { RegistryId: row.RegistryId, DryRun: true }),
        tell: ({ Content: held }) => (
          <Facts
            facts={[
              [t("Namespaces"), number(held.Namespaces)],
              [t("Image repositories"), number(held.Repositories)],
              [t("Images"), number(held.Images)],
              [t("Tags"), number(held.Tags)],
              [t("Access credentials"), number(held.Credentials)],
              [t("Space freed"), size(held.FreedBytes)],
            ]}
          />
        ),
      }}
      act={() => call("DeleteInstance", { RegistryId: row.RegistryId })}
      onDone={onDone}
      onCancel={onCancel}
    />
  );
}

/** The steps of a creation or deletion, followed until they end. */
function Progress({ id, onClose, onOpen }: { id: string; onClose: () => void; onOpen: (name: string) => void }) {
  const found = useQuery({
    queryKey: ["progress", id],
    queryFn: async () => {
      const [status, listed] = await Promise.all([
        call("DescribeInstanceStatus", { RegistryIds: [id] }),
        call("DescribeInstances", { Registryids: [id], AllRegion: true }),
      ]);
      return { status: status.RegistryStatusSet[0] ?? null, name: listed.Registries[0]?.RegistryName ?? id };
    },
    refetchInterval: (query) => (query.state.data?.status && !["Running", "FailedCreated"].includes(query.state.data.status.Status) ? 400 : false),
    staleTime: 0,
  });
  const status = found.data?.status;
  const conditions = status?.Conditions ?? [];
  const current = conditions.findIndex((each) => each.Status !== "Succeeded");
  return (
    <Dialog title={found.data ? t("Instance {name}", { name: found.data.name }) : t("Loading")} onClose={onClose}>
      <div className="action-form" aria-live="polite">
        {found.isError && <ProblemBox error={found.error} />}
        {found.data && !status && <p>{t("The instance is deleted.")}</p>}
        {status && (
          <>
            <p><StateTag state={status.Status} /></p>
            <Steps layout="vertical" readonly current={status.Status === "Running" ? "FINISH" : current < 0 ? conditions.length : current}>
              {conditions.map((each) => <Steps.StepItem key={each.Type} status={each.Status === "Failed" ? "error" : "default"} title={STEPS[each.Type] ? t(STEPS[each.Type]) : each.Type} content={said(each.Reason)} />)}
            </Steps>
          </>
        )}
        <footer>
          <Button variant="outline" onClick={onClose}>{t("Close")}</Button>
          {status?.Status === "Running" && <Button theme="primary" onClick={() => onOpen(found.data!.name)}>{t("Open the instance")}</Button>}
        </footer>
      </div>
    </Dialog>
  );
}
