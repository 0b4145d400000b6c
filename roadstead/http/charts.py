"""Chart repositories: `/chartrepo/FOLDER/…` for helm, `/api/chartrepo/FOLDER/…` for its push plugin and for scripts.

A folder is a namespace, or a path in one. Addresses and answers are those of ChartMuseum as Harbor serves it, which
helm 2 to 4 and the plugin helm-push work with: an index in YAML, archives beside it, errors as `{"error": …}`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from roadstead.domain import charts as rules
from roadstead.domain.charts import Chart, Metadata
from roadstead.domain.policy import Action
from roadstead.domain.versions import Version
from roadstead.errors import AppError, ChartInvalid, ChartTooLarge, MethodUnsupported
from roadstead.http.bodies import read_small
from roadstead.http.caller import present
from roadstead.http.errors import render_chart, unknown_path
from roadstead.http.exchange import JSON, Exchange
from roadstead.http.layers import send_blob
from roadstead.http.multipart import form
from roadstead.metadata.charts import ChartVersion
from roadstead.services import chart_details, chart_repositories
from roadstead.services.chart_repositories import Folder
from roadstead.services.credentials import present_bearer

PATHS = ("/chartrepo/", "/api/chartrepo/")
_REPOSITORY, _API = PATHS
# helm-push told of the context path /chartrepo asks here.
_CONTEXT = "/chartrepo/api/"
_YAML: tuple[bytes, bytes] = (b"content-type", b"application/x-yaml")
_FORM = "multipart/form-data"
# What stands in a form beside archive and provenance file.
_AROUND = 64 << 10


@dataclass(frozen=True, slots=True)
class Address:
    """What a path means: the kind of thing, the folder as written, and what in it."""

    kind: str
    folder: str
    name: str = ""
    version: str = ""


def match(method: str, path: str) -> Address | None:
    """What the path means; None when it means nothing."""
    if "\0" in path:
        return None
    if path.startswith(_API):
        return _match_api(method, path.removeprefix(_API))
    if path.startswith(_CONTEXT) and method in {"POST", "DELETE"}:
        return _match_api(method, path.removeprefix(_CONTEXT))
    folder, _, last = path.removeprefix(_REPOSITORY).rpartition("/")
    if last == "index.yaml" and folder:
        return Address("index", folder)
    if folder.endswith("/charts") and last:
        return Address("file", folder.removesuffix("/charts"), last)
    return None


def _match_api(method: str, rest: str) -> Address | None:
    if rest == "health":
        return Address("health", "")
    parts = rest.removesuffix("/").split("/")
    if method == "POST":
        kind = {"charts": "charts", "prov": "provenance"}.get(parts[-1])
        return Address(kind, "/".join(parts[:-1])) if kind and len(parts) > 1 else None
    # A folder may itself be named charts: the shortest one that leaves a name and a version at most is meant.
    for place, part in enumerate(parts):
        if part == "charts" and place > 0 and len(parts) - place <= 3:
            name, version = [*parts[place + 1 :], "", ""][:2]
            kind = "version" if version else "chart" if name else "charts"
            return Address(kind, "/".join(parts[:place]), name, version)
    return None


async def serve(exchange: Exchange) -> None:
    """The request has been answered, if need be with the condition it met."""
    address = match(exchange.method, exchange.path)
    try:
        if address is None:
            raise unknown_path(exchange.path)
        await _present(exchange, address)
        exchange.asked = _asked(exchange, address)
        handler = _HANDLERS.get((address.kind, "GET" if exchange.method == "HEAD" else exchange.method))
        if handler is None:
            allowed = ", ".join(method for kind, method in _HANDLERS if kind == address.kind)
            raise MethodUnsupported(
                f"{exchange.method} is not possible here; {allowed} are", detail={"allow": allowed}
            )
        await handler(exchange, address)
    except AppError as error:
        if exchange.started:
            raise
        await render_chart(exchange, error)


async def _present(exchange: Exchange, address: Address) -> None:
    """Who asks is known. A download's address may carry a token that was made for it (DescribeChartDownloadInfo)."""
    token = exchange.query().get("token", [""])[0] if address.kind == "file" else ""
    if token and not exchange.header(b"authorization"):
        issuer = exchange.instance.row.registry_id
        exchange.presented = await present_bearer(exchange.ctx, issuer, token, exchange.origin)
    else:
        exchange.presented = await present(exchange)


