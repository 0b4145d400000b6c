// The policies of a user or a group: which it has, another one given to it, one taken away.
import { useMutation, useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { call, type Schemas } from "../api/client";
import { ProblemBox } from "./problem";
import { ResourceTable, type Empty, type Listed, type Page } from "./resource-table";
import { RowActions } from "./row-actions";
import { announce } from "./toast";
import { When } from "./when";
import { t } from "./words";

type Row = Schemas["AttachedPolicy"];

interface Props {
  keys: readonly unknown[];
  ask: (page: Page, signal: AbortSignal) => Promise<Listed<Row>>;
  attach: (policy: number) => Promise<unknown>;
  detach: (policy: number) => Promise<unknown>;
  onDone: () => void;
  empty: Empty;
}

export function AttachedPolicies({ keys, ask, attach, detach, onDone, empty }: Props) {
  const all = useQuery({ queryKey: ["policies", "choice"], queryFn: () => call("ListPolicies", { Limit: 500, Scope: "All" }) });
  const giving = useMutation({
    mutationFn: attach,
    onSuccess: () => {
      announce(t("Saved"));
      onDone();
    },
  });
  const taking = useMutation({ mutationFn: detach, onSuccess: onDone });
  const problem = giving.error ?? taking.error;
  return (
    <>
      {problem && <ProblemBox error={problem} />}
      <ResourceTable<Row>
        name={t("Policies")}
        keys={keys}
        ask={(page, _, __, signal) => ask(page, signal)}
        rowKey={(row) => String(row.PolicyId)}
        to={(row) => `/policies/${row.PolicyId}`}
        actions={
          <select className="select" aria-label={t("Give a policy")} value="" onChange={(event) => event.target.value && giving.mutate(Number(event.target.value))}>
            <option value="">{t("Give a policy")}</option>
            {all.data?.List.map((each) => <option key={each.PolicyId} value={each.PolicyId}>{each.PolicyName}</option>)}
          </select>
        }
        columns={[
          { title: t("Policy"), cell: (row) => <Link to={`/policies/${row.PolicyId}`}>{row.PolicyName}</Link> },
          { title: t("What it is for"), minor: true, cell: (row) => row.Remark || "—" },
          { title: t("Since"), minor: true, cell: (row) => <When at={row.AddTime} /> },
          { title: t("Actions"), align: "end", cell: (row) => <RowActions verb={t("Take away")} onDelete={() => taking.mutate(row.PolicyId)} /> },
        ]}
        empty={empty}
      />
    </>
  );
}
