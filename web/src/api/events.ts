// What happens in an instance, as it happens. The stream is read with fetch, which can send headers and be ended, and
// it is taken up again where it broke off.
import { headers } from "./attention";
import { noteSignedOut } from "./client";

const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 30_000;
// The server says something each five seconds.
const SILENCE = 30_000;

export interface Happened {
  Id: number;
  Kind: string;
  Repository: string;
  NamespaceName: string;
  Tags: string[];
  User: string;
  Time: string;
}

/** Calls the function with each event of the instance until the returned function is called. */
export function follow(registryId: string, tell: (event: Happened) => void): () => void {
  const ending = new AbortController();
  void listen(registryId, tell, ending.signal);
  return () => ending.abort();
}

async function listen(registryId: string, tell: (event: Happened) => void, signal: AbortSignal): Promise<void> {
  let last = "";
  let pause = FIRST_PAUSE;
  while (!signal.aborted) {
    try {
      const query = new URLSearchParams({ RegistryId: registryId, ...(last ? { LastEventId: last } : {}) });
      const answer = await fetch(`/api/v1/events?${query}`, { headers: headers(), signal });
      // The login has ended, perhaps while the stream was open: the page to sign in is shown, and there is no more to hear.
      if (answer.status === 401) return noteSignedOut();
      if (answer.ok && answer.body) {
        pause = FIRST_PAUSE;
        for await (const event of messages(answer.body)) {
          last = String(event.Id);
          tell(event);
        }
      }
    } catch {
      if (signal.aborted) return;
    }
    await new Promise((wake) => setTimeout(wake, pause));
    pause = Math.min(pause * 2, LONGEST_PAUSE);
  }
}

/** The next piece of the stream; rejects when not even a sign of life has come for long, as after the machine slept. */
async function next(reader: ReadableStreamDefaultReader<string>): Promise<ReadableStreamReadResult<string>> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<never>((_, reject) => (timer = setTimeout(() => reject(new Error("silence")), SILENCE)));
  try {
    return await Promise.race([reader.read(), silence]);
  } finally {
    clearTimeout(timer);
  }
}

async function* messages(body: ReadableStream<Uint8Array>): AsyncGenerator<Happened> {
  const reader = body.pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>).getReader();
  let text = "";
  try {
    for (;;) {
      const { value, done } = await next(reader);
      if (done) return;
      text += value;
      const parts = text.split("\n\n");
      text = parts.pop() ?? "";
      for (const part of parts) {
        const data = part.split("\n").find((line) => line.startsWith("data: "));
        if (data && part.includes("\nevent: ") && !part.includes("event: refused")) yield JSON.parse(data.slice(6)) as Happened;
      }
    }
  } finally {
    void reader.cancel().catch(() => undefined);
  }
}
