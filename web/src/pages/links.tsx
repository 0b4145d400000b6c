// Private links: the instance at an address inside a network of yours, with the names that lead there.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Tag } from "tdesign-react";
import { useState } from "react";
import { Link } from "react-router";
import { call, type Schemas } from "../api/client";
import { ActionDialog } from "../parts/action-form";
import { Button } from "../parts/button";
import { Confirm } from "../parts/confirm";
import { Command } from "../parts/copy";
import { Dialog } from "../parts/dialog";
import { useInstance } from "../parts/instance";
import { Tabs } from "../parts/page";
import { ProblemBox } from "../parts/problem";
import { ResourceTable } from "../parts/resource-table";
import { said, t, type Text } from "../parts/words";
import { Toggle } from "./credentials";

type Row = Schemas["AccessVpc"];

const STATES: Record<Row["Status"], { text: Text; theme: "success" | "primary" | "danger" }> = {
  Running: { text: "Running", theme: "success" },
  Creating: { text: "Being created", theme: "primary" },
  Failed: { text: "Failed", theme: "danger" },
};

export function PrivateLinks() {
  const { RegistryId } = useInstance();
  const cache = useQueryClient();
  const [adding, setAdding] = useState(false);
  const [deleting, setDeleting] = useState<Row>();
  const [named, setNamed] = useState<Row>();
  const again = () => void cache.invalidateQueries({ queryKey: ["links", RegistryId] });
  const add = <Button theme="primary" onClick={() => setAdding(true)}>{t("Link a network")}</Button>;
  return (
    <>
      <ResourceTable<Row>
        name={t("Private links")}
        keys={["links", RegistryId]}
        every={3000}
        ask={async (_, __, ___, signal) => {
          const found = await call("DescribeInternalEndpoints", { RegistryId }, signal);
          return { rows: found.AccessVpcSet, last: "", total: found.TotalCount };
        }}
        rowKey={(row) => `${row.VpcId}/${row.SubnetId}`}
        actions={add}
        columns={[
          { title: t("Network"), cell: (row) => <><code>{row.VpcId}</code><div className="muted"><code>{row.SubnetId}</code></div></> },
          { title: t("Private address"), minor: true, cell: (row) => (row.AccessIp ? <code>{row.AccessIp}</code> : "—") },
          { title: t("State"), cell: (row) => <><Tag theme={STATES[row.Status].theme} variant="light">{t(STATES[row.Status].text)}</Tag>{row.AccessIp && <div className="only-narrow"><code>{row.AccessIp}</code></div>}{row.Reason && <div className="muted reason">{said(row.Reason)}</div>}</> },
          {
            title: t("Actions"),
            align: "end",
            cell: (row) => (
              <span className="nowrap row-actions stacked">
                <Button variant="text" size="small" disabled={!row.AccessIp} onClick={() => setNamed(row)}>{t("Names")}</Button>
                <Button variant="text" size="small" theme="danger" onClick={() => setDeleting(row)}>{t("Delete")}</Button>
              </span>
            ),
          },
        ]}
        empty={{
          title: t("No network is linked"),
          text: <>{t("A private link takes an address of a subnet, listens there and lets in the clients of that network. Declare the network first:")} <Link to="/vpcs">{t("Networks")}</Link></>,
          action: add,
        }}
      />
      {adding && <NewLink onDone={() => { setAdding(false); again(); }} onCancel={() => setAdding(false)} />}
      {named && <Names link={named} onClose={() => setNamed(undefined)} />}
      {deleting && (
        <Confirm
          title={t("Take the link to {name} away?", { name: deleting.VpcId })}
          text={<p>{t("Clients of that network do not reach the instance there any more, and its names no longer lead there.")}</p>}
          act={() => call("ManageInternalEndpoint", { RegistryId, Operation: "Delete", VpcId: deleting.VpcId, SubnetId: deleting.SubnetId })}
          onDone={() => { setDeleting(undefined); again(); }}
          onCancel={() => setDeleting(undefined)}
        />
      )}
    </>
  );
}

