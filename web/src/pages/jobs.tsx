// Work in the background: how much waits in each queue, what was given up, and trying it again.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Tag } from "tdesign-react";
import { useState } from "react";
import { call, type Schemas } from "../api/client";
import { Button } from "../parts/button";
import { Command } from "../parts/copy";
import { Dialog } from "../parts/dialog";
import { Page } from "../parts/page";
import { ProblemBox } from "../parts/problem";
import { ResourceTable } from "../parts/resource-table";
import { ago, number } from "../parts/shown";
import { announce } from "../parts/toast";
import { t } from "../parts/words";
import { When } from "../parts/when";
import { pretty } from "./manifests";

type Row = Schemas["FailedJobInfo"];

export default function Jobs() {
  const cache = useQueryClient();
  const [opened, setOpened] = useState<Row>();
  const queues = useQuery({ queryKey: ["jobs"], queryFn: () => call("DescribeJobs", {}), refetchInterval: 2000 });
  const running = useMutation({
    mutationFn: (id: number) => call("RunJobAgain", { Id: id }),
    onSuccess: () => {
      announce(t("It is tried again"));
      void cache.invalidateQueries({ queryKey: ["failed-jobs"] });
    },
  });
  return (
    <Page title={t("Jobs")} lead={t("Work in the background: collection of what nobody needs, deliveries of triggers, instances.")}>
      {(queues.error ?? running.error) && <ProblemBox error={queues.error ?? running.error} />}
      <div className="table-scroll" tabIndex={0} role="region" aria-label={t("Queues")}>
        <table>
          <thead>
            <tr>
              <th>{t("Queue")}</th>
              <th className="align-end">{t("Due")}</th>
              <th className="align-end">{t("Waiting")}</th>
              <th className="align-end">{t("Running now")}</th>
              <th className="align-end">{t("Given up")}</th>
              <th className="minor">{t("Oldest due")}</th>
            </tr>
          </thead>
          <tbody>
            {queues.data?.Queues.map((each) => (
              <tr key={each.Queue}>
                <td>{each.Queue}</td>
                <td className="align-end">{number(each.Due)}</td>
                <td className="align-end">{number(each.Waiting)}</td>
                <td className="align-end">{number(each.Running)}</td>
                <td className="align-end">{each.Failed ? <Tag theme="danger" variant="light">{number(each.Failed)}</Tag> : 0}</td>
                <td className="minor">{ago(each.DueSince)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <h2 className="section-title">{t("Given up")}</h2>
      <ResourceTable<Row>
        name={t("Given up")}
        keys={["failed-jobs"]}
        every={5000}
        ask={async (page, _, __, signal) => {
          const found = await call("DescribeFailedJobs", page, signal);
          return { rows: found.Jobs, last: found.Last };
        }}
        rowKey={(row) => String(row.Id)}
        open={setOpened}
        columns={[
          { title: t("Id"), cell: (row) => <button type="button" className="link" onClick={() => setOpened(row)}>{row.Id}</button> },
          { title: t("Task"), cell: (row) => <code>{row.Task}</code> },
          { title: t("Attempts"), align: "end", minor: true, cell: (row) => row.Attempts },
          { title: t("Given up"), minor: true, cell: (row) => <When at={row.FailureTime} /> },
          { title: t("What it met"), cell: (row) => <span className="clip">{row.Error.trim().split("\n").at(-1)}</span> },
          { title: t("Actions"), align: "end", cell: (row) => <Button variant="text" size="small" onClick={() => running.mutate(row.Id)}>{t("Try again")}</Button> },
        ]}
        empty={{ title: t("No job was given up"), text: t("A job that fails is tried several times; only what never works stands here.") }}
      />
      {opened && (
        <Dialog title={`${opened.Task} ${opened.Id}`} onClose={() => setOpened(undefined)} wide>
          <Command text={pretty(opened.Arguments)} />
          <Command text={opened.Error} />
        </Dialog>
      )}
    </Page>
  );
}
