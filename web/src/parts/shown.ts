// How numbers, sizes and times are shown.
import { currentLanguage } from "./words";

const locale = (): string => (currentLanguage() === "zh" ? "zh-CN" : "en-GB");
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

export function size(bytes: number): string {
  const step = bytes > 0 ? Math.min(Math.floor(Math.log2(bytes) / 10), UNITS.length - 1) : 0;
  const value = bytes / 1024 ** step;
  return `${new Intl.NumberFormat(locale(), { maximumFractionDigits: step && value < 100 ? 1 : 0 }).format(value)} ${UNITS[step]}`;
}

export const number = (value: number): string => new Intl.NumberFormat(locale()).format(value);

export function time(text: string | null | undefined): string {
  if (!text) return "—";
  return new Intl.DateTimeFormat(locale(), { dateStyle: "medium", timeStyle: "medium" }).format(new Date(text));
}

export function day(text: string): string {
  return new Intl.DateTimeFormat(locale(), { month: "short", day: "numeric", timeZone: "UTC" }).format(new Date(text));
}

const SPANS: [number, Intl.RelativeTimeFormatUnit][] = [
  [60, "second"],
  [3600, "minute"],
  [86_400, "hour"],
  [30 * 86_400, "day"],
  [365 * 86_400, "month"],
  [Infinity, "year"],
];

export function ago(text: string | null | undefined): string {
  if (!text) return "—";
  const seconds = (new Date(text).getTime() - Date.now()) / 1000;
  const place = SPANS.findIndex(([most]) => Math.abs(seconds) < most);
  const one = place ? SPANS[place - 1][0] : 1;
  return new Intl.RelativeTimeFormat(locale(), { numeric: "auto" }).format(Math.round(seconds / one), SPANS[place][1]);
}

/** `sha256:4c16f41d1c0e…` */
export const shortDigest = (digest: string): string => digest.replace(/^(sha\d+:.{12}).*$/, "$1");
