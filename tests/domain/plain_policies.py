"""Policies judged the slow and obvious way, to hold the compiled evaluator against.

It reads the JSON itself, walks through every statement for every question, and matches wildcards letter by letter.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from typing import Any


def matches(pattern: str, text: str) -> bool:
    """Whether the pattern with `*` and `?` is the whole text."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(matches(pattern[1:], text[cut:]) for cut in range(len(text) + 1))
    return bool(text) and pattern[0] in {"?", text[0]} and matches(pattern[1:], text[1:])


def listed(value: Any) -> list[Any]:
    """One or several, as several."""
    return value if isinstance(value, list) else [value]


def speaks_of(statement: Mapping[str, Any], action: str, resource: tuple[str, str, str, str]) -> bool:
    """Whether the statement names the action and the resource."""
    if not any(matches(name.lower(), action.lower()) for name in listed(statement["action"])):
        return False
    return any(names(pattern, resource) for pattern in listed(statement["resource"]))


def names(pattern: str, resource: tuple[str, str, str, str]) -> bool:
    """Whether a resource of service, region, owner and path is one that the pattern names."""
    if pattern == "*":
        return True
    service, region, owner, path = resource
    _, _, its_service, its_region, its_account, its_path = pattern.split(":", 5)
    if not matches(its_service, service):
        return False
    if its_region and not matches(its_region, region):
        return False
    if its_account and not matches(its_account, f"uin/{owner}"):
        return False
    node = its_path[:-2] if its_path.endswith("/*") else its_path
    return matches(its_path, path) or matches(node, path)


def holds(condition: Mapping[str, Any], address: str, now: datetime) -> bool:
    """Whether each operator of the condition holds; only those that the tests generate are known."""
    for name, keys in condition.items():
        for values in keys.values():
            if not clause(name, listed(values), address, now):
                return False
    return True


def clause(name: str, values: Sequence[str], address: str, now: datetime) -> bool:
    """One operator with its values."""
    if name.startswith("date"):
        times = [datetime.fromisoformat(value).replace(tzinfo=UTC) for value in values]
        return any(now < time for time in times) if name == "date_less_than" else any(now >= time for time in times)
    if address == "local":
        return name in {"ip_not_equal", "ip_equal_if_exist"}
    inside = any(ip_address(address) in ip_network(value) for value in values)
    return not inside if name == "ip_not_equal" else inside


def verdict(
    policies: Sequence[tuple[str, str]], action: str, resource: tuple[str, str, str, str], address: str, now: datetime
) -> tuple[bool, str, int]:
    """Allowed or not, and the policy and statement that decided; an empty name when none did."""
    allowing = None
    for name, text in policies:
        for place, statement in enumerate(listed(json.loads(text)["statement"])):
            if speaks_of(statement, action, resource) and holds(statement.get("condition", {}), address, now):
                if statement["effect"] == "deny":
                    return False, name, place
                allowing = allowing or (True, name, place)
    return allowing or (False, "", 0)
