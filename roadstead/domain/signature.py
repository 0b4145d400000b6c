"""Signatures of the Tencent Cloud API: what a request shows to be signed by, and whether a key has made it.

The newer form, TC3-HMAC-SHA256, stands in the Authorization header and covers the body and the headers that it
names. The older one, HmacSHA1 or HmacSHA256, is one of the request's own parameters and covers all others. Both are
checked against the Host header exactly as it was sent: a client whose endpoint was given with a scheme sends and
signs `Host: http://127.0.0.1:8080`.

Nothing here knows keys or the time; a signature is read first and asked with the key afterwards.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from roadstead.errors import AuthorizationInvalid

TC3 = "TC3-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
# The parameters of the older form that belong to the signing and not to the action.
COMMON_PARAMETERS = frozenset(
    {
        "Action",
        "Version",
        "Region",
        "SecretId",
        "Timestamp",
        "Nonce",
        "SignatureMethod",
        "RequestClient",
        "Language",
        "Token",
        "Signature",
    }
)
_HASHES = {"HmacSHA1": "sha1", "HmacSHA256": "sha256"}
_SECRET_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_NUMBER = re.compile(r"\d{1,20}", re.ASCII)
_SERVICE = re.compile(r"[a-z][a-z0-9]{0,19}")
_MOST_SIGNED_HEADERS = 50


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What of a request a signature can cover: all of it as it was sent."""

    method: str
    # As it was sent, without the question mark.
    query: str
    # By lower-case name.
    headers: Mapping[str, str]
    body: bytes


class Signature(Protocol):
    """Who signed a request, when and for what."""

    @property
    def secret_id(self) -> str:
        """The key's name."""
        ...

    @property
    def service(self) -> str:
        """The service that the signature is for; empty when it says none."""
        ...

    @property
    def timestamp(self) -> int:
        """When it was made, in seconds since 1970."""
        ...

    @property
    def nonce(self) -> str:
        """What makes it unlike every other of its key; empty when it carries none."""
        ...

    def holds(self, secret_key: str) -> bool:
        """Whether it was made with this key over this request."""
        ...


@dataclass(frozen=True, slots=True)
class HeaderSignature:
    """A signature of the newer form."""

    secret_id: str
    service: str
    timestamp: int
    date: str
    signed_headers: tuple[str, ...]
    given: str
    request: SignedRequest
    nonce: str = ""

    def holds(self, secret_key: str) -> bool:
        """Whether it was made with this key over this request."""
        expected = tc3_signature(secret_key, self)
        return hmac.compare_digest(expected.encode(), self.given.encode())


@dataclass(frozen=True, slots=True)
class ParameterSignature:
    """A signature of the older form."""

    secret_id: str
    timestamp: int
    nonce: str
    given: str
    hash_name: str
    source: str
    service: str = ""

    def holds(self, secret_key: str) -> bool:
        """Whether it was made with this key over these parameters."""
        made = hmac.digest(secret_key.encode(), self.source.encode(), self.hash_name)
        return hmac.compare_digest(base64.b64encode(made), self.given.encode())


def read_header_signature(request: SignedRequest) -> HeaderSignature:
    """The signature of the Authorization header; raises AuthorizationInvalid when it is not of the newer form."""
    algorithm, _, rest = request.headers.get("authorization", "").partition(" ")
    if not algorithm:
        raise _invalid("the request is not signed: it has no Authorization header")
    if algorithm != TC3:
        raise _invalid(f"the algorithm is {algorithm[:40]!r}; only {TC3} is known")
    parts = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    secret_id, date, service = _scope(parts.get("Credential", ""))
    timestamp = _number(request.headers.get("x-tc-timestamp", ""), "X-TC-Timestamp")
    if timestamp > _LATEST or datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d") != date:
        raise _invalid("the date of Credential is not the UTC date of X-TC-Timestamp")
    signed = tuple(name.lower() for name in parts.get("SignedHeaders", "").split(";"))
    if not {"content-type", "host"} <= set(signed) or len(signed) > _MOST_SIGNED_HEADERS:
        raise _invalid("SignedHeaders must name content-type and host")
    missing = [name for name in signed if name not in request.headers]
    if missing:
        raise _invalid(f"SignedHeaders names headers that the request does not have: {', '.join(missing)[:200]}")
    return HeaderSignature(secret_id, service, timestamp, date, signed, parts.get("Signature", ""), request)


