"""Requests of the cloud's API, signed as its description has it: independent of the code that checks them."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime
from typing import Any

import httpx2

from roadstead.services.context import Context
from tests.factories.asgi import HOST
from tests.factories.contexts import initial_credentials

VERSIONS = {"tcr": "2019-09-24", "cam": "2019-01-16", "sts": "2018-08-13", "tag": "2018-08-13"}


def tc3_header(
    secret_id: str, secret_key: str, at: datetime, body: bytes, *, host: str = HOST, service: str = "tcr"
) -> str:
    """The Authorization header for a POST of JSON."""
    date = at.astimezone(UTC).strftime("%Y-%m-%d")
    lines = f"content-type:application/json\nhost:{host}\n"
    canonical = f"POST\n/\n\n{lines}\ncontent-type;host\n{hashlib.sha256(body).hexdigest()}"
    scope = f"{date}/{service}/tc3_request"
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    key = b"TC3" + secret_key.encode()
    for part in (date, service, "tc3_request", f"TC3-HMAC-SHA256\n{int(at.timestamp())}\n{scope}\n{hashed}"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return f"TC3-HMAC-SHA256 Credential={secret_id}/{scope}, SignedHeaders=content-type;host, Signature={key.hex()}"


def signed_headers(
    secret_id: str, secret_key: str, at: datetime, body: bytes, action: str, *, host: str = HOST, service: str = "tcr"
) -> dict[str, str]:
    """The headers of a call of the action."""
    return {
        "host": host,
        "content-type": "application/json",
        "x-tc-action": action,
        "x-tc-version": VERSIONS[service],
        "x-tc-timestamp": str(int(at.timestamp())),
        "authorization": tc3_header(secret_id, secret_key, at, body, host=host, service=service),
    }


async def owner_calls(
    ctx: Context, client: httpx2.AsyncClient, action: str, body: bytes, *, service: str = "tcr", **headers: str
) -> dict[str, Any]:
    """What the owner is answered, signed now; `headers` come on top, with underscores for hyphens."""
    made = initial_credentials(ctx)
    sent = signed_headers(made.secret_id, made.secret_key, ctx.clock(), body, action, service=service)
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    answer = await client.post("/", content=body, headers=sent)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    found: dict[str, Any] = answer.json()["Response"]
    assert found["RequestId"] == answer.headers["x-request-id"]
    return found
