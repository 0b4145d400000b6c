// What everybody does with the own account: password, second factor, keys, logins.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Tag } from "tdesign-react";
import { useState, type FormEvent } from "react";
import { changePassword, confirmTotp, endLogin, enrolTotp, logins, removeTotp, renewRecoveryCodes } from "../api/client";
import { AccessKeys } from "../parts/access-keys";
import { Button } from "../parts/button";
import { Command } from "../parts/copy";
import { Dialog } from "../parts/dialog";
import { Card, Facts, Page } from "../parts/page";
import { ProblemBox } from "../parts/problem";
import { useMe } from "../parts/session";
import { ago } from "../parts/shown";
import { TemporaryKey } from "../parts/temporary-key";
import { announce } from "../parts/toast";
import { t } from "../parts/words";
import { Download } from "./credentials";

export default function OwnAccount() {
  const me = useMe();
  return (
    <Page title={t("My account")}>
      <Card>
        <Facts facts={[[t("Name"), me.Name], [t("Account number"), <code key="u">{me.Uin}</code>], [t("Kind"), me.Owner ? t("Owner of the deployment") : t("Sub-account")]]} />
      </Card>
      <div className="cards">
        <PasswordCard />
        <SecondFactor />
      </div>
      <AccessKeys uin={Number(me.Uin)}><TemporaryKey name={me.Name} /></AccessKeys>
      <Logins />
    </Page>
  );
}

function PasswordCard() {
  const [old, setOld] = useState("");
  const [fresh, setFresh] = useState("");
  const saving = useMutation({
    mutationFn: () => changePassword(old, fresh),
    onSuccess: () => {
      setOld("");
      setFresh("");
      announce(t("Saved"));
    },
  });
  return (
    <Card title={t("Password")}>
      <form className="action-form" onSubmit={(event) => submit(event, saving.mutate)}>
        <label className="field">{t("Present password")}<input className="plain" type="password" autoComplete="current-password" value={old} onChange={(event) => setOld(event.target.value)} required /></label>
        <label className="field">{t("New password")}<input className="plain" type="password" autoComplete="new-password" value={fresh} onChange={(event) => setFresh(event.target.value)} required /></label>
        {saving.isError && <ProblemBox error={saving.error} />}
        <footer><Button type="submit" theme="primary" loading={saving.isPending}>{t("Change")}</Button></footer>
      </form>
    </Card>
  );
}

function submit(event: FormEvent, act: () => void): void {
  event.preventDefault();
  act();
}

function SecondFactor() {
  const me = useMe();
  const cache = useQueryClient();
  const [codes, setCodes] = useState<string[]>();
  const again = () => void cache.invalidateQueries({ queryKey: ["me"] });
  const made = (found: string[]) => {
    setCodes(found);
    again();
  };
  return (
    <Card title={t("Second factor")} actions={me.Totp ? <Tag theme="success" variant="light">{t("on")}</Tag> : <Tag variant="light">{t("off")}</Tag>}>
      {me.Totp ? <StandingFactor onCodes={made} onRemoved={again} /> : <NewFactor onCodes={made} />}
      {codes && <ShownCodes name={me.Name} codes={codes} onClose={() => setCodes(undefined)} />}
    </Card>
  );
}

function PasswordField({ value, onChange }: Field) {
  return <label className="field">{t("Password")}<input className="plain" type="password" autoComplete="current-password" value={value} onChange={(event) => onChange(event.target.value)} required /></label>;
}

function CodeField({ label, value, onChange }: Field & { label: string }) {
  return <label className="field">{label}<input className="plain" autoComplete="one-time-code" value={value} onChange={(event) => onChange(event.target.value.trim())} required /></label>;
}

interface Field {
  value: string;
  onChange: (value: string) => void;
}

