// Further host names of an instance, each with its certificate.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "react-router";
import { call, type Schemas } from "../api/client";
import { ActionDialog } from "../parts/action-form";
import { Button } from "../parts/button";
import { Confirm } from "../parts/confirm";
import { useInstance } from "../parts/instance";
import { ResourceTable } from "../parts/resource-table";
import { RowActions } from "../parts/row-actions";
import { t } from "../parts/words";

type Row = Schemas["CustomizedDomainInfo"];

export function HostNames() {
  const { RegistryId, PublicDomain } = useInstance();
  const cache = useQueryClient();
  const [adding, setAdding] = useState(false);
  const [deleting, setDeleting] = useState<Row>();
  const certificates = useQuery({ queryKey: ["certificates", "choice"], queryFn: () => call("DescribeCertificates", { Limit: 200 }), enabled: adding });
  const done = () => {
    setAdding(false);
    setDeleting(undefined);
    void cache.invalidateQueries({ queryKey: ["domains", RegistryId] });
  };
  const add = <Button variant="outline" onClick={() => setAdding(true)}>{t("Add a host name")}</Button>;
  const options = (certificates.data?.Certificates ?? []).map((each) => ({ value: each.CertificateId, label: `${each.Alias || each.CertificateId} · ${each.SubjectAltNames.join(", ")}` }));
  return (
    <>
      <ResourceTable<Row>
        name={t("Host names")}
        prefix="domain-"
        keys={["domains", RegistryId]}
        ask={async (page, _, __, signal) => {
          const found = await call("DescribeInstanceCustomizedDomain", { RegistryId, ...page }, signal);
          return { rows: found.DomainInfoList, last: found.Last, total: found.TotalCount };
        }}
        rowKey={(row) => row.DomainName}
        actions={add}
        columns={[
          { title: t("Host name"), cell: (row) => <code className="wrap">{row.DomainName}</code> },
          { title: t("Certificate"), minor: true, cell: (row) => <code>{row.CertId}</code> },
          { title: t("Actions"), align: "end", cell: (row) => <RowActions onDelete={() => setDeleting(row)} /> },
        ]}
        empty={{
          title: t("Only {name} leads here", { name: PublicDomain }),
          text: <>{t("Give the instance a host name of your own, with a certificate for it:")} <Link to="/certificates">{t("Certificates")}</Link></>,
        }}
      />
      {adding && certificates.data && (
        <ActionDialog
          title={t("Add a host name")}
          action="CreateInstanceCustomizedDomain"
          fixed={{ RegistryId }}
          fields={["DomainName", "CertificateId"]}
          special={{ CertificateId: { options } }}
          submit={t("Create")}
          onDone={done}
          onCancel={() => setAdding(false)}
        />
      )}
      {deleting && (
        <Confirm
          title={t("Delete {name}?", { name: deleting.DomainName })}
          text={<p>{t("Clients that use this name do not reach the instance any more. Its certificate stays.")}</p>}
          act={() => call("DeleteInstanceCustomizedDomain", { RegistryId, DomainName: deleting.DomainName })}
          onDone={done}
          onCancel={() => setDeleting(undefined)}
        />
      )}
    </>
  );
}
