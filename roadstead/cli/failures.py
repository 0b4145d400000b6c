"""The line with which a command fails, for people or for scripts."""

from __future__ import annotations

import msgspec

from roadstead.errors import AppError


def failure(error: AppError, *, as_json: bool) -> str:
    """The line with which a command fails; of a server's refusal it names the request."""
    told = {
        name if name[:1].isupper() else "".join(part.capitalize() for part in name.split("_")): value
        for name, value in (error.detail or {}).items()
    }
    if as_json:
        kept = {name: value for name, value in told.items() if name not in {"Title", "Status"}}
        return msgspec.json.encode({"Code": error.cloud, "Message": error.message, **kept}).decode()
    request = f" (request {told['RequestId']})" if "RequestId" in told else ""
    return f"roadstead: {error.message}{request}"
