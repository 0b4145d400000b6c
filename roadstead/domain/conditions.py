"""Conditions of policy statements: `{"ip_equal": {"qcs:ip": ["10.0.0.0/8"]}}` and the like, as CAM writes them.

All operators of a condition must hold, for each of their keys; of several values one is enough, and for the negated
operators none may match. A key that a request does not have (a command on the server has no address) meets negated
operators, those with `_if_exist` and `null_equal: true`, and no other.

Every value is read when the policy is written, so that a slip is refused then and not silently denied later.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from roadstead.domain.network import parse_address, parse_cidr
from roadstead.domain.policy import Circumstances
from roadstead.domain.wildcards import matcher
from roadstead.errors import InvalidInput, PolicyInvalid

Asked = Callable[[Any, Any], object]


def _address(circumstances: Circumstances) -> object:
    return parse_address(circumstances.address)


def _now(circumstances: Circumstances) -> object:
    return circumstances.now


def _uin(circumstances: Circumstances) -> object:
    return circumstances.uin or None


# Each key: how a request answers it, and the kinds of operators that can ask it.
_KEYS: Mapping[str, tuple[Callable[[Circumstances], object], tuple[str, ...]]] = {
    "qcs:ip": (_address, ("ip",)),
    "qcs:current_time": (_now, ("date",)),
    "qcs:uin": (_uin, ("string", "numeric")),
}
_ELSEWHERE = {
    "qcs:resource_tag": "tags of resources are not asked by policies here",
    "qcs:request_tag": "tags of requests are not asked by policies here",
}


def _within(asked: Any, network: Any) -> bool:
    return asked.version == network.version and asked in network


def _folded(asked: str, value: str) -> bool:
    return asked.casefold() == value.casefold()


def _alike(asked: str, pattern: str) -> bool:
    return matcher(pattern)(asked) is not None


def _orders(kind: str) -> dict[str, tuple[str, Asked]]:
    return {
        f"{kind}_equal": (kind, operator.eq),
        f"{kind}_less_than": (kind, operator.lt),
        f"{kind}_less_than_equal": (kind, operator.le),
        f"{kind}_greater_than": (kind, operator.gt),
        f"{kind}_greater_than_equal": (kind, operator.ge),
    }


# Each operator's kind of key and what it asks of the request's value and a policy's; `_not_` forms follow from these.
_OPERATORS: Mapping[str, tuple[str, Asked]] = {
    "string_equal": ("string", operator.eq),
    "string_equal_ignore_case": ("string", _folded),
    "string_like": ("string", _alike),
    "ip_equal": ("ip", _within),
    **_orders("date"),
    **_orders("numeric"),
}
_NEGATED = {
    "string_not_equal": "string_equal",
    "string_not_equal_ignore_case": "string_equal_ignore_case",
    "string_not_like": "string_like",
    "ip_not_equal": "ip_equal",
    "date_not_equal": "date_equal",
    "numeric_not_equal": "numeric_equal",
}
OPERATORS = (*_OPERATORS, *_NEGATED, "null_equal")
_IF_EXIST = "_if_exist"
_SETS = ("for_any_value:", "for_all_value:")


@dataclass(frozen=True, slots=True)
class _Clause:
    """One key under one operator."""

    read: Callable[[Circumstances], object]
    asks: Asked
    values: tuple[object, ...]
    negated: bool
    # What holds when the request does not have the key.
    absent: bool

    def holds(self, circumstances: Circumstances) -> bool:
        found = self.read(circumstances)
        if found is None:
            return self.absent
        return any(self.asks(found, value) for value in self.values) is not self.negated


@dataclass(frozen=True, slots=True)
class Condition:
    """All clauses of one statement's condition."""

    clauses: tuple[_Clause, ...]

    def holds(self, circumstances: Circumstances) -> bool:
        """Whether every clause does."""
        return all(clause.holds(circumstances) for clause in self.clauses)


