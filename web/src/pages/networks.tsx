// Network access: the public entry with its allowlist, and private links.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Alert, Tag } from "tdesign-react";
import { useState } from "react";
import { call, type Schemas } from "../api/client";
import { ActionDialog, EditDialog } from "../parts/action-form";
import { Button } from "../parts/button";
import { Confirm } from "../parts/confirm";
import { Command } from "../parts/copy";
import { meaning, useInstance } from "../parts/instance";
import { Card, Page } from "../parts/page";
import { ProblemBox } from "../parts/problem";
import { ResourceTable } from "../parts/resource-table";
import { RowActions } from "../parts/row-actions";
import { announce } from "../parts/toast";
import { said, t, type Text } from "../parts/words";
import { HostNames } from "./domains";
import { PrivateLinks } from "./links";
import { Rates } from "./rates";

type Row = Schemas["SecurityPolicy"];

const STATES: Record<string, { text: Text; theme: "success" | "default" | "primary" | "danger" }> = {
  Opened: { text: "Open", theme: "success" },
  Closed: { text: "Closed", theme: "default" },
  Opening: { text: "Opening", theme: "primary" },
  Deleting: { text: "Closing", theme: "primary" },
};
const everybody = (cidr: string): boolean => /\/0$/.test(cidr.trim());

export default function Networks() {
  const instance = useInstance();
  return (
    <Page title={t("Network access")} lead={t("From where the instance can be reached. Whoever is not let in here gets no further, whatever credential they have.")}>
      <PublicEntry key={instance.RegistryId} />
      <h2 className="section-title">{t("Private links")}</h2>
      <PrivateLinks />
      <h2 className="section-title">{t("Host names")}</h2>
      <HostNames />
      <h2 className="section-title">{t("The serving host itself")}</h2>
      <LoopbackEntry key={`loopback ${instance.RegistryId}`} />
      <h2 className="section-title">{t("Rates")}</h2>
      <Rates />
    </Page>
  );
}

function LoopbackEntry() {
  const { RegistryId, RegistryName } = useInstance();
  const cache = useQueryClient();
  const [closing, setClosing] = useState(false);
  const entry = useQuery({ queryKey: ["loopback", RegistryId], queryFn: () => call("DescribeLoopbackEntry", { RegistryId }) });
  const again = () => void cache.invalidateQueries({ queryKey: ["loopback", RegistryId] });
  const opening = useMutation({ mutationFn: () => call("ModifyLoopbackEntry", { RegistryId, Enabled: true }), onSuccess: again });
  const on = entry.data?.Enabled;
  return (
    <>
      <Card
        title={t("Loopback entry")}
        actions={entry.data && <Button variant="outline" theme={on ? "danger" : "primary"} loading={opening.isPending} onClick={() => (on ? setClosing(true) : opening.mutate())}>{on ? t("Close") : t("Open")}</Button>}
      >
        {(entry.error ?? opening.error) && <ProblemBox error={entry.error ?? opening.error} />}
        {entry.data && <p><Tag theme={on ? "success" : "default"} variant="light">{on ? t("Open") : t("Closed")}</Tag> <span className="muted">{on ? t("Programs on the serving host itself are let in, by localhost.") : t("Programs on the serving host itself are refused.")}</span></p>}
        {entry.data?.Reason && <Alert theme="warning" message={said(entry.data.Reason)} />}
      </Card>
      {closing && (
        <Confirm
          title={t("Close the loopback entry?")}
          text={<><p>{t("Programs on the serving host are refused from now on, and so is this console where you reach it by localhost. On that host this command opens the entry again:")}</p><Command text={`roadstead network loopback --on --instance ${RegistryName}`} /></>}
          verb={t("Close")}
          act={() => call("ModifyLoopbackEntry", { RegistryId, Enabled: false })}
          onDone={() => {
            setClosing(false);
            again();
          }}
          onCancel={() => setClosing(false)}
        />
      )}
    </>
  );
}

