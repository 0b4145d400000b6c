"""The OpenAPI description of the operation table: what `/openapi.json` serves and clients are generated from.

Everything in it comes from the declarations: the operation's docstring, the fields of its request and answer with
their descriptions and limits, the conditions that it may meet. Nothing is written twice.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

import msgspec

from roadstead.errors import (
    AccessDenied,
    AppError,
    InstanceUnknown,
    InvalidInput,
    NetworkRefused,
    NotAuthenticated,
    RequestTooLarge,
    TooManyRequests,
    Unavailable,
)
from roadstead.services.operations import AnyOperation

Schema = dict[str, Any]

_REF = "#/components/schemas/"
# What every operation may meet, whatever it is about.
_GENERAL: tuple[type[AppError], ...] = (
    InvalidInput,
    NotAuthenticated,
    AccessDenied,
    NetworkRefused,
    RequestTooLarge,
    TooManyRequests,
    AppError,
    Unavailable,
)
_ABOUT = """Every management operation of this registry, by `POST /api/v1/{Action}` with a JSON object.

Requests are read strictly: a field that is not known is refused by name. Lists are paged by key: ask for the next
page with the `Last` of the one before. Every answer carries `X-Request-Id`; an error is problem JSON (RFC 9457), and
a refusal in it names the gate that said no, the action, the resource and the reason."""

SECURITY: dict[str, Schema] = {
    "ApiKey": {
        "type": "http",
        "scheme": "basic",
        "description": "An API key: the SecretId as the user name and the SecretKey as the password.",
    },
    "Session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "roadstead_session",
        "description": "A login of the console, begun at /api/v1/session/login; it goes with a CsrfToken.",
    },
    "CsrfToken": {
        "type": "apiKey",
        "in": "header",
        "name": "X-CSRF-Token",
        "description": "The token of the login, as /api/v1/session tells it.",
    },
    "Signature": {
        "type": "http",
        "scheme": "TC3-HMAC-SHA256",
        "description": "A signature by an API key as the cloud's API 3.0 has it; a temporary key adds X-TC-Token.",
    },
}
# Each is enough; what stands in one goes together.
_WAYS: tuple[dict[str, list[str]], ...] = ({"ApiKey": []}, {"Session": [], "CsrfToken": []}, {"Signature": []})


def document(operations: Iterable[AnyOperation], version: str) -> Schema:
    """The whole description as one JSON object."""
    listed = sorted(operations, key=lambda op: (_tag(op), op.name))
    return {
        "openapi": "3.1.0",
        "info": {"title": "Roadstead", "version": version, "description": _ABOUT},
        "servers": [{"url": "/", "description": "The registry that this document was read from."}],
        "tags": [_tag_entry(name, list(group)) for name, group in groupby(listed, _tag)],
        "security": list(_WAYS),
        "paths": {f"/api/v1/{op.name}": {"post": _operation(op)} for op in listed},
        "components": {
            "securitySchemes": SECURITY,
            "responses": {str(status): _response(group) for status, group in _by_status(_GENERAL)},
            "schemas": _schemas(listed) | {"Problem": _PROBLEM},
        },
    }


def _tag(op: AnyOperation) -> str:
    """The feature: the module of the service that declares the operation."""
    return op.body.__module__.rpartition(".")[2]


def _tag_entry(name: str, group: list[AnyOperation]) -> Schema:
    module = inspect.getmodule(group[0].body)
    return {"name": name, "description": (inspect.getdoc(module) or "").partition("\n\n")[0].replace("\n", " ")}


def _operation(op: AnyOperation) -> Schema:
    required = any(field.required for field in msgspec.structs.fields(op.request))
    content = {"schema": {"$ref": _REF + op.request.__name__}, "example": example(op.request)}
    return {
        "operationId": op.name,
        "summary": op.summary,
        "description": _description(op),
        "tags": [_tag(op)],
        "x-permission": {"Action": op.action, "Resource": resource_text(op)},
        "x-changes": op.changes,
        "requestBody": {"required": required, "content": {"application/json": content}},
        "responses": _responses(op),
    }


def _description(op: AnyOperation) -> str:
    more = (inspect.getdoc(op.body) or "").partition("\n")[2].strip()
    allowed = (
        "Whoever is logged in may ask; the list shows what the caller may see."
        if op.filtered
        else f"Needs `{op.action}` on `{resource_text(op)}`."
    )
    return "\n\n".join(filter(None, (more, allowed)))


def resource_text(op: AnyOperation) -> str:
    """The resource that the operation asks permission for, with the request's fields as clients spell them."""
    spelled = {field.name: f"{{{field.encode_name}}}" for field in msgspec.structs.fields(op.request)}
    return op.resource.format(**spelled)


def _responses(op: AnyOperation) -> Schema:
    answer = {"description": _first_line(op.answer), "headers": {"X-Request-Id": _REQUEST_ID}}
    answer["content"] = {"application/json": {"schema": {"$ref": _REF + op.answer.__name__}}}
    special = (*op.raises, *((InstanceUnknown,) if "registry_id" in op.request.__struct_fields__ else ()))
    statuses = {kind.status for kind in special}
    found: Schema = {"200": answer}
    for status, group in _by_status({*_GENERAL, *special}):
        shared = {"$ref": f"#/components/responses/{status}"}
        found[str(status)] = _response(group) if status in statuses else shared
    found["default"] = {**_response(()), "description": "Any other condition."}
    return found


