// Files shown with their syntax in colours: YAML with the templates of helm in it, JSON, and differences.
import { Copy } from "./copy";

type Kind = "comment" | "key" | "text" | "number" | "template" | "";

const YAML = /(\{\{[\s\S]*?\}\})|(^\s*#.*$|\s#.*$)|(^[ \t]*(?:-[ \t]+)?["']?[\w./$@-]+["']?(?=:(?:\s|$)))|("(?:[^"\\\n]|\\.)*"|'[^'\n]*')|(\b(?:true|false|null|\d+(?:\.\d+)?)\b)/gm;
const NAMES: Kind[] = ["template", "comment", "key", "text", "number"];

/** The text in pieces, each with what it is. */
export function pieces(text: string): { kind: Kind; text: string }[] {
  const found: { kind: Kind; text: string }[] = [];
  let last = 0;
  for (const match of text.matchAll(YAML)) {
    if (match.index > last) found.push({ kind: "", text: text.slice(last, match.index) });
    found.push({ kind: NAMES[match.slice(1).findIndex((each) => each !== undefined)], text: match[0] });
    last = match.index + match[0].length;
  }
  if (last < text.length) found.push({ kind: "", text: text.slice(last) });
  return found;
}

export function Code({ text, plain }: { text: string; plain?: boolean }) {
  return (
    <div className="command code">
      <pre tabIndex={0} translate="no">
        {plain ? text : pieces(text).map((each, place) => (each.kind ? <span key={place} className={`code-${each.kind}`}>{each.text}</span> : each.text))}
      </pre>
      <Copy text={text} />
    </div>
  );
}

/** A difference as `diff -u` writes it. */
export function Difference({ text }: { text: string }) {
  const kinds: Record<string, string> = { "+": "added", "-": "removed", "@": "place" };
  return (
    <pre className="difference" tabIndex={0} translate="no">
      {text.replace(/\n$/, "").split("\n").map((line, place) => (
        <span key={place} className={/^(---|\+\+\+) /.test(line) ? "place" : (kinds[line[0]] ?? "")}>{line || " "}{"\n"}</span>
      ))}
    </pre>
  );
}
