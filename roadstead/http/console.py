"""The console at /console/: the files that `web/build_console.py` has made, and its one page for all other paths.

The page is the same for every address of the console; which view it shows is decided in the browser. Nothing in
it is written per request, so no page can carry what somebody else has typed. The content security policy lets the
browser run and load what this server hands out and nothing else: no inline script, no other host.
"""

from __future__ import annotations

import hashlib
import mimetypes
from pathlib import Path

import roadstead
from roadstead.errors import MethodUnsupported, NotFound
from roadstead.http.exchange import Exchange, Headers

PATH = "/console"
FOLDER = Path(roadstead.__file__).parent / "console"
_ASSETS = f"{PATH}/assets/"
# React and the design system set single properties of elements, which the policy allows; no element has a style
# attribute in HTML. `data:` is for small pictures in the design system's style sheet.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS: Headers = [
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
    (b"vary", b"accept-encoding"),
]
# The names of files below assets/ hold their digest, so what a browser has is right for ever.
_FOR_EVER = (b"cache-control", b"public, max-age=31536000, immutable")
_ASK_AGAIN = (b"cache-control", b"no-cache")
_MISSING = b"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Roadstead: the console is not built</title></head>
<body><h1>The console is not built</h1>
<p>This server works: registry, API and command line. Only the files of its web console are missing, because they were
left out when it was installed (<code>ROADSTEAD_CONSOLE=0</code>) or could not be built then.</p>
<p>To build them, run in Roadstead's folder, with access to the registry of npm:</p>
<pre>make console</pre>
<p>and load this page again. Node is not needed on the machine: it comes as a Python package.</p>
</body></html>
"""


async def serve(exchange: Exchange) -> None:
    """The file or the page has been sent; raises NotFound for an asset that there is not."""
    if exchange.method not in {"GET", "HEAD"}:
        raise MethodUnsupported("this is only read", detail={"allow": "GET, HEAD"})
    if exchange.path == PATH:
        await exchange.answer(308, [(b"location", f"{PATH}/".encode())])
    elif exchange.path.startswith(_ASSETS):
        await _send(exchange, _asset(exchange.path.removeprefix(_ASSETS)), _FOR_EVER)
    elif (FOLDER / "index.html").exists():
        await _send(exchange, FOLDER / "index.html", _ASK_AGAIN)
    else:
        kind = (b"content-type", b"text/html; charset=utf-8")
        await exchange.answer(200, [kind, (b"cache-control", b"no-store"), *_HEADERS], _MISSING)


def _asset(name: str) -> Path:
    """The file of that name; there are no folders below assets/, and no name leads out of it."""
    found = FOLDER / "assets" / name
    if found.parent != FOLDER / "assets" or name.startswith(".") or name.endswith(".gz") or not found.is_file():
        raise NotFound(f"the console has no file {name[:100]!r}; load the page again")
    return found


async def _send(exchange: Exchange, path: Path, lasting: tuple[bytes, bytes]) -> None:
    """The file has been sent, compressed where the browser takes that, or the word that its own is still right."""
    packed = path.with_name(f"{path.name}.gz")
    wanted = "gzip" in exchange.header(b"accept-encoding") and packed.exists()
    body = (packed if wanted else path).read_bytes()
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = [(b"etag", tag.encode()), lasting, *_HEADERS]
    known = {each.strip().removeprefix("W/") for each in exchange.header(b"if-none-match").split(",")}
    if tag in known:
        await exchange.answer(304, headers)
        return
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    text = "; charset=utf-8" if kind.startswith("text/") else ""
    headers.append((b"content-type", f"{kind}{text}".encode()))
    if wanted:
        headers.append((b"content-encoding", b"gzip"))
    await exchange.answer(200, headers, body)
