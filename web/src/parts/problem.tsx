// How an error is shown: what is wrong, what to do about it, which gate said no, and the id under which it is found.
import { Alert, Tag } from "tdesign-react";
import type { ReactNode } from "react";
import { Link } from "react-router";
import { ApiProblem, type Problem } from "../api/client";
import { Copy } from "./copy";
import { said, t, type Text } from "./words";

const GATES: Record<string, Text> = {
  credential: "Gate: credential",
  policy: "Gate: policy",
  token: "Gate: token",
  network: "Gate: network",
  limit: "Gate: limit",
};

export const gateOf = (gate: string): string => (GATES[gate] ? t(GATES[gate]) : gate);

export function problemOf(error: unknown): Problem {
  if (error instanceof ApiProblem) return error.problem;
  return { title: "Error", status: 0, detail: error instanceof Error ? error.message : String(error) };
}

export function ProblemBox({ error, again }: { error: unknown; again?: ReactNode }) {
  const problem = problemOf(error);
  return (
    <div role="alert" className="problem">
      <Alert
        theme="error"
        title={problem.Code ? `${problem.Code}` : t("This did not work")}
        message={
          <div className="problem-body">
            <p>{problem.Code === "Unreachable" ? t("The server does not answer.") : said(problem.detail)}</p>
            {problem.Remedy && (
              <p>
                <strong>{t("What helps:")}</strong> {said(problem.Remedy)}
              </p>
            )}
            <p className="problem-facts">
              {problem.Gate && (
                <Tag theme="warning" variant="light">
                  {gateOf(problem.Gate)}
                </Tag>
              )}
              {problem.Action && <code>{problem.Action}</code>}
              {problem.Resource && <code>{problem.Resource}</code>}
              {problem.Policy && <code>{problem.Policy}</code>}
              {problem.RequestId && (
                <span>
                  {t("Request")} <code>{problem.RequestId}</code> <Copy text={problem.RequestId} />
                </span>
              )}
              {problem.Gate && problem.RequestId && (
                <Link to={`/audit?explain=${problem.RequestId}`}>{t("Explain the decision")}</Link>
              )}
              {again}
            </p>
          </div>
        }
      />
    </div>
  );
}
