// An instance at a glance: what it holds, what happens in it, what is pulled most, and what needs attention.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { CheckCircleFilledIcon, ErrorCircleFilledIcon } from "tdesign-icons-react";
import { Link } from "react-router";
import { call, type Schemas } from "../api/client";
import { useAddress } from "../parts/address";
import { Bars, ceilingOfBytes, Columns } from "../parts/chart";
import { Command } from "../parts/copy";
import { EventLine } from "../parts/event-line";
import { domainOf, useExampleNamespace, useInstance, type Instance } from "../parts/instance";
import { Labels, LabelsDialog } from "../parts/labels";
import { Card, Page } from "../parts/page";
import { ProblemBox } from "../parts/problem";
import { ago, day, number, size } from "../parts/shown";
import { t, type Text } from "../parts/words";

export default function Overview() {
  const instance = useInstance();
  const [address, change] = useAddress();
  const days = Number(address.get("days")) || 14;
  const RegistryId = instance.RegistryId;
  const found = useQuery({
    queryKey: ["overview", RegistryId, days],
    queryFn: () => call("DescribeOverview", { RegistryId, Days: days }),
    placeholderData: (before) => before,
    refetchInterval: 30_000,
  });
  const data = found.data;
  return (
    <Page
      title={instance.RegistryName}
      lead={<>{domainOf(instance)} · {instance.RegionName} · {t(SPECIFICATIONS[instance.RegistryType])}<InstanceLabels instance={instance} /></>}
    >
      {found.isError && <ProblemBox error={found.error} />}
      {found.isPending && <p className="muted" aria-busy="true">{t("Loading")}</p>}
      {data && data.Images === 0 && <FirstPush instance={instance} namespaces={data.Namespaces} />}
      {data && (
        <div className="numbers">
          <Figure name={t("Stored")} value={size(data.StoredBytes)} note={t("what is shared counted once")} />
          <Figure name={t("Repositories")} value={number(data.Repositories)} note={t("of images and charts")} to="../repositories" />
          <Figure name={t("Tags")} value={number(data.Tags)} />
          <Figure name={t("Images")} value={number(data.Images)} />
          <Figure name={t("Namespaces")} value={number(data.Namespaces)} to="../namespaces" />
        </div>
      )}
      <div className="overview">
        <div>
          {data && <Activity activity={data.Activity} days={days} onDays={(chosen) => change({ days: chosen })} />}
          {data && <StorageHistory activity={data.Activity} storage={data.Storage} />}
          {data && (
            <div className="cards">
              <MostPulled rows={data.MostPulled} />
              <Storage rows={data.Largest} />
            </div>
          )}
        </div>
        <div>
          {data && <Health checks={data.Health} instance={instance} />}
          <Recent instance={instance} />
          <Quotas instance={instance} />
        </div>
      </div>
    </Page>
  );
}

function InstanceLabels({ instance }: { instance: Instance }) {
  const cache = useQueryClient();
  const [changing, setChanging] = useState(false);
  return (
    <div className="label-line">
      <Labels carried={instance.TagSpecification} list="/instances" />
      <button type="button" className="link" onClick={() => setChanging(true)}>{t("Change the labels")}</button>
      {changing && (
        <LabelsDialog
          title={t("Labels of {name}", { name: instance.RegistryName })}
          path={`instance/${instance.RegistryId}`}
          carried={instance.TagSpecification}
          onSaved={() => void cache.invalidateQueries({ predicate: (query) => ["instance", "instances"].includes(String(query.queryKey[0])) })}
          onClose={() => setChanging(false)}
        />
      )}
    </div>
  );
}

function Activity({ activity, days, onDays }: { activity: Schemas["DayActivity"][]; days: number; onDays: (days: string) => void }) {
  return (
    <Card
      title={t("Pushes and pulls")}
      actions={
        <select className="select" aria-label={t("Days")} value={days} onChange={(event) => onDays(event.target.value)}>
          {[7, 14, 30, 90].map((each) => <option key={each} value={each}>{t("{count} days", { count: each })}</option>)}
        </select>
      }
    >
      <Columns
        title={t("Pushes and pulls")}
        days={activity.map((each) => ({ label: day(each.Day), values: [each.Pushes, each.Pulls] }))}
        series={[{ name: t("Pushes"), className: "first" }, { name: t("Pulls"), className: "second" }]}
      />
    </Card>
  );
}

/** What was stored on each day; days on which nobody measured have no column. */
function StorageHistory({ activity, storage }: { activity: Schemas["DayActivity"][]; storage: Schemas["DayStorage"][] }) {
  const known = new Map(storage.map((each) => [each.Day, each.Bytes]));
  return (
    <Card title={t("Storage over time")}>
      <Columns
        title={t("Storage over time")}
        days={activity.map(({ Day }) => ({ label: day(Day), values: [known.get(Day)] }))}
        series={[{ name: t("Stored"), className: "first" }]}
        show={size}
        whole={(values) => values.at(-1) ?? 0}
        round={ceilingOfBytes}
      />
      {storage.length === 1 && <p className="muted">{t("Only today is known yet. Each day adds a column.")}</p>}
    </Card>
  );
}