# The last second of the year 9999, up to which dates can be computed.
_LATEST = 253402300799


def _scope(credential: str) -> tuple[str, str, str]:
    parts = credential.split("/")
    if len(parts) != 4 or parts[3] != "tc3_request":
        raise _invalid("Credential must be SECRET-ID/DATE/SERVICE/tc3_request")
    secret_id, date, service, _ = parts
    if not (_SECRET_ID.fullmatch(secret_id) and _DATE.fullmatch(date) and _SERVICE.fullmatch(service)):
        raise _invalid("Credential must be SECRET-ID/DATE/SERVICE/tc3_request")
    return secret_id, date, service


def _number(text: str, name: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise _invalid(f"{name} must be a whole number")
    return int(text)


def _invalid(reason: str) -> AuthorizationInvalid:
    return AuthorizationInvalid(f"credential: {reason}", detail={"gate": "credential"})


def tc3_signature(secret_key: str, signature: HeaderSignature) -> str:
    """What the signature must be when this key made it (Tencent Cloud API 3.0, signature method v3)."""
    request = signature.request
    content = request.body
    if request.headers.get("x-tc-content-sha256") == UNSIGNED:
        content = UNSIGNED.encode()
    lines = "".join(f"{name}:{_signed_value(name, request)}\n" for name in signature.signed_headers)
    # Whatever path the endpoint was given with, clients sign `/`.
    canonical = "\n".join(
        (
            request.method,
            "/",
            request.query if request.method == "GET" else "",
            lines,
            ";".join(signature.signed_headers),
            hashlib.sha256(content).hexdigest(),
        )
    )
    scope = f"{signature.date}/{signature.service}/tc3_request"
    hashed = hashlib.sha256(_bytes(canonical)).hexdigest()
    text = "\n".join((TC3, str(signature.timestamp), scope, hashed))
    key = f"TC3{secret_key}".encode()
    for part in (signature.date, signature.service, "tc3_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()


def _signed_value(name: str, request: SignedRequest) -> str:
    """The header as it is signed: content-type and host as they are, others in lower case."""
    value = request.headers[name].strip()
    return value if name in {"content-type", "host"} else value.lower()


def _bytes(text: str) -> bytes:
    """The bytes that were sent: headers and query were read one byte to a character."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode()


def read_parameter_signature(request: SignedRequest, parameters: Mapping[str, str]) -> ParameterSignature:
    """The signature among the parameters; raises AuthorizationInvalid when it is not of the older form."""
    method = parameters.get("SignatureMethod", "HmacSHA1")
    if method not in _HASHES:
        raise _invalid(f"the signature method is {method[:40]!r}; known are HmacSHA1 and HmacSHA256")
    secret_id = parameters.get("SecretId", "")
    if not _SECRET_ID.fullmatch(secret_id):
        raise _invalid("SecretId must be letters and digits")
    nonce = parameters.get("Nonce", "")
    _number(nonce, "Nonce")
    return ParameterSignature(
        secret_id,
        _number(parameters.get("Timestamp", ""), "Timestamp"),
        nonce,
        parameters.get("Signature", ""),
        _HASHES[method],
        parameter_source(request.method, request.headers.get("host", ""), parameters),
    )


def parameter_source(method: str, host: str, parameters: Mapping[str, str]) -> str:
    """The text that the older form signs: method, host and all parameters but the signature, by name, not encoded."""
    pairs = sorted((name.replace("_", "."), value) for name, value in parameters.items() if name != "Signature")
    return f"{method}{host}/?" + "&".join(f"{name}={value}" for name, value in pairs)
