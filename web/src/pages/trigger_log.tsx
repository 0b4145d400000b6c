// What a trigger has delivered: each delivery with its attempts, request and answer, and a way to send it again.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Tag } from "tdesign-react";
import { useParams } from "react-router";
import { call, type Schemas } from "../api/client";
import { useAddress } from "../parts/address";
import { Button } from "../parts/button";
import { Command } from "../parts/copy";
import { Dialog } from "../parts/dialog";
import { kindOf } from "../parts/event-line";
import { useInstance } from "../parts/instance";
import { Page } from "../parts/page";
import { ProblemBox } from "../parts/problem";
import { ResourceTable } from "../parts/resource-table";
import { time } from "../parts/shown";
import { announce } from "../parts/toast";
import { said, t, type Text } from "../parts/words";
import { pretty } from "./manifests";

type Row = Schemas["WebhookTriggerLog"];

const STATES: Record<Row["Status"], { text: Text; theme: "success" | "danger" | "primary" | "default" }> = {
  finished: { text: "Delivered", theme: "success" },
  error: { text: "Failed", theme: "danger" },
  pending: { text: "Waiting", theme: "primary" },
  running: { text: "On its way", theme: "primary" },
  stopped: { text: "Stopped", theme: "default" },
};

export default function TriggerLog() {
  const instance = useInstance();
  const cache = useQueryClient();
  const { trigger = "" } = useParams();
  const [address, change] = useAddress();
  const where = { RegistryId: instance.RegistryId, Namespace: address.get("of") ?? "", Id: Number(trigger) };
  const status = (address.get("status") ?? "") as Row["Status"] | "";
  const opened = address.get("delivery");
  const again = () => void cache.invalidateQueries({ queryKey: ["deliveries", where.RegistryId] });
  const named = useQuery({
    queryKey: ["triggers", where.RegistryId, "one", trigger],
    queryFn: async () => (await call("DescribeWebhookTrigger", { RegistryId: where.RegistryId, Namespace: where.Namespace || null, Limit: 500 })).Triggers.find((each) => String(each.Id) === trigger) ?? null,
  });
  const sending = useMutation({
    mutationFn: (log: number | null) => call("SendAgain", { ...where, LogId: log }),
    onSuccess: (answer) => {
      announce(t("On their way again: {count} deliveries", { count: answer.Count }));
      again();
    },
  });
  return (
    <Page
      title={named.data?.Name ?? t("Trigger {name}", { name: trigger })}
      lead={named.data?.Targets.map((each) => each.Address).join(", ")}
      above={[{ text: t("Triggers"), to: `/i/${instance.RegistryName}/triggers` }]}
      actions={<Button variant="outline" loading={sending.isPending} onClick={() => sending.mutate(null)}>{t("Send all failed ones again")}</Button>}
    >
      {sending.isError && <ProblemBox error={sending.error} />}
      <ResourceTable<Row>
        name={t("Deliveries")}
        keys={["deliveries", where.RegistryId, trigger, status]}
        every={3000}
        filters={
          <label className="filter">
            {t("State")}{" "}
            <select className="select" value={status} onChange={(event) => change({ status: event.target.value, last: null })}>
              <option value="">{t("All")}</option>
              {Object.entries(STATES).map(([key, each]) => <option key={key} value={key}>{t(each.text)}</option>)}
            </select>
          </label>
        }
        ask={async (page, _, __, signal) => {
          const found = await call("DescribeWebhookTriggerLog", { ...where, ...page, ...(status ? { Status: status } : {}) }, signal);
          return { rows: found.Logs, last: found.Last, total: found.TotalCount };
        }}
        rowKey={(row) => String(row.Id)}
        open={(row) => change({ delivery: String(row.Id) })}
        columns={[
          { title: t("Task"), cell: (row) => <button type="button" className="link" onClick={() => change({ delivery: String(row.Id) })}>{row.Id}</button> },
          { title: t("On"), minor: true, cell: (row) => kindOf(row.EventType) },
          { title: t("Repository"), cell: (row) => row.Repository },
          { title: t("State"), cell: (row) => <Tag theme={STATES[row.Status].theme} variant="light">{t(STATES[row.Status].text)}</Tag> },
          { title: t("Attempts"), minor: true, align: "end", cell: (row) => row.Attempts },
          { title: t("Next attempt"), minor: true, cell: (row) => row.NextAttemptTime ? time(row.NextAttemptTime) : "—" },
          { title: t("Created"), minor: true, cell: (row) => time(row.CreationTime) },
          { title: t("Actions"), align: "end", cell: (row) => <Button variant="text" size="small" onClick={() => sending.mutate(row.Id)}>{t("Send again")}</Button> },
        ]}
        empty={{ title: t("Nothing has been delivered yet"), text: t("As soon as something happens that the trigger is about, it stands here with the request and the answer.") }}
      />
      {opened && <Attempts where={where} log={Number(opened)} onClose={() => change({ delivery: null })} />}
    </Page>
  );
}

function Attempts({ where, log, onClose }: { where: { RegistryId: string; Namespace: string; Id: number }; log: number; onClose: () => void }) {
  const found = useQuery({ queryKey: ["attempts", where.RegistryId, log], queryFn: () => call("DescribeDeliveryAttempts", { ...where, LogId: log, Limit: 100 }), refetchInterval: 3000 });
  const body = useQuery({
    queryKey: ["deliveries", where.RegistryId, "one", log],
    queryFn: async () => (await call("DescribeWebhookTriggerLog", { ...where, Limit: 500 })).Logs.find((each) => each.Id === log) ?? null,
  });
  return (
    <Dialog title={t("Delivery {name}", { name: String(log) })} onClose={onClose} wide>
      {found.isError && <ProblemBox error={found.error} />}
      {body.data && (
        <details>
          <summary>{t("What is posted")}</summary>
          <Command text={pretty(body.data.Detail)} />
        </details>
      )}
      {found.data?.Attempts.length === 0 && <p className="muted">{t("It has not been tried yet.")}</p>}
      <ol className="attempts">
        {found.data?.Attempts.map((each) => (
          <li key={each.Number}>
            <p>
              <strong>{t("Attempt {count}", { count: each.Number })}</strong> {time(each.Time)} · {t("{count} ms", { count: each.Milliseconds })} · {each.Status ?? t("no answer")}
            </p>
            {each.Error && <p className="field-problem">{said(each.Error)}</p>}
            <details>
              <summary>{t("Request and answer")}</summary>
              <Command text={each.Request} />
              {each.Answer && <Command text={`${each.Answer}\n\n${each.AnswerBody}`} />}
            </details>
          </li>
        ))}
      </ol>
    </Dialog>
  );
}
