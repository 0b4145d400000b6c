// Access credentials: long-term ones, shown once and then listed; and a login for an hour.
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Switch } from "tdesign-react";
import { useEffect, useState } from "react";
import { call, type Schemas } from "../api/client";
import { ActionDialog } from "../parts/action-form";
import { Button } from "../parts/button";
import { Confirm } from "../parts/confirm";
import { Command } from "../parts/copy";
import { Dialog } from "../parts/dialog";
import { domainOf, useInstance } from "../parts/instance";
import { Page } from "../parts/page";
import { ProblemBox } from "../parts/problem";
import { ResourceTable } from "../parts/resource-table";
import { RowActions } from "../parts/row-actions";
import { announce } from "../parts/toast";
import { t } from "../parts/words";
import { When } from "../parts/when";

type Row = Schemas["TokenInfo"];
type Made = Schemas["CreatedToken"];

export default function Credentials() {
  const instance = useInstance();
  const cache = useQueryClient();
  const [creating, setCreating] = useState(false);
  const [made, setMade] = useState<{ token: Made; purpose: string }>();
  const [deleting, setDeleting] = useState<Row>();
  const RegistryId = instance.RegistryId;
  const again = () => void cache.invalidateQueries({ queryKey: ["credentials", RegistryId] });
  const temporary = useMutation({
    mutationFn: () => call("CreateInstanceToken", { RegistryId, TokenType: "temp" }),
    onSuccess: (token) => setMade({ token, purpose: "" }),
  });
  const switching = useMutation({
    mutationFn: (row: Row) => call("ModifyInstanceToken", { RegistryId, TokenId: row.Id, Enable: !row.Enabled, ModifyFlag: 2 }),
    onSuccess: again,
  });
  const create = <Button theme="primary" onClick={() => setCreating(true)}>{t("New credential")}</Button>;
  return (
    <Page
      title={t("Access credentials")}
      lead={t("A username and password for docker, helm and other clients. They open the registry, not this console.")}
      actions={<Button variant="outline" loading={temporary.isPending} onClick={() => temporary.mutate()}>{t("Login for one hour")}</Button>}
    >
      {temporary.isError && <ProblemBox error={temporary.error} />}
      {switching.isError && <ProblemBox error={switching.error} />}
      <ResourceTable<Row>
        name={t("Access credentials")}
        keys={["credentials", RegistryId]}
        ask={async (page, _, __, signal) => {
          const found = await call("DescribeInstanceToken", { RegistryId, ...page }, signal);
          return { rows: found.Tokens, last: found.Last, total: found.TotalCount };
        }}
        rowKey={(row) => row.Id}
        actions={create}
        columns={[
          { title: t("Purpose"), cell: (row) => row.Desc || <span className="muted">{t("none given")}</span> },
          { title: t("Username"), cell: (row) => <code>{row.Username}</code> },
          { title: t("Id"), minor: true, cell: (row) => <code>{row.Id}</code> },
          { title: t("Created"), minor: true, cell: (row) => <When at={row.CreatedAt} /> },
          { title: t("Enabled"), cell: (row) => <Toggle name={row.Desc || row.Id} on={row.Enabled} onChange={() => switching.mutate(row)} /> },
          { title: t("Actions"), align: "end", cell: (row) => <RowActions onDelete={() => setDeleting(row)} /> },
        ]}
        empty={{
          title: t("You have no long-term credential here"),
          text: t("Create one for each machine or person, so that one can be disabled without the others. On the command line:"),
          commands: ['roadstead credential create --purpose "build server"'],
          action: create,
        }}
      />
      {creating && (
        <ActionDialog
          title={t("New credential")}
          action="CreateInstanceToken"
          fixed={{ RegistryId, TokenType: "longterm" }}
          fields={["Desc"]}
          special={{ Desc: { required: true } }}
          submit={t("Create")}
          onDone={(token, asked) => {
            setCreating(false);
            setMade({ token, purpose: asked.Desc ?? "" });
            again();
          }}
          onCancel={() => setCreating(false)}
        />
      )}
      {made && <ShownOnce made={made.token} purpose={made.purpose} host={domainOf(instance)} onClose={() => setMade(undefined)} />}
      {deleting && (
        <Confirm
          title={t("Delete this credential?")}
          text={<p>{t("{name} stops working at once, for every client that has it.", { name: deleting.Desc || deleting.Id })}</p>}
          act={() => call("DeleteInstanceToken", { RegistryId, TokenId: deleting.Id })}
          onDone={() => {
            setDeleting(undefined);
            announce(t("The credential is deleted"));
            again();
          }}
          onCancel={() => setDeleting(undefined)}
        />
      )}
    </Page>
  );
}

export function Toggle({ name, on, onChange, disabled }: { name: string; on: boolean; onChange: () => void; disabled?: boolean }) {
  return (
    <span
      ref={(place) => {
        const control = place?.querySelector("button");
        control?.setAttribute("aria-label", t("Enabled: {name}", { name }));
        control?.setAttribute("aria-checked", String(on));
      }}
    >
      <Switch value={on} onChange={onChange} disabled={disabled} />
    </span>
  );
}

function ShownOnce({ made, purpose, host, onClose }: { made: Made; purpose: string; host: string; onClose: () => void }) {
  const temporary = !made.TokenId;
  const login = `docker login ${host} --username ${made.Username} --password ${made.Token}`;
  const file = `# ${purpose || "Roadstead"} (${made.TokenId})\nREGISTRY=${host}\nUSERNAME=${made.Username}\nPASSWORD=${made.Token}\n\n${login}\nhelm registry login ${host} --username ${made.Username} --password ${made.Token}\n`;
  return (
    <Dialog title={temporary ? t("Login for one hour") : t("The new credential")} onClose={onClose} wide>
      <div className="action-form">
        {temporary ? <Countdown until={made.ExpTime} /> : <p>{t("The password is shown this once: copy or download it now. Only its hash is kept.")}</p>}
        <label>{t("Username")}</label>
        <Command text={made.Username} />
        <label>{t("Password")}</label>
        <Command text={made.Token} secret />
        <label>{t("One line to log in")}</label>
        <Command text={login} secret />
        {temporary && <p className="muted">{t("It cannot be revoked before it ends.")}</p>}
        <footer>
          {!temporary && <Download name={`${purpose.replace(/[^\w.-]+/g, "-") || "credential"}.txt`} text={file} />}
          <Button theme="primary" onClick={onClose}>{t("Done")}</Button>
        </footer>
      </div>
    </Dialog>
  );
}

export function Download({ name, text }: { name: string; text: string }) {
  const save = () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  return <Button variant="outline" onClick={save}>{t("Download")}</Button>;
}

export function Countdown({ until }: { until: number }) {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  const left = Math.max(0, Math.round((until - now) / 1000));
  const shown = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
  return (
    <p role="timer" className="countdown">
      {left ? t("Valid for another {time}", { time: shown }) : t("It has ended; ask for another one.")}
    </p>
  );
}
