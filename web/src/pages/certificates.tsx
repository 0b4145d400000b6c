// Certificates of host names: kept encrypted, shown to clients for the hosts that they name.
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { call, type Answer } from "../api/client";
import { ActionDialog, type Special } from "../parts/action-form";
import { Button } from "../parts/button";
import { Confirm } from "../parts/confirm";
import { Page } from "../parts/page";
import { ResourceTable } from "../parts/resource-table";
import { RowActions } from "../parts/row-actions";
import { announce } from "../parts/toast";
import { t } from "../parts/words";
import { When } from "../parts/when";

type Row = Answer<"DescribeCertificates">["Certificates"][number];

// A private key is seen while it is put in: it has many lines, which a password's field would run together.
const PEM: Record<"CertificatePublicKey" | "CertificatePrivateKey", Special> = {
  CertificatePublicKey: { rows: 6 },
  CertificatePrivateKey: {
    draw: (value, set, id) => <textarea id={id} className="plain pem" rows={6} spellCheck={false} value={String(value ?? "")} onChange={(event) => set(event.target.value)} />,
  },
};

export default function Certificates() {
  const cache = useQueryClient();
  const [adding, setAdding] = useState(false);
  const [renewing, setRenewing] = useState<Row>();
  const [deleting, setDeleting] = useState<Row>();
  const done = (text: string) => {
    setAdding(false);
    setRenewing(undefined);
    setDeleting(undefined);
    announce(text);
    void cache.invalidateQueries({ queryKey: ["certificates"] });
  };
  const add = <Button theme="primary" onClick={() => setAdding(true)}>{t("Upload a certificate")}</Button>;
  return (
    <Page title={t("Certificates")} lead={t("For HTTPS at host names of your own. Private keys are kept encrypted and never shown.")}>
      <ResourceTable<Row>
        name={t("Certificates")}
        keys={["certificates"]}
        ask={async (page, _, __, signal) => {
          const found = await call("DescribeCertificates", page, signal);
          return { rows: found.Certificates, last: found.Last, total: found.TotalCount };
        }}
        rowKey={(row) => row.CertificateId}
        actions={add}
        columns={[
          { title: t("Name"), cell: (row) => <>{row.Alias || row.CertificateId}<div className="muted"><code>{row.CertificateId}</code></div></> },
          { title: t("Hosts"), cell: (row) => row.SubjectAltNames.map((each) => <div key={each}><code className="wrap">{each}</code></div>) },
          { title: t("Issuer"), minor: true, cell: (row) => row.Issuer },
          { title: t("Ends"), minor: true, cell: (row) => <When at={row.CertEndTime} /> },
          {
            title: t("Actions"),
            align: "end",
            cell: (row) => (
              <RowActions onDelete={() => setDeleting(row)}>
                <Button variant="text" size="small" onClick={() => setRenewing(row)}>{t("Replace")}</Button>
              </RowActions>
            ),
          },
        ]}
        empty={{ title: t("There is no certificate yet"), text: t("Upload one with its key to serve an instance at a host name of your own."), action: add }}
      />
      {adding && (
        <ActionDialog
          title={t("Upload a certificate")}
          action="UploadCertificate"
          fields={["Alias", "CertificatePublicKey", "CertificatePrivateKey"]}
          special={PEM}
          submit={t("Upload")}
          wide
          onDone={() => done(t("Saved"))}
          onCancel={() => setAdding(false)}
        />
      )}
      {renewing && (
        <ActionDialog
          title={t("Replace {name}", { name: renewing.Alias || renewing.CertificateId })}
          action="ModifyCertificate"
          fixed={{ CertificateId: renewing.CertificateId }}
          fields={["CertificatePublicKey", "CertificatePrivateKey"]}
          special={PEM}
          submit={t("Replace")}
          wide
          onDone={() => done(t("Saved"))}
          onCancel={() => setRenewing(undefined)}
        />
      )}
      {deleting && (
        <Confirm
          title={t("Delete {name}?", { name: deleting.Alias || deleting.CertificateId })}
          text={<p>{t("Host names that it is for are not served by HTTPS any more, unless another one is.")}</p>}
          act={() => call("DeleteCertificate", { CertificateId: deleting.CertificateId })}
          onDone={() => done(t("{name} is deleted", { name: deleting.CertificateId }))}
          onCancel={() => setDeleting(undefined)}
        />
      )}
    </Page>
  );
}
