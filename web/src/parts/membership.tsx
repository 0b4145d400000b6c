// Who is in which group, from either side: a group's members, or a user's groups.
import { useMutation } from "@tanstack/react-query";
import { call } from "../api/client";
import { ProblemBox } from "./problem";
import { ResourceTable, type Column, type Empty, type Listed, type Page } from "./resource-table";
import { RowActions } from "./row-actions";
import { t } from "./words";

interface Pair {
  GroupId: number;
  Uin: number;
}

interface Props<Row> {
  name: string;
  keys: readonly unknown[];
  ask: (page: Page, signal: AbortSignal) => Promise<Listed<Row>>;
  to: (row: Row) => string;
  columns: Column<Row>[];
  empty: Empty;
  /** What can be added: its number and name. */
  choices: { id: number; name: string }[];
  hint: string;
  /** Which user in which group a row, or a choice, stands for. */
  pair: (id: number) => Pair;
  idOf: (row: Row) => number;
  onDone: () => void;
}

export function Membership<Row>({ name, keys, ask, to, columns, empty, choices, hint, pair, idOf, onDone }: Props<Row>) {
  const joining = useMutation({ mutationFn: (id: number) => call("AddUserToGroup", { Info: [pair(id)] }), onSuccess: onDone });
  const leaving = useMutation({ mutationFn: (id: number) => call("RemoveUserFromGroup", { Info: [pair(id)] }), onSuccess: onDone });
  const problem = joining.error ?? leaving.error;
  return (
    <>
      {problem && <ProblemBox error={problem} />}
      <ResourceTable<Row>
        name={name}
        keys={keys}
        ask={(page, _, __, signal) => ask(page, signal)}
        rowKey={(row) => String(idOf(row))}
        to={to}
        actions={
          <select className="select" aria-label={hint} value="" onChange={(event) => event.target.value && joining.mutate(Number(event.target.value))}>
            <option value="">{hint}</option>
            {choices.map((each) => <option key={each.id} value={each.id}>{each.name}</option>)}
          </select>
        }
        columns={[...columns, { title: t("Actions"), align: "end", cell: (row) => <RowActions verb={t("Take out")} onDelete={() => leaving.mutate(idOf(row))} /> }]}
        empty={empty}
      />
    </>
  );
}