function NewFactor({ onCodes }: { onCodes: (codes: string[]) => void }) {
  const [password, setPassword] = useState("");
  const [code, setCode] = useState("");
  const enrolling = useMutation({ mutationFn: () => enrolTotp(password) });
  const confirming = useMutation({ mutationFn: () => confirmTotp(code), onSuccess: (answer) => onCodes(answer.RecoveryCodes) });
  const secret = enrolling.data;
  const problem = confirming.error ?? enrolling.error;
  return (
    <form className="action-form" onSubmit={(event) => submit(event, secret ? confirming.mutate : enrolling.mutate)}>
      {secret ? (
        <>
          <p>{t("Enter this secret in your authenticator app, or open the address on the device that has it; then type the code that it shows.")}</p>
          <Command text={secret.Secret} secret />
          <p><a href={secret.Uri}>{t("Open in an authenticator app")}</a></p>
          <CodeField label={t("Code of the second factor")} value={code} onChange={setCode} />
        </>
      ) : (
        <>
          <p className="muted">{t("With a second factor a stolen password alone does not open the console.")}</p>
          <PasswordField value={password} onChange={setPassword} />
        </>
      )}
      {problem && <ProblemBox error={problem} />}
      <footer><Button type="submit" theme="primary" loading={enrolling.isPending || confirming.isPending}>{secret ? t("Confirm") : t("Set up")}</Button></footer>
    </form>
  );
}

function StandingFactor({ onCodes, onRemoved }: { onCodes: (codes: string[]) => void; onRemoved: () => void }) {
  const me = useMe();
  const [password, setPassword] = useState("");
  const [code, setCode] = useState("");
  const empty = () => {
    setPassword("");
    setCode("");
  };
  const renewing = useMutation({
    mutationFn: () => renewRecoveryCodes(password, code),
    onSuccess: (answer) => {
      empty();
      onCodes(answer.RecoveryCodes);
    },
  });
  const removing = useMutation({
    mutationFn: () => removeTotp(password, code),
    onSuccess: () => {
      announce(t("Saved"));
      onRemoved();
    },
  });
  const problem = renewing.error ?? removing.error;
  const ready = password !== "" && code !== "";
  return (
    <form className="action-form" onSubmit={(event) => submit(event, renewing.mutate)}>
      <p>{t("{count} recovery codes are left. Each lets you in once in place of a code, if the app is lost.", { count: me.RecoveryCodes })}</p>
      <PasswordField value={password} onChange={setPassword} />
      <CodeField label={t("Code of the second factor, or a recovery code")} value={code} onChange={setCode} />
      {problem && <ProblemBox error={problem} />}
      <footer>
        <Button theme="danger" variant="outline" disabled={!ready} loading={removing.isPending} onClick={() => removing.mutate()}>{t("Remove")}</Button>
        <Button type="submit" theme="primary" loading={renewing.isPending}>{t("New recovery codes")}</Button>
      </footer>
    </form>
  );
}

function ShownCodes({ name, codes, onClose }: { name: string; codes: string[]; onClose: () => void }) {
  return (
    <Dialog title={t("Recovery codes")} onClose={onClose}>
      <div className="action-form">
        <p>{t("They are shown this once. Keep them apart from the device with the app; each lets you in once. Earlier codes count no more.")}</p>
        <ul className="plain-list codes">{codes.map((code) => <li key={code}><code>{code}</code></li>)}</ul>
        <footer>
          <Download name={`${name}-recovery-codes.txt`} text={`${codes.join("\n")}\n`} />
          <Button theme="primary" onClick={onClose}>{t("I have kept them")}</Button>
        </footer>
      </div>
    </Dialog>
  );
}

function Logins() {
  const cache = useQueryClient();
  const found = useQuery({ queryKey: ["logins"], queryFn: logins });
  const ending = useMutation({ mutationFn: endLogin, onSuccess: () => void cache.invalidateQueries({ queryKey: ["logins"] }) });
  return (
    <Card title={t("Logins")} actions={<Button variant="outline" onClick={() => ending.mutate("others")}>{t("End all others")}</Button>}>
      {(found.error ?? ending.error) && <ProblemBox error={found.error ?? ending.error} />}
      <ul className="plain-list">
        {found.data?.map((each) => (
          <li key={each.Id}>
            <span className="wrap">{each.Client || "—"}</span>
            <span className="muted">{each.Address} · {t("used {when}", { when: ago(each.UsedAt) })}</span>
            <span className="toolbar-gap" />
            {each.Current ? <Tag theme="success" variant="light">{t("this one")}</Tag> : <Button size="small" variant="text" theme="danger" onClick={() => ending.mutate(each.Id)}>{t("End")}</Button>}
          </li>
        ))}
      </ul>
    </Card>
  );
}