def _asked(exchange: Exchange, address: Address) -> tuple[str, str]:
    """The action and the resource that the request is about."""
    action = {"POST": Action.CHART_PUSH, "DELETE": Action.CHART_DELETE}.get(exchange.method, Action.CHART_PULL)
    what = address.name or "*"
    return str(action), f"repository/{exchange.instance.row.registry_id}/{address.folder}/{what}"


async def _health(exchange: Exchange, _address: Address) -> None:
    await _json(exchange, 200, {"healthy": True})


async def _json(exchange: Exchange, status: int, body: Any) -> None:
    await exchange.answer(status, [JSON], msgspec.json.encode(body))


async def _index(exchange: Exchange, address: Address) -> None:
    """https://helm.sh/docs/topics/chart_repository/#the-index-file"""
    document = await chart_repositories.index(exchange.ctx, exchange.asker, Folder.parse(address.folder))
    packed = _takes_gzip(exchange.header(b"accept-encoding"))
    tag = f'"{document.etag}{"-gzip" if packed else ""}"'.encode()
    headers = [_YAML, (b"etag", tag), (b"vary", b"Accept-Encoding, Authorization"), (b"cache-control", b"no-cache")]
    known = exchange.header(b"if-none-match")
    if known and _matches(known, document.etag):
        await exchange.answer(304, headers)
        return
    if packed:
        headers.append((b"content-encoding", b"gzip"))
    await exchange.answer(200, headers, document.packed if packed else document.plain)


def _takes_gzip(header: str) -> bool:
    """Whether an Accept-Encoding header names gzip and does not refuse it (RFC 9110 section 12.5.3)."""
    for part in header.lower().split(","):
        coding, _, quality = part.strip().partition(";")
        if coding.strip() in {"gzip", "*"}:
            return quality.replace(" ", "").rstrip("0").rstrip(".") != "q="
    return False


def _matches(header: str, etag: str) -> bool:
    tags = [part.strip().removeprefix("W/").strip('"').removesuffix("-gzip") for part in header.split(",")]
    return "*" in tags or etag in tags


async def _file(exchange: Exchange, address: Address) -> None:
    found = await chart_repositories.download(
        exchange.ctx, exchange.asker, Folder.parse(address.folder), address.name, counted=exchange.method == "GET"
    )
    digest = str(found.found.blob.digest).encode()
    media_type = b"application/gzip" if address.name.endswith(".tgz") else b"application/pgp-signature"
    headers = [
        (b"content-type", media_type),
        (b"etag", b'"' + digest + b'"'),
        (b"accept-ranges", b"bytes"),
        # The same name may stand for other bytes tomorrow, when an upload is forced.
        (b"cache-control", b"no-cache"),
    ]
    if exchange.method == "HEAD":
        await exchange.answer(200, headers, length=found.found.blob.size)
    else:
        await send_blob(exchange, found.found, headers)


async def _list(exchange: Exchange, address: Address) -> None:
    rows = await chart_repositories.listed(exchange.ctx, exchange.asker, Folder.parse(address.folder))
    found = []
    for row in rows:
        metadata = msgspec.json.decode(row.newest.description, type=Metadata)
        found.append(
            {
                "name": row.newest.name,
                "total_versions": row.versions,
                "latest_version": row.newest.version,
                "created": row.created_at,
                "updated": row.updated_at,
                "icon": metadata.icon,
                "home": metadata.home,
                "deprecated": metadata.deprecated,
            }
        )
    await _json(exchange, 200, found)


async def _chart(exchange: Exchange, address: Address) -> None:
    rows = await chart_repositories.versions(exchange.ctx, exchange.asker, Folder.parse(address.folder), address.name)
    await _json(exchange, 200, [_entry(row) for row in rows])


