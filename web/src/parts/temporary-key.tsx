// An API key of one's own for an hour or two, which may do less than oneself: for a script, or for somebody who helps.
import { useState } from "react";
import type { Answer } from "../api/client";
import { Countdown } from "../pages/credentials";
import { ActionDialog } from "./action-form";
import { Button } from "./button";
import { Command } from "./copy";
import { Dialog } from "./dialog";
import { t } from "./words";

type Made = Answer<"GetFederationToken">;

const lengths = () => [
  { value: 900, label: t("{count} minutes", { count: 15 }) },
  { value: 3600, label: t("One hour") },
  { value: 7200, label: t("Two hours") },
];

/** The button that makes one. */
export function TemporaryKey({ name }: { name: string }) {
  const [asking, setAsking] = useState(false);
  const [made, setMade] = useState<Made>();
  return (
    <>
      <Button variant="outline" onClick={() => setAsking(true)}>{t("Temporary key")}</Button>
      {asking && (
        <ActionDialog
          title={t("Temporary key")}
          action="GetFederationToken"
          fields={["DurationSeconds", "Policy"]}
          fixed={{ Name: name.replace(/[^\w.@-]/g, "_") }}
          initial={{ DurationSeconds: 3600 }}
          special={{
            DurationSeconds: { options: lengths(), help: t("It ends by itself, and makes no other keys.") },
            Policy: { rows: 8, help: t("A policy as JSON: the key may do what both this and your own policies allow. Empty: all that you may.") },
          }}
          submit={t("Create")}
          onDone={(answer) => {
            setAsking(false);
            setMade(answer);
          }}
          onCancel={() => setAsking(false)}
        />
      )}
      {made && <Shown made={made} onClose={() => setMade(undefined)} />}
    </>
  );
}

function Shown({ made, onClose }: { made: Made; onClose: () => void }) {
  const { TmpSecretId, TmpSecretKey, Token } = made.Credentials;
  const variables = [
    `export TENCENTCLOUD_SECRET_ID=${TmpSecretId}`,
    `export TENCENTCLOUD_SECRET_KEY=${TmpSecretKey}`,
    `export TENCENTCLOUD_TOKEN=${Token}`,
  ].join("\n");
  return (
    <Dialog title={t("Temporary key")} onClose={onClose} wide>
      <div className="action-form">
        <Countdown until={made.ExpiredTime * 1000} />
        <p>{t("What is secret here is shown this once.")}</p>
        <label>SecretId</label>
        <Command text={TmpSecretId} />
        <label>SecretKey</label>
        <Command text={TmpSecretKey} secret />
        <label>{t("Session token")}</label>
        <Command text={Token} secret />
        <label>{t("As tccli reads it")}</label>
        <Command text={variables} secret />
        <footer><Button theme="primary" onClick={onClose}>{t("Done")}</Button></footer>
      </div>
    </Dialog>
  );
}
