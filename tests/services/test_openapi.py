"""The OpenAPI description: whole, true to the table, and understood by those who read such documents."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import pytest

from roadstead.domain.signature import TC3
from roadstead.http.caller import COOKIE
from roadstead.services.openapi import document, example
from roadstead.services.operations import AnyOperation
from roadstead.services.requests import request_of
from roadstead.services.table import OPERATIONS

DOCUMENT = document(OPERATIONS.values(), "1.2.3")
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]


def operations() -> list[Any]:
    return [pytest.param(op, id=name) for name, op in OPERATIONS.items()]


def references(value: Any) -> Iterator[str]:
    """Every `$ref` below the value."""
    if isinstance(value, dict):
        for key, each in value.items():
            if key == "$ref":
                yield each
            else:
                yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


def reached(name: str) -> Iterator[tuple[str, Any]]:
    """The schema of that name and all that it refers to."""
    seen, pending = set(), [name]
    while pending:
        name = pending.pop()
        if name not in seen:
            seen.add(name)
            yield name, SCHEMAS[name]
            pending += [each.rpartition("/")[2] for each in references(SCHEMAS[name])]


def described(op: AnyOperation) -> Any:
    return DOCUMENT["paths"][f"/api/v1/{op.name}"]["post"]


def test_every_operation_and_nothing_else_is_described() -> None:
    assert set(DOCUMENT["paths"]) == {f"/api/v1/{name}" for name in OPERATIONS}
    assert DOCUMENT["openapi"] == "3.1.0" and DOCUMENT["info"]["version"] == "1.2.3"


def test_every_reference_leads_somewhere() -> None:
    for reference in references(DOCUMENT):
        found: Any = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]


@pytest.mark.parametrize("op", operations())
def test_an_operation_is_described_whole(op: AnyOperation) -> None:
    told = described(op)
    assert told["operationId"] == op.name
    assert told["summary"] == op.summary
    assert op.action in told["description"] or op.filtered
    assert "{registry_id}" not in told["description"]
    assert told["tags"] == [op.body.__module__.rpartition(".")[2]]
    assert set(told["responses"]) >= {"200", "400", "401", "403", "413", "429", "500", "default"}
    for kind in op.raises:
        assert kind.__name__ in told["responses"][str(kind.status)]["description"]


@pytest.mark.parametrize("op", operations())
def test_every_field_is_described(op: AnyOperation) -> None:
    for wire in (op.request, op.answer):
        for name, schema in reached(wire.__name__):
            assert schema["description"], name
            for field, told in schema.get("properties", {}).items():
                assert told.get("description"), f"{name}.{field} says nothing of itself"


@pytest.mark.parametrize("op", operations())
def test_the_example_of_an_operation_is_a_request(op: AnyOperation) -> None:
    sent = described(op)["requestBody"]["content"]["application/json"]["example"]
    assert sent == example(op.request)
    request_of(op, sent)


def test_requests_are_closed_and_answers_say_all_their_fields() -> None:
    assert SCHEMAS["CreateNamespace"]["additionalProperties"] is False
    page = SCHEMAS["NamespacePage"]
    assert "additionalProperties" not in page
    assert page["required"] == list(page["properties"])


def test_choices_and_limits_are_told() -> None:
    assert SCHEMAS["CreateInstanceToken"]["properties"]["TokenType"]["enum"] == ["longterm", "temp"]
    assert SCHEMAS["Problem"]["properties"]["Gate"]["enum"]
    assert SCHEMAS["Who"]["type"] == "string"
    assert "properties" not in SCHEMAS["Who"]


def test_each_feature_says_in_words_what_it_is() -> None:
    for tag in DOCUMENT["tags"]:
        assert tag["description"] and "\n" not in tag["description"]
    used = {tag for path in DOCUMENT["paths"].values() for tag in path["post"]["tags"]}
    assert used == {tag["name"] for tag in DOCUMENT["tags"]}


def test_the_permission_is_told_in_the_spelling_of_the_api() -> None:
    told = described(OPERATIONS["CreateNamespace"])["x-permission"]
    assert told == {"Action": "tcr:CreateNamespace", "Resource": "repository/{RegistryId}/{NamespaceName}"}
    for path in DOCUMENT["paths"].values():
        assert re.fullmatch(r"[a-z-]+/[\w/{}*-]+", path["post"]["x-permission"]["Resource"])


def test_what_a_docstring_says_beyond_its_first_line_is_told() -> None:
    for op in OPERATIONS.values():
        more = (inspect.getdoc(op.body) or "").partition("\n")[2].strip()
        assert described(op)["description"].startswith(more)


def test_each_way_in_is_told() -> None:
    schemes = DOCUMENT["components"]["securitySchemes"]
    used = {name for way in DOCUMENT["security"] for name in way}
    assert used == set(schemes) == {"ApiKey", "Session", "CsrfToken", "Signature"}
    assert schemes["Session"]["name"] == COOKIE and schemes["Signature"]["scheme"] == TC3