function MostPulled({ rows }: { rows: Schemas["PulledRepository"][] }) {
  const bars = rows.map((each) => ({
    key: each.Name,
    name: <Link to={`../repositories/${each.Name}`} relative="path">{each.Name}</Link>,
    value: each.PullCount,
    shown: number(each.PullCount),
    note: t("last {when}", { when: ago(each.LastPullTime) }),
  }));
  return <Card title={t("Pulled most")}>{bars.length ? <Bars bars={bars} /> : <p className="muted">{t("Nothing has been pulled yet.")}</p>}</Card>;
}

function Storage({ rows }: { rows: Schemas["NamespaceStorage"][] }) {
  const bars = rows.map((each) => ({
    key: each.Name,
    name: <Link to={`../repositories?namespace=${each.Name}`} relative="path">{each.Name}</Link>,
    value: each.Bytes,
    shown: size(each.Bytes),
  }));
  return <Card title={t("Storage by namespace")}>{bars.length ? <Bars bars={bars} /> : <p className="muted">{t("Nothing is stored yet.")}</p>}</Card>;
}

export const SPECIFICATIONS: Record<Instance["RegistryType"], Text> = { basic: "Basic", standard: "Standard", premium: "Premium" };

function Figure({ name, value, note, to }: { name: string; value: string; note?: string; to?: string }) {
  const inside = (
    <>
      <span className="number-name">{name}</span>
      <strong>{value}</strong>
      {note && <span className="muted">{note}</span>}
    </>
  );
  return to ? <Link className="card number" to={to} relative="path">{inside}</Link> : <div className="card number">{inside}</div>;
}

const CHECKS: Record<Schemas["HealthCheck"]["Name"], { text: Text; to: string }> = {
  jobs: { text: "Background jobs", to: "/jobs" },
  triggers: { text: "Trigger deliveries", to: "../triggers" },
  entry: { text: "Public entry", to: "../networks" },
};

function Health({ checks, instance }: { checks: Schemas["HealthCheck"][]; instance: Instance }) {
  const all = [...checks.map((each) => ({ ...CHECKS[each.Name], well: each.Well, count: each.Count, key: each.Name as string }))];
  return (
    <Card title={t("Health")}>
      <ul className="health">
        {all.map((each) => (
          <li key={each.key}>
            {each.well ? <CheckCircleFilledIcon className="well" /> : <ErrorCircleFilledIcon className="unwell" />}
            <Link to={each.to} relative="path">{t(each.text)}</Link>
            <span className="muted">{each.well ? t("well") : each.count > 1 ? t("{count} need attention", { count: each.count }) : t("needs attention")}</span>
          </li>
        ))}
        <li>
          <CheckCircleFilledIcon className={instance.DeletionProtection ? "well" : "neutral"} />
          <Link to="/instances">{t("Deletion protection")}</Link>
          <span className="muted">{instance.DeletionProtection ? t("on") : t("off")}</span>
        </li>
      </ul>
    </Card>
  );
}

function Recent({ instance }: { instance: Instance }) {
  const RegistryId = instance.RegistryId;
  const found = useQuery({ queryKey: ["events", RegistryId, "recent"], queryFn: () => call("DescribeEvents", { RegistryId, Limit: 8 }) });
  return (
    <Card title={t("Recent activity")} actions={<Link to="../events" relative="path">{t("All")}</Link>}>
      {found.isError && <ProblemBox error={found.error} />}
      {found.data?.Events.length === 0 && <p className="muted">{t("Nothing has happened yet.")}</p>}
      <ul className="event-lines">
        {found.data?.Events.map((each) => <li key={each.Id}><EventLine event={each} instance={instance.RegistryName} /></li>)}
      </ul>
    </Card>
  );
}

function Quotas({ instance }: { instance: Instance }) {
  const RegistryId = instance.RegistryId;
  const found = useQuery({ queryKey: ["quotas", RegistryId], queryFn: () => call("DescribeInstanceQuotas", { RegistryId }) });
  if (!found.data) return null;
  const names: Record<string, Text> = { namespaces: "Namespaces", repositories: "Image repositories", links: "Private links" };
  return (
    <Card title={t("Limits of the specification")}>
      <ul className="bars">
        {found.data.Quotas.map((each) => (
          <li key={each.Name}>
            <span className="bar-name">{names[each.Name] ? t(names[each.Name]) : each.Name}</span>
            <span className="nowrap">{t("{used} of {limit}", { used: number(each.Used), limit: number(each.Limit) })}</span>
            <svg viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
              <rect width="100" height="4" rx="1" className="rest" />
              <rect width={Math.min(100, (each.Used / each.Limit) * 100)} height="4" rx="1" className={each.Used >= each.Limit ? "full" : "first"} />
            </svg>
          </li>
        ))}
      </ul>
    </Card>
  );
}

function FirstPush({ instance, namespaces }: { instance: Instance; namespaces: number }) {
  const host = domainOf(instance);
  const image = `${host}/${useExampleNamespace(instance.RegistryId)}/busybox:1`;
  return (
    <Card title={t("Push the first image")}>
      <ol className="first-steps">
        {namespaces === 0 && (
          <li>
            <Link to="../namespaces" relative="path">{t("Create a namespace, which images live in")}</Link>
          </li>
        )}
        <li>
          <Link to="../credentials" relative="path">{t("Get a username and password")}</Link>
        </li>
        <li>
          {t("Log in, name the image and push it:")}
          <Command text={`docker login ${host}`} />
          <Command text={`docker tag busybox ${image}`} />
          <Command text={`docker push ${image}`} />
        </li>
      </ol>
    </Card>
  );
}
