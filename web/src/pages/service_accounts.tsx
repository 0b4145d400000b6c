// Service accounts: logins for machines, each with what it may do in which namespace and until when.
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { call, type Schemas } from "../api/client";
import { ActionDialog, EditDialog, type Special } from "../parts/action-form";
import { Button } from "../parts/button";
import { Confirm } from "../parts/confirm";
import { Command } from "../parts/copy";
import { Dialog } from "../parts/dialog";
import { domainOf, meaning, useExampleNamespace, useInstance, useNamespaceNames } from "../parts/instance";
import { Page } from "../parts/page";
import { ProblemBox } from "../parts/problem";
import { ResourceTable } from "../parts/resource-table";
import { RowActions } from "../parts/row-actions";
import { ago, time } from "../parts/shown";
import { t, type Text } from "../parts/words";
import { Download, Toggle } from "./credentials";

type Row = Schemas["ServiceAccountInfo"];
type Permission = Schemas["Permission"];

const ACTIONS: Record<string, Text> = {
  "tcr:PullRepository": "Pull images",
  "tcr:PushRepository": "Push images",
  "tcr:CreateRepository": "Create repositories",
  "tcr:CreateHelmChart": "Push charts",
  "tcr:DescribeHelmCharts": "Pull charts",
};

export default function ServiceAccounts() {
  const instance = useInstance();
  const cache = useQueryClient();
  const RegistryId = instance.RegistryId;
  const [creating, setCreating] = useState(false);
  const [changing, setChanging] = useState<Row>();
  const [deleting, setDeleting] = useState<Row>();
  const [made, setMade] = useState<{ name: string; password: string }>();
  const namespace = useExampleNamespace(RegistryId);
  const again = () => void cache.invalidateQueries({ queryKey: ["service-accounts", RegistryId] });
  const switching = useMutation({
    mutationFn: (row: Row) => call("ModifyServiceAccount", { RegistryId, Name: row.Name, Disable: !row.Disable }),
    onSuccess: again,
  });
  const renewing = useMutation({
    mutationFn: (row: Row) => call("ModifyServiceAccountPassword", { RegistryId, Name: row.Name, Random: true }).then((answer) => ({ name: row.Name, password: answer.Password })),
    onSuccess: setMade,
  });
  const permissions: Special = { draw: (value, set) => <Permissions value={(value as Permission[] | undefined) ?? []} set={set} /> };
  const create = <Button theme="primary" onClick={() => setCreating(true)}>{t("New service account")}</Button>;
  return (
    <Page title={t("Service accounts")} lead={t("Logins for machines: what each may do in which namespace, and until when.")}>
      {(switching.error ?? renewing.error) && <ProblemBox error={switching.error ?? renewing.error} />}
      <ResourceTable<Row>
        name={t("Service accounts")}
        keys={["service-accounts", RegistryId]}
        search={t("Search by name")}
        ask={async (page, search, _, signal) => {
          const filters = search ? [{ Name: "ServiceAccountName", Values: [search] }] : [];
          const found = await call("DescribeServiceAccounts", { RegistryId, ...page, EmbedPermission: true, Filters: filters }, signal);
          return { rows: found.ServiceAccounts, last: found.Last, total: found.TotalCount };
        }}
        rowKey={(row) => row.Name}
        actions={create}
        columns={[
          { title: t("Name"), cell: (row) => <><code>{row.Name}</code>{row.Description && <div className="muted clip">{row.Description}</div>}</> },
          { title: t("May"), minor: true, cell: (row) => row.Permissions.map((each) => <div key={each.Resource}><code>{each.Resource}</code>: {each.Actions.map((action) => (ACTIONS[action] ? t(ACTIONS[action]) : action)).join(", ")}</div>) },
          { title: t("Ends"), minor: true, cell: (row) => <span title={time(new Date(row.ExpiresAt).toISOString())}>{ago(new Date(row.ExpiresAt).toISOString())}</span> },
          { title: t("Enabled"), cell: (row) => <Toggle name={row.Name} on={!row.Disable} onChange={() => switching.mutate(row)} /> },
          {
            title: t("Actions"),
            align: "end",
            cell: (row) => (
              <RowActions onEdit={() => setChanging(row)} onDelete={() => setDeleting(row)}>
                <Button variant="text" size="small" onClick={() => renewing.mutate(row)}>{t("New password")}</Button>
              </RowActions>
            ),
          },
        ]}
        empty={{
          title: t("There is no service account yet"),
          text: t("Create one for each build server or cluster, so that it may do only what it needs:"),
          commands: [meaning(instance, `roadstead serviceaccount create builder --may ${namespace}:push,pull`)],
          action: create,
        }}
      />
      {creating && (
        <ActionDialog
          title={t("New service account")}
          action="CreateServiceAccount"
          fixed={{ RegistryId }}
          initial={{ Permissions: [{ Resource: namespace, Actions: ["tcr:PullRepository"] }], Duration: 365 }}
          fields={["Name", "Description", "Permissions", "Duration"]}
          special={{ Permissions: permissions }}
          submit={t("Create")}
          wide
          onDone={(answer) => {
            setCreating(false);
            setMade({ name: answer.Name, password: answer.Password });
            again();
          }}
          onCancel={() => setCreating(false)}
        />
      )}
      {changing && (
        <EditDialog
          title={t("Service account {name}", { name: changing.Name })}
          action="ModifyServiceAccount"
          fixed={{ RegistryId, Name: changing.Name }}
          initial={{ Description: changing.Description, Permissions: changing.Permissions }}
          fields={["Description", "Permissions", "Duration"]}
          special={{ Permissions: permissions }}
          wide
          onSaved={again}
          onClose={() => setChanging(undefined)}
        />
      )}
      {made && (
        <Dialog title={t("Service account {name}", { name: made.name })} onClose={() => setMade(undefined)} wide>
          <div className="action-form">
            <p>{t("The password is shown this once: copy or download it now. Only its hash is kept.")}</p>
            <Command text={made.name} />
            <Command text={made.password} secret />
            <Command text={`docker login ${domainOf(instance)} --username '${made.name}' --password ${made.password}`} secret />
            <footer>
              <Download name={`${made.name.replace(/\W+/g, "-")}.txt`} text={`USERNAME=${made.name}\nPASSWORD=${made.password}\n`} />
              <Button theme="primary" onClick={() => setMade(undefined)}>{t("Done")}</Button>
            </footer>
          </div>
        </Dialog>
      )}
      {deleting && (
        <Confirm
          title={t("Delete {name}?", { name: deleting.Name })}
          text={<p>{t("{name} stops working at once, for every client that has it.", { name: deleting.Name })}</p>}
          act={() => call("DeleteServiceAccount", { RegistryId, Name: deleting.Name })}
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

function Permissions({ value, set }: { value: Permission[]; set: (value: Permission[]) => void }) {
  const { RegistryId } = useInstance();
  const names = ["*", ...(useNamespaceNames(RegistryId) ?? [])];
  const change = (place: number, next: Permission) => set(value.map((each, at) => (at === place ? next : each)));
  return (
    <div className="rows">
      {value.map((each, place) => (
        <fieldset key={place} className="permission">
          <select className="select" aria-label={t("Namespace")} value={each.Resource} onChange={(event) => change(place, { ...each, Resource: event.target.value })}>
            {(names.includes(each.Resource) ? names : [each.Resource, ...names]).map((name) => <option key={name} value={name}>{name === "*" ? t("Every namespace") : name}</option>)}
          </select>
          {Object.entries(ACTIONS).map(([action, text]) => (
            <label key={action}>
              <input
                type="checkbox"
                checked={each.Actions.includes(action)}
                onChange={(event) => change(place, { ...each, Actions: event.target.checked ? [...each.Actions, action] : each.Actions.filter((one) => one !== action) })}
              />{" "}
              {t(text)}
            </label>
          ))}
          {value.length > 1 && <Button type="button" variant="text" size="small" onClick={() => set(value.filter((_, at) => at !== place))}>{t("Remove")}</Button>}
        </fieldset>
      ))}
      <span><Button type="button" variant="outline" size="small" onClick={() => set([...value, { Resource: "*", Actions: ["tcr:PullRepository"] }])}>{t("Another namespace")}</Button></span>
    </div>
  );
}
