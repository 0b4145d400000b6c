// One event in words: who did what to which image, and when.
import { Link } from "react-router";
import type { Schemas } from "../api/client";
import { ago, shortDigest, time } from "./shown";
import { t, type Text } from "./words";

export const KINDS: Record<string, Text> = {
  pushImage: "pushed",
  pullImage: "pulled",
  deleteImage: "deleted",
  uploadChart: "pushed the chart",
  downloadChart: "pulled the chart",
  deleteChart: "deleted the chart",
  createRepository: "created",
  createNamespace: "created",
};

type Event = Schemas["LoggedEvent"];

export function EventLine({ event, instance }: { event: Event; instance: string }) {
  return (
    <span className="event-line">
      <span className={`dot dot-${event.Kind}`} aria-hidden="true" />
      <span>
        <code>{event.User === "anonymous" ? t("somebody") : event.User}</code> {KINDS[event.Kind] ? t(KINDS[event.Kind]) : event.Kind}{" "}
        <Subject event={event} instance={instance} />
      </span>
      <time className="muted nowrap" dateTime={event.Time} title={time(event.Time)}>{ago(event.Time)}</time>
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