def _entry(row: ChartVersion) -> msgspec.Raw:
    """The version as the index has it."""
    chart = Chart(msgspec.json.decode(row.description, type=Metadata), Version.parse(row.version))
    created = row.created_at.isoformat().replace("+00:00", "Z")
    return msgspec.Raw(rules.index_line(chart, row.archive_digest, created))


async def _version(exchange: Exchange, address: Address) -> None:
    folder = Folder.parse(address.folder)
    rows = await chart_repositories.versions(exchange.ctx, exchange.asker, folder, address.name, address.version)
    archive = await chart_repositories.archive_of(exchange.ctx, exchange.asker, folder, rows[0])
    contents = await asyncio.to_thread(chart_details.contents, exchange.ctx, archive, rules.is_shown)
    metadata = msgspec.json.decode(rows[0].description, type=Metadata)
    file = f"charts/{rows[0].file}.prov"
    answer = {
        "metadata": _entry(rows[0]),
        "dependencies": metadata.dependencies,
        "values": rules.flattened(contents.values),
        "files": {path: contents.text(path) for path, each in contents.files.items() if each.content is not None},
        "security": {"signature": {"signed": rows[0].provenance_digest is not None, "prov_file": file}},
    }
    await _json(exchange, 200, answer)


async def _upload(exchange: Exchange, address: Address) -> None:
    folder = Folder.parse(address.folder)
    await chart_repositories.admit_upload(exchange.ctx, exchange.asker, folder)
    fields = await _body(exchange, "chart")
    chart, provenance, force = fields.get("chart"), fields.get("prov"), "force" in exchange.query()
    if chart:
        await chart_repositories.upload(exchange.ctx, exchange.asker, folder, chart, provenance or None, force=force)
    elif provenance:
        await chart_repositories.upload_provenance(exchange.ctx, exchange.asker, folder, provenance)
    else:
        raise ChartInvalid("no package or provenance file found in form fields chart and prov")
    await _json(exchange, 201, {"saved": True})


async def _upload_provenance(exchange: Exchange, address: Address) -> None:
    folder = Folder.parse(address.folder)
    await chart_repositories.admit_upload(exchange.ctx, exchange.asker, folder)
    provenance = (await _body(exchange, "prov")).get("prov", b"")
    await chart_repositories.upload_provenance(exchange.ctx, exchange.asker, folder, provenance)
    await _json(exchange, 201, {"saved": True})


async def _body(exchange: Exchange, field: str) -> dict[str, bytes]:
    """The fields of the form that was sent; a body that is no form is that field."""
    most = exchange.ctx.settings.charts.archive_bytes

    def too_large() -> ChartTooLarge:
        return ChartTooLarge(f"a chart may have {most} bytes here (setting charts.archive_bytes)")

    limit = most + rules.LARGEST_PROVENANCE + _AROUND
    body = await read_small(exchange.scope, exchange.receive, limit, too_large)
    content_type = exchange.header(b"content-type")
    fields = form(content_type, body) if content_type.lower().startswith(_FORM) else {field: body}
    if len(fields.get("chart", b"")) > most:
        raise too_large()
    if len(fields.get("prov", b"")) > rules.LARGEST_PROVENANCE:
        raise ChartTooLarge(f"a provenance file may have {rules.LARGEST_PROVENANCE} bytes")
    return fields


async def _delete(exchange: Exchange, address: Address) -> None:
    await chart_repositories.remove(
        exchange.ctx, exchange.asker, Folder.parse(address.folder), address.name, address.version
    )
    await _json(exchange, 200, {"deleted": True})


Handler = Callable[[Exchange, Address], Awaitable[None]]

_HANDLERS: dict[tuple[str, str], Handler] = {
    ("health", "GET"): _health,
    ("index", "GET"): _index,
    ("file", "GET"): _file,
    ("charts", "GET"): _list,
    ("charts", "POST"): _upload,
    ("provenance", "POST"): _upload_provenance,
    ("chart", "GET"): _chart,
    ("chart", "DELETE"): _delete,
    ("version", "GET"): _version,
    ("version", "DELETE"): _delete,
}
