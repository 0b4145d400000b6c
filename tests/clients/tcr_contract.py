"""What tccli knows of the cloud's API: its sample requests, and which fields each answer has."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from roadstead.http.decoding import unflatten

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "datetime": (str,),
    "datetime_iso": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "list": (list,),
    "object": (dict,),
}


@cache
def _file(name: str) -> dict[str, Any]:
    text = files("tccli").joinpath(f"services/tcr/v20190924/{name}").read_text()
    found: dict[str, Any] = json.loads(text)
    return found


def actions() -> list[str]:
    """Every action of the registry service."""
    return sorted(_file("api.json")["actions"])


def samples(action: str) -> list[dict[str, Any]]:
    """The parameters of the action's sample requests."""
    return [_parameters(entry["input"]) for entry in _file("examples.json")["actions"][action]]


def _parameters(text: str) -> dict[str, Any]:
    """A sample's parameters: of a POST its body, of a GET its query without what every request has."""
    if "{" in text:
        found: dict[str, Any] = json.loads(text[text.index("{") :])
        return found
    query = dict(parse_qsl(urlsplit(text.replace("\n", "")).query))
    return unflatten({name: value for name, value in query.items() if name != "Action"})


def request_fields(action: str) -> set[str]:
    """The parameters that the action is documented to have."""
    return {member["name"] for member in _members(action, "input")}


def faults(action: str, answer: dict[str, Any]) -> list[str]:
    """Where the answer is not as documented: fields that are missing, null without leave, or of another type."""
    return list(_faults(_members(action, "output"), answer, ""))


def _members(action: str, side: str) -> list[dict[str, Any]]:
    described = _file("api.json")
    found: list[dict[str, Any]] = described["objects"][described["actions"][action][side]]["members"]
    return found


def _faults(members: list[dict[str, Any]], value: dict[str, Any], path: str) -> Iterator[str]:
    for member in members:
        name, where = member["name"], f"{path}{member['name']}"
        if name not in value:
            yield f"{where} is missing"
        elif value[name] is None:
            if "null" not in member["document"]:
                yield f"{where} is null"
        else:
            yield from _misfits(member, value[name], where)


def _misfits(member: dict[str, Any], value: Any, where: str) -> Iterator[str]:
    if not isinstance(value, _TYPES[member["type"]]) or (member["type"] == "int" and isinstance(value, bool)):
        yield f"{where} is {type(value).__name__}, not {member['type']}"
        return
    inner = _file("api.json")["objects"].get(member["member"])
    if inner is None:
        return
    for place, entry in enumerate(value if isinstance(value, list) else [value]):
        yield from _faults(inner["members"], entry, f"{where}.{place}." if isinstance(value, list) else f"{where}.")
