"""What a receiver of a trigger is sent: the documented JSON or a CloudEvent, and the signature of it.

The documented body is Harbor 1.10's, as the cloud sends it: `type`, `occur_at`, `event_data` with `resources` and
`repository`, and `operator`. An image's `resource_url` has no scheme, a chart's has one and no digest; charts carry
no `date_created`, nor does a repository that is gone. As a CloudEvent 1.0 (structured JSON) the same data lies under
`data`, and the CloudEvent's id is that of the event, equal over all deliveries of it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import msgspec

from roadstead.errors import RuleInvalid

Format = Literal["default", "cloudevents"]

IMAGE_KINDS = frozenset({"pushImage", "pullImage", "deleteImage"})
CHART_KINDS = frozenset({"uploadChart", "downloadChart", "deleteChart"})
KINDS = (*sorted(IMAGE_KINDS), *sorted(CHART_KINDS))
CONTENT_TYPES: Mapping[str, str] = {
    "default": "application/json",
    "cloudevents": "application/cloudevents+json",
}
# What a pattern for the operator may name.
OPERATOR_FIELDS = ("uin", "owner_uin", "credential", "address", "door", "request_id")
_FIELD = re.compile(r"\{([^{}]*)\}")
_LONGEST_OPERATOR = 200


@dataclass(frozen=True, slots=True)
class Resource:
    """One tag, digest or chart version that something happened to."""

    tag: str
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Happening:
    """What a body tells."""

    kind: str
    event_id: int
    at: datetime
    registry_id: str
    # HOST[:PORT] of the instance, and how it is reached.
    host: str
    scheme: str
    # The full name, `namespace/name`.
    repository: str
    public: bool
    created_at: datetime | None
    resources: Sequence[Resource]
    operator: str

    @property
    def namespace(self) -> str:
        """The namespace of the repository."""
        return self.repository.partition("/")[0]

    @property
    def name(self) -> str:
        """The repository's name within its namespace."""
        return self.repository.partition("/")[2]


def body(what: Happening, form: Format) -> bytes:
    """The bytes that a receiver is sent."""
    if form == "cloudevents":
        return msgspec.json.encode(_cloud_event(what))
    return msgspec.json.encode(
        {
            "type": what.kind,
            "occur_at": int(what.at.timestamp()),
            "event_data": _event_data(what),
            "operator": what.operator,
        }
    )


def _event_data(what: Happening) -> dict[str, Any]:
    repository: dict[str, Any] = {}
    if what.created_at is not None and what.kind in IMAGE_KINDS:
        repository["date_created"] = int(what.created_at.timestamp())
    repository |= {
        "name": what.name,
        "namespace": what.namespace,
        "repo_full_name": what.repository,
        "repo_type": "public" if what.public else "private",
    }
    describe = _chart if what.kind in CHART_KINDS else _image
    return {"resources": [describe(what, each) for each in what.resources], "repository": repository}


def _image(what: Happening, resource: Resource) -> dict[str, str]:
    reference = f":{resource.tag}" if resource.tag else f"@{resource.digest}"
    return {
        "digest": resource.digest,
        "tag": resource.tag,
        "resource_url": f"{what.host}/{what.repository}{reference}",
    }


def _chart(what: Happening, resource: Resource) -> dict[str, str]:
    folder, _, name = what.repository.rpartition("/")
    return {
        "tag": resource.tag,
        "resource_url": f"{what.scheme}://{what.host}/chartrepo/{folder}/charts/{name}-{resource.tag}.tgz",
    }


def _cloud_event(what: Happening) -> dict[str, Any]:
    """https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md"""
    return {
        "specversion": "1.0",
        "id": str(what.event_id),
        "source": f"/instances/{what.registry_id}/repositories/{what.repository}",
        "type": f"roadstead.{what.kind}",
        "subject": what.repository,
        "time": what.at.isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": {**_event_data(what), "operator": what.operator},
    }


def operator_text(pattern: str, fields: Mapping[str, str]) -> str:
    """Who did it, as the pattern says: `{uin} from {address}`; the number of the account for an empty pattern."""
    if not pattern:
        return fields["uin"]
    return _FIELD.sub(lambda found: fields[found[1]], pattern)


def check_operator(pattern: str) -> None:
    """Returns when the pattern names only what is known of an operator; raises RuleInvalid."""
    unknown = sorted({name for name in _FIELD.findall(pattern) if name not in OPERATOR_FIELDS})
    if unknown or len(pattern) > _LONGEST_OPERATOR or re.search(r"[{}]", _FIELD.sub("", pattern)):
        known = ", ".join(f"{{{name}}}" for name in OPERATOR_FIELDS)
        raise RuleInvalid(f"OperatorPattern: up to {_LONGEST_OPERATOR} characters, in braces one of {known}")


def signature(secret: bytes, at: int, content: bytes) -> str:
    """The value of the signature header: the time, and the HMAC-SHA256 of time, dot and body under the secret."""
    digest = hmac.new(secret, str(at).encode() + b"." + content, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"
