"""The registry protocol under /v2/ (OCI distribution-spec 1.1): which address means what, and who answers.

One small matcher takes the path apart from its end, because repository names may hold the words of the protocol
themselves (`prod/manifests/app` is a name). The handlers parse, call one service function and shape the answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec

from roadstead.domain.identity import CredentialKind
from roadstead.domain.policy import Action
from roadstead.domain.reference import RepositoryName
from roadstead.errors import AppError, InvalidInput, LoginNeeded, MethodUnsupported, NameInvalid
from roadstead.http import images, layers
from roadstead.http.caller import present
from roadstead.http.errors import render_oci, unknown_path
from roadstead.http.exchange import JSON, Exchange
from roadstead.http.paging import next_link, page_query
from roadstead.services import repositories
from roadstead.services.access import admit, admit_client

Handler = Callable[[Exchange, RepositoryName, str], Awaitable[None]]

_HANDLERS: dict[tuple[str, str], Handler] = {
    ("manifests", "GET"): images.get_manifest,
    ("manifests", "HEAD"): images.head_manifest,
    ("manifests", "PUT"): images.put_manifest,
    ("manifests", "DELETE"): images.delete_manifest,
    ("tags", "GET"): images.list_tags,
    ("referrers", "GET"): images.list_referrers,
    ("blobs", "GET"): layers.get_blob,
    ("blobs", "HEAD"): layers.head_blob,
    ("blobs", "DELETE"): layers.delete_blob,
    ("uploads", "POST"): layers.begin_upload,
    ("upload", "GET"): layers.upload_status,
    ("upload", "HEAD"): layers.upload_status,
    ("upload", "PATCH"): layers.append_chunk,
    ("upload", "PUT"): layers.finish_upload,
    ("upload", "DELETE"): layers.cancel_upload,
}
_SCOPE_WORDS = {"GET": "pull", "HEAD": "pull", "DELETE": "delete"}


@dataclass(frozen=True, slots=True)
class Address:
    """What a path under /v2/ means: the kind of thing, the repository as written, and the rest."""

    kind: str
    repository: str
    rest: str


def match(path: str) -> Address | None:
    """What the path means; None when it means nothing."""
    if "\0" in path:
        return None
    rest = path[4:]
    if not rest:
        return Address("ping", "", "")
    if rest == "_catalog":
        return Address("catalog", "", "")
    parts = rest.rsplit("/", 2)
    if len(parts) != 3 or not parts[0]:
        return None
    head, word, last = parts
    if word == "uploads" and head.endswith("/blobs"):
        return Address("upload" if last else "uploads", head[:-6], last)
    if word == "blobs" and last == "uploads":
        return Address("uploads", head, "")
    if word in {"manifests", "blobs", "referrers"} and last:
        return Address(word, head, last)
    if word == "tags" and last == "list":
        return Address("tags", head, "")
    return None


async def serve(exchange: Exchange) -> None:
    """The request under /v2/ has been answered, if need be with the condition it met."""
    address = match(exchange.path if exchange.path != "/v2" else "/v2/")
    try:
        if address is None:
            raise unknown_path(exchange.path)
        exchange.presented = await present(exchange)
        await _dispatch(exchange, address)
    except AppError as error:
        if exchange.started:
            raise
        await _refuse(exchange, address, await _or_shut_out(exchange, error))


async def _or_shut_out(exchange: Exchange, error: AppError) -> AppError:
    """The condition, or that the client is shut out by now: it may have been met before the network was asked."""
    try:
        await admit_client(exchange.ctx, exchange.instance, exchange.origin, current=True)
    except AppError as shut_out:
        return shut_out
    return error


async def refuse(exchange: Exchange, error: AppError) -> None:
    """The request under /v2/ has been answered with the condition that it met before this door."""
    await _refuse(exchange, match(exchange.path), error)


async def _refuse(exchange: Exchange, address: Address | None, error: AppError) -> None:
    exchange.asked = _asked(exchange, address)
    await render_oci(exchange, error, scope=_scope(exchange, address))


def _asked(exchange: Exchange, address: Address | None) -> tuple[str, str]:
    """The action and the resource that the request is about."""
    if address is None or address.kind == "ping":
        return exchange.asked
    place = f"repository/{exchange.instance.row.registry_id}"
    if address.kind == "catalog":
        return Action.LIST, f"{place}/*"
    action = Action.PUSH
    if exchange.method in {"GET", "HEAD"} and address.kind != "upload":
        action = Action.PULL
    elif exchange.method == "DELETE" and address.kind != "upload":
        action = Action.DELETE
    return action, f"{place}/{address.repository}"


async def _dispatch(exchange: Exchange, address: Address) -> None:
    if address.kind == "ping":
        await _ping(exchange)
    elif address.kind == "catalog":
        await _catalog(exchange)
    else:
        handler = _HANDLERS.get((address.kind, exchange.method))
        if handler is None:
            allowed = ", ".join(method for kind, method in _HANDLERS if kind == address.kind)
            raise MethodUnsupported(
                f"{exchange.method} is not possible here; {allowed} are", detail={"allow": allowed}
            )
        await handler(exchange, RepositoryName.parse(address.repository), address.rest)


def _scope(exchange: Exchange, address: Address | None) -> str:
    """The token scope that the request needs."""
    if address is None or address.kind == "ping":
        return ""
    if address.kind == "catalog":
        return "registry:catalog:*"
    if address.kind in {"upload", "uploads"}:
        return " ".join([*_repository_scope(address.repository, "pull,push"), *_scopes_of_sources(exchange)])
    # A HEAD of a blob is a push's first question, and some clients keep the first token that they get.
    words = "pull,push" if (address.kind, exchange.method) == ("blobs", "HEAD") else _SCOPE_WORDS.get(exchange.method)
    return " ".join(_repository_scope(address.repository, words or "pull,push"))


def _scopes_of_sources(exchange: Exchange) -> list[str]:
    """A mount reads its source, which a token must cover too."""
    try:
        sources = exchange.query().get("from", [])
    except InvalidInput:  # which is what the request is refused for
        return []
    return [scope for source in sources for scope in _repository_scope(source, "pull")]


def _repository_scope(repository: str, words: str) -> list[str]:
    """The scope of a repository; none for a text that is no name, which has no business in a header."""
    try:
        return [f"repository:{RepositoryName.parse(repository)}:{words}"]
    except NameInvalid:
        return []


async def _ping(exchange: Exchange) -> None:
    """Distribution-spec "Determining Support"; a client without a credential is told where to log in."""
    if exchange.method not in {"GET", "HEAD"}:
        raise MethodUnsupported(f"{exchange.method} is not possible here", detail={"allow": "GET, HEAD"})
    async with exchange.ctx.database.read() as tx:
        admitted = await admit(exchange.ctx, tx, exchange.asker, None, None)
    if admitted.caller.kind is CredentialKind.NONE and admitted.caller.scopes is None:
        raise LoginNeeded("credential: log in with an access credential of this instance")
    await exchange.answer(200, [JSON], b"{}")


async def _catalog(exchange: Exchange) -> None:
    """Docker registry API "Listing Repositories", filtered to what the caller may see."""
    if exchange.method != "GET":
        raise MethodUnsupported(f"{exchange.method} is not possible here", detail={"allow": "GET"})
    page = page_query(exchange)
    names = await repositories.catalog(exchange.ctx, exchange.asker, page.last, page.most + 1 if page.most else 0)
    shown = names[: page.most]
    headers = [JSON]
    if len(names) > page.most:
        headers.append(next_link("/v2/_catalog", n=page.most, last=shown[-1]))
    await exchange.answer(200, headers, msgspec.json.encode({"repositories": shown}))