function NewLink({ onDone, onCancel }: { onDone: () => void; onCancel: () => void }) {
  const { RegistryId } = useInstance();
  const [vpc, setVpc] = useState("");
  const found = useQuery({ queryKey: ["vpcs", "choice"], queryFn: () => call("DescribeVpcs", { Limit: 500 }) });
  if (found.isError) return <Dialog title={t("Link a network")} onClose={onCancel}><ProblemBox error={found.error} /></Dialog>;
  if (!found.data) return null;
  const networks = found.data.VpcSet.filter((each) => each.Subnets.length > 0);
  const chosen = networks.find((each) => each.VpcId === vpc) ?? networks[0];
  if (!chosen) {
    return (
      <Dialog title={t("Link a network")} onClose={onCancel}>
        <p>{t("There is no network with a subnet yet.")} <Link to="/vpcs">{t("Networks")}</Link></p>
      </Dialog>
    );
  }
  return (
    <ActionDialog
      key={chosen.VpcId}
      title={t("Link a network")}
      action="ManageInternalEndpoint"
      fixed={{ RegistryId, Operation: "Create" }}
      fields={["VpcId", "SubnetId"]}
      initial={{ VpcId: chosen.VpcId, SubnetId: chosen.Subnets[0].SubnetId }}
      special={{
        VpcId: {
          draw: (value, _, id) => (
            <select id={id} className="select" value={String(value)} onChange={(event) => setVpc(event.target.value)}>
              {networks.map((each) => <option key={each.VpcId} value={each.VpcId}>{each.VpcName || each.VpcId} · {each.CidrBlocks.join(", ")}</option>)}
            </select>
          ),
        },
        SubnetId: { options: chosen.Subnets.map((each) => ({ value: each.SubnetId, label: `${each.SubnetId} · ${each.CidrBlock}` })) },
      }}
      submit={t("Link")}
      onDone={onDone}
      onCancel={onCancel}
    />
  );
}

/** The names that lead to a link, and the records for those who answer names themselves. */
function Names({ link, onClose }: { link: Row; onClose: () => void }) {
  const instance = useInstance();
  const cache = useQueryClient();
  const [form, setForm] = useState("hosts");
  const asked = [true, false].map((own) => ({ InstanceId: instance.RegistryId, VpcId: link.VpcId, EniLBIp: link.AccessIp, UsePublicDomain: own }));
  const status = useQuery({ queryKey: ["link-names", instance.RegistryId, link.VpcId], queryFn: () => call("DescribeInternalEndpointDnsStatus", { VpcSet: asked }) });
  const records = useQuery({ queryKey: ["link-records", instance.RegistryId], queryFn: () => call("DescribeInternalEndpointRecords", { RegistryId: instance.RegistryId }) });
  const switching = useMutation({
    mutationFn: ({ place, on }: { place: number; on: boolean }) => (on ? call("CreateInternalEndpointDns", asked[place]) : call("DeleteInternalEndpointDns", asked[place])),
    onSuccess: () => {
      void cache.invalidateQueries({ queryKey: ["link-names", instance.RegistryId] });
      void cache.invalidateQueries({ queryKey: ["link-records", instance.RegistryId] });
    },
  });
  const [host, ...rest] = instance.PublicDomain.split(".");
  const names = [instance.PublicDomain, [`${host}-vpc`, ...rest].join(".")];
  const record = records.data?.Records.find((each) => each.VpcId === link.VpcId);
  const written: Record<string, string> = record ? { hosts: record.Hosts, dnsmasq: record.Dnsmasq, bind: record.Bind } : {};
  const problem = status.error ?? records.error ?? switching.error;
  return (
    <Dialog title={t("Names in {name}", { name: link.VpcId })} onClose={onClose} wide>
      {problem && <ProblemBox error={problem} />}
      <ul className="plain-list">
        {status.data?.VpcSet.map((each, place) => (
          <li key={names[place]}>
            <code>{names[place]}</code>
            <span className="muted">→ {link.AccessIp}</span>
            <span className="toolbar-gap" />
            <Toggle name={names[place]} on={each.Status === "ENABLED"} onChange={() => switching.mutate({ place, on: each.Status !== "ENABLED" })} />
          </li>
        ))}
      </ul>
      {record && (
        <>
          <p>{t("The built-in name server answers them; or copy the records into your own:")}</p>
          <Tabs name={t("Names")} shown={form} onShow={setForm} tabs={Object.keys(written).map((key) => ({ key, text: key }))} />
          <Command text={written[form] || "—"} />
        </>
      )}
    </Dialog>
  );
}
