// The two languages. English texts stand in the pages themselves and are the keys of the Chinese ones, so a text
// without its translation does not compile, and a browser that reads English loads no translations.
import type { fieldNames } from "./fields";
import type { zh as Chinese } from "./zh";

export type Language = "en" | "zh";
export type Text = keyof typeof Chinese;
export type Field = keyof typeof fieldNames;

const KEPT = "roadstead.language";
let language: Language = "en";
let words: Partial<Record<string, string>> = {};
let helps: Partial<Record<string, string>> = {};
let translated: (text: string) => string = (text) => text;
let fields: Partial<Record<string, readonly [string, string]>> = {};

export const currentLanguage = (): Language => language;

/** The language that was chosen here, or else the browser's own. */
function wanted(): Language {
  const kept = localStorage.getItem(KEPT);
  if (kept === "en" || kept === "zh") return kept;
  return navigator.languages.find((each) => /^(zh|en)\b/i.test(each))?.toLowerCase().startsWith("zh") ? "zh" : "en";
}

export async function prepareWords(): Promise<void> {
  language = wanted();
  fields = (await import("./fields")).fieldNames;
  if (language === "zh") {
    const [texts, told, server] = await Promise.all([import("./zh"), import("./helps"), import("./said")]);
    words = texts.zh;
    helps = told.helps;
    translated = server.translated;
  }
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
}

export async function chooseLanguage(chosen: Language): Promise<void> {
  localStorage.setItem(KEPT, chosen);
  await prepareWords();
}

/** The English text of one thing: "{count} tags" is "1 tag", "{count} repositories" is "1 repository". */
const ofOne = (text: string): string => text.replace(/(\{count\} \w{2,}?)(ies|s)\b/, (_, noun: string, end: string) => (end === "ies" ? `${noun}y` : noun));

/** The text in the language that is shown; `{name}` in it becomes the value of that name. */
export function t(text: Text, values?: Record<string, string | number>): string {
  const known = language === "zh" && words[text];
  const found = known || (String(values?.["count"]) === "1" ? ofOne(text) : text);
  return values ? found.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole)) : found;
}

/** What the server says of a refusal or a failure, in the language that is shown where its text is known. */
export const said = (text: string): string => (language === "zh" ? translated(text) : text);

/** How a field of the API is called: `RegistryName` is "Instance name". */
export function fieldLabel(name: string): string {
  const known = fields[name];
  if (known) return known[language === "zh" ? 1 : 0];
  const parted = name.replace(/([a-z0-9])([A-Z])/g, "$1 $2").toLowerCase();
  return parted.charAt(0).toUpperCase() + parted.slice(1);
}

/** What a field is for: in English as the API describes it. */
export function fieldHelp(action: string, name: string, described: string): string {
  return language === "zh" ? (helps[`${action}.${name}`] ?? helps[name] ?? described) : described.replaceAll("`", "");
}
