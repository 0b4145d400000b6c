// One event in words: who did what to which image, and when.
import { Link } from "react-router";
import type { Schemas } from "../api/client";
import { shortDigest } from "./shown";
import { t, type Text } from "./words";
import { When } from "./when";

/** What somebody has done, in a sentence. */
const DONE: Record<string, Text> = {
  pushImage: "pushed",
  pullImage: "pulled",
  deleteImage: "deleted",
  uploadChart: "pushed the chart",
  downloadChart: "pulled the chart",
  deleteChart: "deleted the chart",
  createRepository: "created",
  createNamespace: "created",
};

/** What has happened, by itself. */
export const KINDS: Record<string, Text> = {
  pushImage: "Image pushed",
  pullImage: "Image pulled",
  deleteImage: "Image deleted",
  uploadChart: "Chart pushed",
  downloadChart: "Chart pulled",
  deleteChart: "Chart deleted",
  createRepository: "Repository created",
  createNamespace: "Namespace created",
};
export const kindOf = (kind: string): string => (KINDS[kind] ? t(KINDS[kind]) : kind);

/** Who did it: the account's name, which says more than its number. */
export function Doer({ by }: { by: { User: string; UserName?: string } }) {
  if (by.User === "anonymous") return <>{t("somebody")}</>;
  return by.UserName ? <span title={by.User}>{by.UserName}</span> : <code>{by.User}</code>;
}

type Event = Schemas["LoggedEvent"];

export function EventLine({ event, instance }: { event: Event; instance: string }) {
  return (
    <span className="event-line">
      <span className={`dot dot-${event.Kind}`} aria-hidden="true" />
      <span>
        <Doer by={event} /> {DONE[event.Kind] ? t(DONE[event.Kind]) : event.Kind}{" "}
        <Subject event={event} instance={instance} />
      </span>
      <When at={event.Time} className="muted" />
    </span>
  );
}

export function Subject({ event, instance }: { event: Event; instance: string }) {
  if (!event.Repository) return <Link to={`/i/${instance}/repositories?namespace=${event.NamespaceName}`}>{event.NamespaceName}</Link>;
  const [first, ...others] = event.Tags;
  const chart = event.Kind.endsWith("Chart");
  const named = first ? `:${first}` : event.Digest ? `@${shortDigest(event.Digest)}` : "";
  return (
    <>
      <Link to={`/i/${instance}/${chart ? "charts" : "repositories"}/${event.Repository}`} className="wrap">{event.Repository + named}</Link>
      {others.length > 0 && ` +${others.length}`}
    </>
  );
}
