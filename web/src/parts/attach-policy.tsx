// A choice among the policies, for whoever shall have one.
import { useMutation, useQuery } from "@tanstack/react-query";
import { call } from "../api/client";
import { ProblemBox } from "./problem";
import { announce } from "./toast";
import { t } from "./words";

export function AttachPolicy({ attach, onDone }: { attach: (id: number) => Promise<unknown>; onDone: () => void }) {
  const found = useQuery({ queryKey: ["policies", "choice"], queryFn: () => call("ListPolicies", { Limit: 500, Scope: "All" }) });
  const giving = useMutation({
    mutationFn: attach,
    onSuccess: () => {
      announce(t("Saved"));
      onDone();
    },
  });
  return (
    <>
      {giving.isError && <ProblemBox error={giving.error} />}
      <select className="select" aria-label={t("Give a policy")} value="" onChange={(event) => event.target.value && giving.mutate(Number(event.target.value))}>
        <option value="">{t("Give a policy")}</option>
        {found.data?.List.map((each) => <option key={each.PolicyId} value={each.PolicyId}>{each.PolicyName}</option>)}
      </select>
    </>
  );
}
