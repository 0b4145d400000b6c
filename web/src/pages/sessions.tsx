// Signing in: a password, a second factor where there is one, or the company's own identity provider.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { ApiProblem, signIn, singleSignOn } from "../api/client";
import icon from "../icon.svg";
import { Button } from "../parts/button";
import { ProblemBox } from "../parts/problem";
import { chooseLanguage, currentLanguage, t } from "../parts/words";

export function SignIn({ ended }: { ended: boolean }) {
  const cache = useQueryClient();
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [code, setCode] = useState("");
  const [fresh, setFresh] = useState("");
  const codeField = useRef<HTMLInputElement>(null);
  const freshField = useRef<HTMLInputElement>(null);
  const offered = useQuery({ queryKey: ["oidc"], queryFn: singleSignOn, staleTime: Infinity });
  const entering = useMutation({
    mutationFn: () => signIn(name, password, code, fresh),
    onSuccess: (me) => {
      // What somebody else was shown before in this window is not for whoever comes now.
      cache.removeQueries({ predicate: (query) => query.queryKey[0] !== "me" });
      cache.setQueryData(["me"], me);
    },
  });
  const problem = entering.error instanceof ApiProblem ? entering.error.problem : null;
  const missing = problem?.Code === "AuthFailure.MFAFailure";
  const given = problem?.Code === "AuthFailure.PasswordChangeNeeded";
  const second = missing || code !== "";
  const changing = given || fresh !== "";
  // Fields that appear say themselves what is wanted; whatever else is wrong is told.
  const told = entering.isError && !(missing && !code) && !(given && !fresh);
  useEffect(() => {
    document.title = `${t("Sign in")} · Roadstead`;
  }, []);
  useEffect(() => {
    if (missing) codeField.current?.focus();
    if (given) freshField.current?.focus();
  }, [missing, given]);
  const back = location.pathname + location.search;
  return (
    <main className="sign-in">
      <form
        className="card"
        onSubmit={(event) => {
          event.preventDefault();
          entering.mutate();
        }}
      >
        <div className="brand">
          <img src={icon} alt="" width="40" height="40" />
          <h1>Roadstead</h1>
        </div>
        {ended && <p role="status">{t("Your login has ended. Sign in again to go on here.")}</p>}
        <label>
          {t("Account name or number")}
          <input name="username" autoComplete="username" autoFocus required value={name} onChange={(event) => setName(event.target.value)} />
        </label>
        <label>
          {t("Password")}
          <input name="password" type="password" autoComplete="current-password" required value={password} onChange={(event) => setPassword(event.target.value)} />
        </label>
        {changing && (
          <>
            <p>{t("This password was given to you: choose one of your own before you go on.")}</p>
            <label>
              {t("New password")}
              <input ref={freshField} name="new-password" type="password" autoComplete="new-password" required value={fresh} onChange={(event) => setFresh(event.target.value)} />
            </label>
          </>
        )}
        {second && (
          <label>
            {t("Code of the second factor, or a recovery code")}
            <input ref={codeField} name="code" autoComplete="one-time-code" required value={code} onChange={(event) => setCode(event.target.value.trim())} />
          </label>
        )}
        {told && <ProblemBox error={entering.error} />}
        <Button type="submit" theme="primary" size="large" block loading={entering.isPending}>
          {t("Sign in")}
        </Button>
        {offered.data?.Offered && (
          <a className="single-sign-on" href={`/api/v1/session/oidc/login?next=${encodeURIComponent(back)}`}>
            {t("Sign in with {name}", { name: new URL(offered.data.Issuer).host })}
          </a>
        )}
        <p className="muted">{t("The first start has printed an account and its password; they are also in initial-credentials.json in the data folder.")}</p>
        <button type="button" className="link" onClick={() => void chooseLanguage(currentLanguage() === "en" ? "zh" : "en").then(() => location.reload())}>
          {currentLanguage() === "en" ? "中文" : "English"}
        </button>
      </form>
    </main>
  );
}
