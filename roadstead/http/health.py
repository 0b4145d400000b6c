"""/healthz: 200 while this process can read its database."""

from __future__ import annotations

import msgspec
from starlette.types import Scope, Send

from roadstead.metadata.accounts import owner
from roadstead.services.context import Context


async def serve(ctx: Context, scope: Scope, send: Send) -> None:
    """The health has been told; a database that does not answer makes it an error, which the server turns to 500."""
    async with ctx.database.read() as tx:
        ready = await owner(tx) is not None
    body = msgspec.json.encode({"status": "ok" if ready else "starting"})
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200 if ready else 503, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