function PublicEntry() {
  const instance = useInstance();
  const { RegistryId } = instance;
  const cache = useQueryClient();
  const [adding, setAdding] = useState(false);
  const [changing, setChanging] = useState<Row>();
  const [deleting, setDeleting] = useState<Row>();
  const [typed, setTyped] = useState("");
  const entry = useQuery({
    queryKey: ["entry", RegistryId],
    queryFn: () => call("DescribeExternalEndpointStatus", { RegistryId }),
    refetchInterval: (query) => (query.state.data && /ing$/.test(query.state.data.Status) ? 500 : false),
  });
  const again = () => {
    void cache.invalidateQueries({ queryKey: ["entry", RegistryId] });
    void cache.invalidateQueries({ queryKey: ["allowlist", RegistryId] });
  };
  const switching = useMutation({
    mutationFn: (open: boolean) => call("ManageExternalEndpoint", { RegistryId, Operation: open ? "Create" : "Delete" }),
    onSuccess: again,
  });
  const state = entry.data ? (STATES[entry.data.Status] ?? { text: "Closed" as Text, theme: "default" as const }) : undefined;
  const opened = entry.data?.Status === "Opened" || entry.data?.Status === "Opening";
  const add = <Button theme="primary" onClick={() => setAdding(true)}>{t("Allow an address")}</Button>;
  return (
    <>
      <Card
        title={t("Public entry")}
        actions={entry.data && <Button variant="outline" theme={opened ? "danger" : "primary"} loading={switching.isPending || /ing$/.test(entry.data.Status)} onClick={() => switching.mutate(!opened)}>{opened ? t("Close") : t("Open")}</Button>}
      >
        {(entry.error ?? switching.error) && <ProblemBox error={entry.error ?? switching.error} />}
        {state && <p><Tag theme={state.theme} variant="light">{t(state.text)}</Tag> <span className="muted">{opened ? t("The addresses of the allowlist are let in, and nobody else.") : t("Clients on other machines are refused.")}</span></p>}
        {entry.data?.Reason && <Alert theme="warning" message={said(entry.data.Reason)} />}
      </Card>
      <ResourceTable<Row>
        name={t("Allowlist")}
        keys={["allowlist", RegistryId]}
        ask={async (_, __, ___, signal) => {
          const found = await call("DescribeSecurityPolicies", { RegistryId }, signal);
          return { rows: found.SecurityPolicySet, last: "", total: found.SecurityPolicySet.length };
        }}
        rowKey={(row) => row.CidrBlock}
        actions={add}
        columns={[
          { title: t("Address or network"), cell: (row) => <><code>{row.CidrBlock}</code> {everybody(row.CidrBlock) && <Tag theme="warning" variant="light">{t("everybody")}</Tag>}</> },
          { title: t("Note"), cell: (row) => row.Description || "—" },
          {
            title: t("Actions"),
            align: "end",
            cell: (row) => <RowActions onEdit={() => setChanging(row)} onDelete={() => setDeleting(row)} />,
          },
        ]}
        empty={{
          title: t("The allowlist is empty"),
          text: t("An open entry with an empty allowlist still refuses everybody. Allow the addresses of your network, or on the command line:"),
          commands: [meaning(instance, "roadstead network open"), meaning(instance, "roadstead network allow 192.0.2.0/24")],
          action: add,
        }}
      />
      {adding && (
        <ActionDialog
          title={t("Allow an address")}
          action="CreateSecurityPolicy"
          fixed={{ RegistryId }}
          fields={["CidrBlock", "Description"]}
          special={{ CidrBlock: { draw: (value, set, id) => <input id={id} className="plain" value={String(value ?? "")} placeholder="192.0.2.0/24" onChange={(event) => { set(event.target.value); setTyped(event.target.value); }} /> } }}
          submit={t("Allow")}
          onDone={() => {
            setAdding(false);
            setTyped("");
            announce(t("Saved"));
            again();
          }}
          onCancel={() => setAdding(false)}
        >
          {everybody(typed) && <Alert theme="warning" message={t("This lets in every address of the internet. Credentials and policies are then all that protects the instance.")} />}
        </ActionDialog>
      )}
      {changing && (
        <EditDialog
          title={t("Edit")}
          action="ModifySecurityPolicy"
          fixed={{ RegistryId, PolicyIndex: changing.PolicyIndex }}
          initial={{ CidrBlock: changing.CidrBlock, Description: changing.Description }}
          fields={["CidrBlock", "Description"]}
          special={{ Description: { required: false } }}
          shape={(values) => ({ RegistryId, PolicyIndex: changing.PolicyIndex, CidrBlock: String(values.CidrBlock), Description: String(values.Description ?? "") })}
          onSaved={again}
          onClose={() => setChanging(undefined)}
        />
      )}
      {deleting && (
        <Confirm
          title={t("Delete {name}?", { name: deleting.CidrBlock })}
          text={<p>{t("Clients from there are refused from now on, in the middle of their work too.")}</p>}
          act={() => call("DeleteSecurityPolicy", { RegistryId, CidrBlock: deleting.CidrBlock })}
          onDone={() => {
            setDeleting(undefined);
            again();
          }}
          onCancel={() => setDeleting(undefined)}
        />
      )}
    </>
  );
}
