// Whether somebody is at the page. What a page asks for by itself, looking again at what it shows, must not keep a
// login alive that nobody uses, so it says so.
const LATELY = 60_000;
let last = Date.now();

for (const kind of ["pointerdown", "keydown", "wheel", "touchstart", "focus"]) {
  addEventListener(kind, () => (last = Date.now()), { capture: true, passive: true });
}

/** The headers of whatever this page asks: that it is a page, and whether somebody has used it within a minute. */
export function headers(): Record<string, string> {
  // The first tells the server that a page asks: a browser would otherwise open its own window for a key.
  return Date.now() - last < LATELY ? { "X-Requested-With": "console" } : { "X-Requested-With": "console", "X-Unattended": "1" };
}
