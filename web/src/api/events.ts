// What happens in an instance, as it happens. The stream is read with fetch, which can send headers and be ended, and
// it is taken up again where it broke off.
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
  let pause = 1000;
  while (!signal.aborted) {
    try {
      const query = new URLSearchParams({ RegistryId: registryId, ...(last ? { LastEventId: last } : {}) });
      const answer = await fetch(`/api/v1/events?${query}`, { headers: { "X-Requested-With": "console" }, signal });
      if (answer.status === 401 || answer.status === 403) return;
      if (answer.ok && answer.body) {
        pause = 1000;
        for await (const event of messages(answer.body)) {
          last = String(event.Id);
          tell(event);
        }
      }
    } catch {
      if (signal.aborted) return;
    }
    await new Promise((wake) => setTimeout(wake, pause));
    pause = Math.min(pause * 2, 30_000);
  }
}

async function* messages(body: ReadableStream<Uint8Array>): AsyncGenerator<Happened> {
  const reader = body.pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    const parts = text.split("\n\n");
    text = parts.pop() ?? "";
    for (const part of parts) {
      const data = part.split("\n").find((line) => line.startsWith("data: "));
      if (data && part.includes("\nevent: ") && !part.includes("event: refused")) yield JSON.parse(data.slice(6)) as Happened;
    }
  }
}