def parse_condition(value: object, where: str) -> Condition | None:
    """The condition written as `value` (None: there is none); raises PolicyInvalid, which names the place."""
    if value is None or value == {}:
        return None
    if not isinstance(value, dict):
        raise PolicyInvalid(f"{where}: a condition is an object of operators, not {_named(value)}")
    clauses = [clause for name, keys in value.items() for clause in _operator(name, keys, f"{where}.{name}")]
    return Condition(tuple(clauses))


def _operator(name: str, keys: object, where: str) -> Iterable[_Clause]:
    bare, every = name, name.startswith(_SETS[1])
    for prefix in _SETS:
        bare = bare.removeprefix(prefix)
    optional = bare.endswith(_IF_EXIST)
    bare = bare.removesuffix(_IF_EXIST)
    if bare not in OPERATORS or (optional and bare == "null_equal"):
        raise PolicyInvalid(f"{where}: the operator {name!r} is unknown; there are {', '.join(OPERATORS)}")
    if not isinstance(keys, dict) or not keys:
        raise PolicyInvalid(f"{where}: an operator holds keys with their values, like {{'qcs:ip': ['10.0.0.0/8']}}")
    for key, values in keys.items():
        yield _clause(bare, key, values, f"{where}.{key}", absent=optional or every)


def _clause(name: str, key: str, values: object, where: str, *, absent: bool) -> _Clause:
    if key not in _KEYS:
        reason = _ELSEWHERE.get(key, f"there are {', '.join(_KEYS)}")
        raise PolicyInvalid(f"{where}: the key {key!r} is unknown here; {reason}")
    read, kinds = _KEYS[key]
    listed: Sequence[object] = values if isinstance(values, list) else [values]
    if not listed:
        raise PolicyInvalid(f"{where}: there is no value to compare with")
    if name == "null_equal":
        return _presence(read, [_read("bool", value, where) for value in listed])
    kind, asks = _OPERATORS[_NEGATED.get(name, name)]
    if kind not in kinds:
        fitting = ", ".join(found for found, (its, _) in _OPERATORS.items() if its in kinds)
        raise PolicyInvalid(f"{where}: {name} does not ask {key}; these do: {fitting}")
    negated = name in _NEGATED
    read_values = tuple(_read(kind, value, where) for value in listed)
    return _Clause(partial(_as, kind, read), asks, read_values, negated, absent or negated)


def _as(kind: str, read: Callable[[Circumstances], object], circumstances: Circumstances) -> object:
    """What the request has under the key, as operators of the kind compare it."""
    found = read(circumstances)
    if kind != "numeric" or found is None:
        return found
    try:
        return float(str(found))
    except ValueError:
        return None


def _presence(read: Callable[[Circumstances], object], wanted: Sequence[object]) -> _Clause:
    """A clause on whether the request has the key at all."""
    return _Clause(read, lambda _, value: value is False, tuple(wanted), False, True in wanted)


def _read(kind: str, value: object, where: str) -> object:
    """The value of a policy, as operators of the kind compare it."""
    text = str(value).strip()
    if isinstance(value, dict | list) or value is None:
        raise PolicyInvalid(f"{where}: {_named(value)} is no value to compare with")
    if kind == "string":
        return str(value)
    if kind == "bool":
        if text.lower() not in {"true", "false"}:
            raise PolicyInvalid(f"{where}: {text[:60]!r} is neither true nor false")
        return text.lower() == "true"
    try:
        if kind == "ip":
            return parse_cidr(text)
        return float(text) if kind == "numeric" else _time(text)
    except InvalidInput as error:
        raise PolicyInvalid(f"{where}: {error.message}") from error
    except ValueError as error:
        known = "a number" if kind == "numeric" else "a time like 2026-11-23T13:00:00Z"
        raise PolicyInvalid(f"{where}: {text[:60]!r} is not {known}") from error


def _time(text: str) -> datetime:
    """The time; UTC when it names no zone."""
    found = datetime.fromisoformat(text)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found


def _named(value: object) -> str:
    return {dict: "an object", list: "a list", str: "a text", type(None): "null"}.get(type(value), repr(value))