def _by_status(kinds: Iterable[type[AppError]]) -> Iterator[tuple[int, list[type[AppError]]]]:
    ordered = sorted(kinds, key=lambda kind: (kind.status, kind.__name__))
    for status, group in groupby(ordered, lambda kind: kind.status):
        yield status, list(group)


def _response(kinds: Iterable[type[AppError]]) -> Schema:
    told = "\n".join(f"- `{kind.cloud}` ({kind.__name__}): {_first_line(kind)}" for kind in kinds)
    content = {"application/problem+json": {"schema": {"$ref": f"{_REF}Problem"}}}
    return {"description": told, "headers": {"X-Request-Id": _REQUEST_ID}, "content": content}


def _first_line(kind: type) -> str:
    return (inspect.getdoc(kind) or "").partition("\n")[0]


def _schemas(operations: list[AnyOperation]) -> dict[str, Schema]:
    """The schemas of all requests and answers and of what they hold, by name."""
    wires = {wire.__name__: wire for op in operations for wire in (op.request, op.answer)}
    _, found = msgspec.json.schema_components([wires[name] for name in sorted(wires)], ref_template=f"{_REF}{{name}}")
    asked = _reached({op.request.__name__ for op in operations}, found)
    for name, schema in found.items():
        if "enum" in schema:  # a choice that has a name: not an object
            schema["type"] = "string"
            continue
        properties = schema.get("properties", {})
        schema["properties"] = {field: _told(_hoisted(each), found) for field, each in properties.items()}
        if name in asked:
            schema["additionalProperties"] = False
        else:  # an answer says all its fields, those with a default too
            schema["required"] = list(properties)
    return dict(sorted(found.items()))


def _reached(names: set[str], schemas: Mapping[str, Schema]) -> set[str]:
    """Those schemas and all that they refer to."""
    reached: set[str] = set()
    pending = set(names)
    while pending:
        name = pending.pop()
        reached.add(name)
        text = msgspec.json.encode(schemas[name]).decode()
        pending |= set(re.findall(rf'"{_REF}([^"]+)"', text)) - reached
    return reached


def _hoisted(schema: Schema) -> Schema:
    """A field that may be null is described where readers look, beside and not inside its alternatives."""
    told: Schema = {}
    for each in schema.get("anyOf", ()):
        told |= {key: each.pop(key) for key in ("description", "examples") if key in each}
    return {**told, **schema}


def _told(schema: Schema, components: Mapping[str, Schema]) -> Schema:
    """A field that says nothing of itself and holds one object is described as that object is."""
    for each in (schema, *schema.get("anyOf", ())):
        if "$ref" in each and "description" not in schema:
            return {"description": components[each["$ref"].removeprefix(_REF)].get("description", ""), **schema}
    return schema


def example(kind: type[msgspec.Struct]) -> Schema:
    """A request or an answer as it may stand: its required fields, with the examples of their descriptions."""
    (_, components) = msgspec.json.schema_components([kind], ref_template=f"{_REF}{{name}}")
    return _example_object(components[kind.__name__], components)


def _example_object(schema: Schema, components: Mapping[str, Schema]) -> Schema:
    return {name: _example(_hoisted(schema["properties"][name]), components) for name in schema.get("required", ())}


def _example(schema: Schema, components: Mapping[str, Schema]) -> Any:
    for key in ("examples", "enum"):
        if schema.get(key):
            return schema[key][0]
    if "$ref" in schema:
        return _example_object(components[schema["$ref"].removeprefix(_REF)], components)
    if "anyOf" in schema:
        return _example(schema["anyOf"][0], components)
    if schema.get("type") == "array":
        return [_example(schema["items"], components)]
    plain = {"string": "text", "integer": schema.get("minimum", 1), "boolean": True, "number": 1.5, "object": {}}
    return plain.get(schema.get("type", ""))


_REQUEST_ID: Schema = {"description": "The request in the audit and in the log.", "schema": {"type": "string"}}


def _text(description: str, **more: object) -> Schema:
    return {"type": "string", "description": description, **more}


GATES = ["credential", "policy", "token", "network", "limit"]
_PROBLEM: Schema = {
    "title": "Problem",
    "description": "What went wrong, as RFC 9457 has it; conditions may add fields of their own.",
    "type": "object",
    "properties": {
        "type": _text("Address at which the kind of problem is explained.", format="uri-reference"),
        "title": _text("The kind of problem in words."),
        "status": {"type": "integer", "description": "The HTTP status."},
        "detail": _text("What is wrong with this request, for people."),
        "Code": _text("The code that the cloud's API uses for it."),
        "Remedy": _text("What to do about it."),
        "RequestId": _text("Names the request in the audit and in the log."),
        "Gate": _text(
            "Of a refusal: which gate said no.", enum=["credential", "policy", "token", "network", "limit"]
        ),
        "Action": _text("Of a refusal: the action asked for."),
        "Resource": _text("Of a refusal: the resource that it was asked for on."),
        "Reason": _text("Of a refusal: why."),
        "Policy": _text("Of a refusal by a policy: its name."),
        "Statement": {"type": "integer", "description": "Of a refusal by a policy: its statement, counted from 0."},
    },
    "required": ["type", "title", "status", "detail", "Code", "Remedy", "RequestId"],
}
