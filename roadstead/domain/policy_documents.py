"""Policy documents as CAM writes them, read into statements or refused with the place and the reason.

    {"version": "2.0", "statement": [{"effect": "allow", "action": ["tcr:PullRepository"],
                                      "resource": ["qcs::tcr:::repository/tcr-1/prod/*"]}]}

An empty region means every region, an empty account the owner's. A path that ends in `/*` means the node before it
and all below, because the samples that the cloud's documentation prints would not work otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec

from roadstead.domain.conditions import Condition, parse_condition
from roadstead.errors import PolicyInvalid

MOST_CHARACTERS = 16384

_FIELDS = {"version", "statement"}
_STATEMENT_FIELDS = {"effect", "action", "resource", "condition"}
_ACTION = re.compile(r"\*|[a-z0-9*?-]+:[A-Za-z0-9*?_]+")
_ACCOUNT = re.compile(r"(?:uin/[0-9*?]+)|\*|")
# How the cloud's older policies write an action: `name/tcr:DescribeInstances`.
_OLD_PREFIX = "name/"


@dataclass(frozen=True, slots=True)
class ResourcePattern:
    """Which resources a statement speaks of; empty service, region and account mean any."""

    service: str
    region: str
    account: str
    path: str


ANYTHING = ResourcePattern("", "", "", "*")


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement; its actions are in lower case, as they are compared."""

    allows: bool
    actions: tuple[str, ...]
    resources: tuple[ResourcePattern, ...]
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """The statements of one policy, in their order."""

    statements: tuple[Statement, ...]


@lru_cache(maxsize=512)
def parse(text: str) -> Document:
    """The document that `text` writes; raises PolicyInvalid, which says where it is wrong and what stands there."""
    if len(text) > MOST_CHARACTERS:
        raise PolicyInvalid(f"the policy has {len(text)} characters; it may have {MOST_CHARACTERS}")
    try:
        found: Any = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise PolicyInvalid(f"the policy is not JSON: {error}") from error
    whole = _object(found, "the policy", _FIELDS)
    if str(whole.get("version")) != "2.0":
        raise PolicyInvalid(f'version: it must be "2.0", not {whole.get("version")!r}')
    if "statement" not in whole:
        raise PolicyInvalid("statement: it is missing")
    written = whole["statement"]
    statements = written if isinstance(written, list) else [written]
    if not statements:
        raise PolicyInvalid("statement: the list is empty")
    several = isinstance(written, list)
    return Document(
        tuple(
            _statement(each, f"statement[{place}]" if several else "statement")
            for place, each in enumerate(statements)
        )
    )


def _object(value: Any, where: str, fields: set[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise PolicyInvalid(f"{where}: a JSON object with {', '.join(sorted(fields))} belongs here")
    unknown = sorted(set(value) - fields)
    if unknown:
        reason = f"a policy has only {', '.join(sorted(fields))} here, in lower case"
        if unknown[0] == "principal":
            reason = "whom a policy is for is said by attaching it to accounts and groups"
        raise PolicyInvalid(f"{where}: the field {unknown[0][:60]!r} is unknown; {reason}")
    return value


def _statement(value: Any, where: str) -> Statement:
    found = _object(value, where, _STATEMENT_FIELDS)
    for field in ("effect", "action", "resource"):
        if field not in found:
            raise PolicyInvalid(f"{where}.{field}: it is missing")
    if found["effect"] not in ("allow", "deny"):  # a list: what stands there may be unhashable
        raise PolicyInvalid(f"{where}.effect: it is allow or deny, not {_shown(found['effect'])}")
    return Statement(
        allows=found["effect"] == "allow",
        actions=tuple(_action(text, place) for text, place in _texts(found["action"], f"{where}.action")),
        resources=tuple(_resource(text, place) for text, place in _texts(found["resource"], f"{where}.resource")),
        condition=parse_condition(found.get("condition"), f"{where}.condition"),
    )


def _texts(value: Any, where: str) -> Sequence[tuple[str, str]]:
    """One text or a list of them, each with its place."""
    places = [(value, where)]
    if isinstance(value, list):
        places = [(each, f"{where}[{place}]") for place, each in enumerate(value)]
    if not places:
        raise PolicyInvalid(f"{where}: the list is empty")
    for each, place in places:
        if not isinstance(each, str):
            raise PolicyInvalid(f"{place}: a text belongs here, not {_shown(each)}")
    return places


def _action(text: str, where: str) -> str:
    bare = text.removeprefix(_OLD_PREFIX)
    if not _ACTION.fullmatch(bare):
        raise PolicyInvalid(
            f"{where}: {_shown(text)} is not an action; write SERVICE:ACTION, for example tcr:PullRepository or tcr:*"
        )
    return bare.lower()


def _resource(text: str, where: str) -> ResourcePattern:
    if text == "*":
        return ANYTHING
    parts = text.split(":", 5)
    if len(parts) != 6 or parts[0] != "qcs":
        raise PolicyInvalid(
            f"{where}: {_shown(text)} is not a resource; write * or qcs::SERVICE:REGION:ACCOUNT:PATH, for example "
            "qcs::tcr:::repository/tcr-12345678/prod/*"
        )
    _, project, service, region, account, path = parts
    if project not in {"", "id/0"}:
        raise PolicyInvalid(f"{where}: the project {_shown(project)} must be left empty: qcs::{service}:…")
    if not service or not path:
        raise PolicyInvalid(f"{where}: {_shown(text)} leaves its {'path' if service else 'service'} empty")
    if not _ACCOUNT.fullmatch(account):
        raise PolicyInvalid(f"{where}: the account {_shown(account)} is written uin/NUMBER, or left empty")
    return ResourcePattern(_any(service), _any(region), _any(account), re.sub(r"\*+", "*", path))


def _any(text: str) -> str:
    return "" if text == "*" else text


def _shown(value: object) -> str:
    return repr(value)[:120]
