// Short messages that come and go by themselves, and are read out by screen readers.
import { useSyncExternalStore } from "react";

interface Message {
  id: number;
  text: string;
  kind: "done" | "error";
}

let messages: Message[] = [];
let count = 0;
const listeners = new Set<() => void>();

function show(next: Message[]): void {
  messages = next;
  listeners.forEach((listener) => listener());
}

export function announce(text: string, kind: Message["kind"] = "done"): void {
  const message = { id: ++count, text, kind };
  show([...messages.slice(-2), message]);
  setTimeout(() => show(messages.filter((each) => each !== message)), 4000);
}

function listen(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function Toasts() {
  const shown = useSyncExternalStore(listen, () => messages);
  return (
    <div className="toasts" role="status" aria-live="polite">
      {shown.map((each) => (
        <div key={each.id} className={`toast toast-${each.kind}`}>
          {each.text}
        </div>
      ))}
    </div>
  );
}
