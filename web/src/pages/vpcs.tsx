// Networks and their subnets, which private links of instances are made in.
import { useQueryClient } from "@tanstack/react-query";
import { Tag } from "tdesign-react";
import { useState } from "react";
import { call, type Schemas } from "../api/client";
import { ActionDialog } from "../parts/action-form";
import { Button } from "../parts/button";
import { Confirm } from "../parts/confirm";
import { Page } from "../parts/page";
import { ResourceTable } from "../parts/resource-table";
import { RowActions } from "../parts/row-actions";
import { t } from "../parts/words";

type Row = Schemas["VpcInfo"];

export default function Vpcs() {
  const cache = useQueryClient();
  const [creating, setCreating] = useState(false);
  const [adding, setAdding] = useState<Row>();
  const [deleting, setDeleting] = useState<Row>();
  const [leaving, setLeaving] = useState<Schemas["SubnetInfo"]>();
  const done = () => {
    setCreating(false);
    setAdding(undefined);
    setDeleting(undefined);
    setLeaving(undefined);
    void cache.invalidateQueries({ queryKey: ["vpcs"] });
  };
  const create = <Button theme="primary" onClick={() => setCreating(true)}>{t("New network")}</Button>;
  return (
    <Page title={t("Networks")} lead={t("Private networks that this host is in, with their subnets. Instances are linked to them on their page for network access.")}>
      <ResourceTable<Row>
        name={t("Networks")}
        keys={["vpcs"]}
        ask={async (page, _, __, signal) => {
          const found = await call("DescribeVpcs", page, signal);
          return { rows: found.VpcSet, last: found.Last, total: found.TotalCount };
        }}
        rowKey={(row) => row.VpcId}
        actions={create}
        columns={[
          { title: t("Network"), cell: (row) => <>{row.VpcName || row.VpcId} {row.Declared && <Tag variant="light">{t("from the settings")}</Tag>}<div className="muted"><code>{row.VpcId}</code></div></> },
          { title: t("Addresses of its clients"), minor: true, cell: (row) => row.CidrBlocks.map((each) => <div key={each}><code>{each}</code></div>) },
          {
            title: t("Subnets"),
            cell: (row) => row.Subnets.map((each) => (
              <div key={each.SubnetId}>
                <code>{each.CidrBlock}</code> <span className="muted">{each.Interface}</span>
                {!each.Declared && <Button variant="text" size="small" theme="danger" onClick={() => setLeaving(each)}>{t("Remove")}</Button>}
              </div>
            )),
          },
          {
            title: t("Actions"),
            align: "end",
            cell: (row) => !row.Declared && (
              <RowActions onDelete={() => setDeleting(row)}>
                <Button variant="text" size="small" onClick={() => setAdding(row)}>{t("New subnet")}</Button>
              </RowActions>
            ),
          },
        ]}
        empty={{ title: t("There is no network yet"), text: t("Declare the networks whose clients shall reach instances without the public entry."), commands: ["roadstead vpc create vpc-build01 10.7.0.0/16 --name builders"], action: create }}
      />
      {creating && <ActionDialog title={t("New network")} action="CreateVpc" fields={["VpcName", "CidrBlocks"]} submit={t("Create")} onDone={done} onCancel={() => setCreating(false)} />}
      {adding && <ActionDialog title={t("New subnet")} action="CreateSubnet" fixed={{ VpcId: adding.VpcId }} fields={["CidrBlock", "Interface"]} submit={t("Create")} onDone={done} onCancel={() => setAdding(undefined)} />}
      {deleting && <Confirm title={t("Delete {name}?", { name: deleting.VpcName || deleting.VpcId })} text={<p>{t("Only a network without subnets can be deleted.")}</p>} act={() => call("DeleteVpc", { VpcId: deleting.VpcId })} onDone={done} onCancel={() => setDeleting(undefined)} />}
      {leaving && <Confirm title={t("Delete {name}?", { name: leaving.CidrBlock })} text={<p>{t("Only a subnet in which no instance is linked can be deleted.")}</p>} act={() => call("DeleteSubnet", { SubnetId: leaving.SubnetId })} onDone={done} onCancel={() => setLeaving(undefined)} />}
    </Page>
  );
}
