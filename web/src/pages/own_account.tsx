// What everybody does with the own account: password, second factor, keys, logins.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Tag } from "tdesign-react";
import { useState, type FormEvent } from "react";
import { changePassword, confirmTotp, endLogin, enrolTotp, logins, removeTotp } from "../api/client";
import { AccessKeys } from "../parts/access-keys";
import { Button } from "../parts/button";
import { Command } from "../parts/copy";
import { Card, Facts, Page } from "../parts/page";
import { ProblemBox } from "../parts/problem";
import { useMe } from "../parts/session";
import { ago } from "../parts/shown";
import { announce } from "../parts/toast";
import { t } from "../parts/words";

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
      <AccessKeys uin={Number(me.Uin)} />
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
  const [password, setPassword] = useState("");
  const [code, setCode] = useState("");
  const enrolling = useMutation({ mutationFn: () => enrolTotp(password) });
  const done = () => {
    enrolling.reset();
    setPassword("");
    setCode("");
    announce(t("Saved"));
    void cache.invalidateQueries({ queryKey: ["me"] });
  };
  const confirming = useMutation({ mutationFn: () => confirmTotp(code), onSuccess: done });
  const removing = useMutation({ mutationFn: () => removeTotp(password, code), onSuccess: done });
  const secret = enrolling.data;
  const problem = confirming.error ?? removing.error ?? enrolling.error;
  const codeField = <label className="field">{t("Code of the second factor")}<input className="plain" inputMode="numeric" autoComplete="one-time-code" value={code} onChange={(event) => setCode(event.target.value.trim())} required /></label>;
  const passwordField = <label className="field">{t("Password")}<input className="plain" type="password" autoComplete="current-password" value={password} onChange={(event) => setPassword(event.target.value)} required /></label>;
  return (
    <Card title={t("Second factor")} actions={me.Totp ? <Tag theme="success" variant="light">{t("on")}</Tag> : <Tag variant="light">{t("off")}</Tag>}>
      <form className="action-form" onSubmit={(event) => submit(event, me.Totp ? removing.mutate : secret ? confirming.mutate : enrolling.mutate)}>
        {me.Totp ? (
          <>{passwordField}{codeField}</>
        ) : secret ? (
          <>
            <p>{t("Enter this secret in your authenticator app, or open the address on the device that has it; then type the code that it shows.")}</p>
            <Command text={secret.Secret} secret />
            <p><a href={secret.Uri}>{t("Open in an authenticator app")}</a></p>
            {codeField}
          </>
        ) : (
          <>
            <p className="muted">{t("With a second factor a stolen password alone does not open the console.")}</p>
            {passwordField}
          </>
        )}
        {problem && <ProblemBox error={problem} />}
        <footer><Button type="submit" theme={me.Totp ? "danger" : "primary"} variant={me.Totp ? "outline" : "base"}>{me.Totp ? t("Remove") : secret ? t("Confirm") : t("Set up")}</Button></footer>
      </form>
    </Card>
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
