// Signing in: a password, a second factor where there is one, or the company's own identity provider.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { ApiProblem, signIn, singleSignOn } from "../api/client";
import icon from "../icon.svg";
import { Button } from "../parts/button";
import { ProblemBox } from "../parts/problem";
import { chooseLanguage, currentLanguage, t } from "../parts/words";

export function SignIn() {
  const cache = useQueryClient();
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [code, setCode] = useState("");
  const codeField = useRef<HTMLInputElement>(null);
  const offered = useQuery({ queryKey: ["oidc"], queryFn: singleSignOn, staleTime: Infinity });
  const entering = useMutation({
    mutationFn: () => signIn(name, password, code),
    onSuccess: (me) => cache.setQueryData(["me"], me),
  });
  const problem = entering.error instanceof ApiProblem ? entering.error.problem : null;
  const second = Boolean(problem?.Code?.includes("SecondFactor") || /code|factor/i.test(problem?.detail ?? "")) || code !== "";
  useEffect(() => {
    document.title = `${t("Sign in")} · Roadstead`;
  }, []);
  useEffect(() => {
    if (second) codeField.current?.focus();
  }, [second]);
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
        <label>
          {t("Account name or number")}
          <input name="username" autoComplete="username" autoFocus required value={name} onChange={(event) => setName(event.target.value)} />
        </label>
        <label>
          {t("Password")}
          <input name="password" type="password" autoComplete="current-password" required value={password} onChange={(event) => setPassword(event.target.value)} />
        </label>
        {second && (
          <label>
            {t("Code of the second factor")}
            <input ref={codeField} name="code" inputMode="numeric" autoComplete="one-time-code" value={code} onChange={(event) => setCode(event.target.value.trim())} />
          </label>
        )}
        {entering.isError && !(second && !code) && <ProblemBox error={entering.error} />}
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
