// A time as people say it, with the exact one for whoever points at it.
import { ago, time } from "./shown";

export function When({ at, className = "" }: { at: string | null | undefined; className?: string }) {
  if (!at) return <>—</>;
  return <time className={`nowrap ${className}`} dateTime={at} title={time(at)}>{ago(at)}</time>;
}
