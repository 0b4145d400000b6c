"""The door of the cloud's API at /: every operation as clients written for TCR ask for it.

The action is named by the header X-TC-Action, or by the parameter Action in the older form; parameters come as JSON
or flattened. Every answer is `{"Response": {…, "RequestId": …}}` with status 200 and the content type
`application/json` with no parameter: the cloud's SDKs take an error with another content type for a success.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
from starlette.types import Scope

from roadstead.domain.identity import CredentialKind, Presented
from roadstead.domain.signature import (
    COMMON_PARAMETERS,
    Signature,
    SignedRequest,
    read_header_signature,
    read_parameter_signature,
)
from roadstead.errors import (
    InvalidInput,
    MethodUnsupported,
    ParameterMissing,
    RequestTooLarge,
    ServiceUnknown,
    VersionUnknown,
)
from roadstead.http.answers import cloud_answer
from roadstead.http.bodies import read_small
from roadstead.http.caller import signed_request
from roadstead.http.decoding import paged, unflatten, without_nulls
from roadstead.http.exchange import JSON, Exchange, parameters
from roadstead.services.cloud_actions import VERSIONS, find, service_of
from roadstead.services.keys import caller_by_signature
from roadstead.services.operations import run
from roadstead.services.regions import region_meant
from roadstead.services.requests import decode, request_of

_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class _Asked:
    """One request, taken apart."""

    action: str
    version: str
    region: str
    # The session token of a temporary key.
    token: str
    signature: Signature
    parameters: object

    @property
    def service(self) -> str:
        return self.signature.service or service_of(self.action, self.version)


def asked(scope: Scope) -> bool:
    """Whether a request for / is for this door, and not for the page that says what this is."""
    if scope["method"] == "POST" or b"Action=" in scope["query_string"]:
        return True
    return any(name == b"x-tc-action" for name, _ in scope["headers"])


async def serve(exchange: Exchange) -> None:
    """The request has been answered."""
    request = _take_apart(await _read(exchange))
    secret_id = request.signature.secret_id
    exchange.presented = Presented(CredentialKind.API_KEY, secret_id, secret_id)
    caller = await caller_by_signature(exchange.ctx, request.signature, request.token, exchange.origin)
    _check_version(request)
    op = find(request.service, request.action)
    exchange.asked = (op.action, op.resource)
    wanted = paged(request_of(op, without_nulls(request.parameters), lax=True), op.paging)
    exchange.asked = (op.action, op.resource_of(wanted))
    region = region_meant(exchange.ctx, request.region)
    answer = await run(exchange.ctx, caller, op, wanted, region=region)
    body = {"Response": {**cloud_answer(answer, request.service), "RequestId": exchange.origin.request_id}}
    await exchange.answer(200, [JSON], msgspec.json.encode(body))


async def _read(exchange: Exchange) -> SignedRequest:
    """The request as it was sent, which its signature covers; raises RequestTooLarge."""
    if exchange.method not in {"GET", "POST"}:
        raise MethodUnsupported("actions are asked for with GET or POST", detail={"allow": "GET, POST"})
    limit = exchange.ctx.settings.limits.request_body_bytes

    def too_large() -> RequestTooLarge:
        return RequestTooLarge(f"the request may have a body of {limit} bytes")

    body = await read_small(exchange.scope, exchange.receive, limit, too_large)
    return signed_request(exchange, body)


def _take_apart(request: SignedRequest) -> _Asked:
    headers = request.headers
    if "x-tc-action" in headers:
        return _Asked(
            headers["x-tc-action"],
            headers.get("x-tc-version", ""),
            headers.get("x-tc-region", ""),
            headers.get("x-tc-token", ""),
            read_header_signature(request),
            _parameters(request),
        )
    given = _flat(request)
    if "Action" not in given:
        raise ParameterMissing("say which action is meant, with the header X-TC-Action")
    return _Asked(
        given["Action"],
        given.get("Version", ""),
        given.get("Region", ""),
        given.get("Token", ""),
        read_parameter_signature(request, given),
        unflatten({name: value for name, value in given.items() if name not in COMMON_PARAMETERS}),
    )


def _parameters(request: SignedRequest) -> object:
    """The action's parameters in the newer form."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.method == "GET" or kind == _FORM:
        return unflatten(_flat(request))
    if kind != "application/json":
        raise InvalidInput(f"the content type {kind[:80]!r} is not taken; send application/json")
    return decode(request.body)


def _flat(request: SignedRequest) -> dict[str, str]:
    """The parameters of the query or the form; of several of one name the last."""
    text = request.query.encode("latin-1") if request.method == "GET" else request.body
    return {name: values[-1] for name, values in parameters(text).items()}


def _check_version(request: _Asked) -> None:
    if request.service not in VERSIONS:
        raise ServiceUnknown(
            f"the service {request.service[:40]!r} is not offered; these are: {', '.join(sorted(VERSIONS))}"
        )
    if not request.version:
        raise ParameterMissing("say which version of the API is meant, with the header X-TC-Version")
    if request.version != VERSIONS[request.service]:
        raise VersionUnknown(
            f"the service {request.service} has the version {VERSIONS[request.service]}, not {request.version[:20]!r}"
        )
