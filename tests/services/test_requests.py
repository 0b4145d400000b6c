"""Requests read from JSON: what is taken, and in which words the rest is refused."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta

from roadstead.errors import InvalidInput, OperationUnknown
from roadstead.services.operations import Call, Done, Wire, operation
from roadstead.services.requests import decode, named, request_of
from roadstead.services.table import OPERATIONS


class Inner(Wire, frozen=True, kw_only=True):
    """Something inside."""

    name: str
    values: list[str] = msgspec.field(default_factory=list)


class Outer(Wire, frozen=True, kw_only=True):
    """A request of every kind of field."""

    registry_id: str
    count: Annotated[int, Meta(ge=0)] | None = None
    public: bool = False
    filters: Annotated[list[Inner], Meta(description="Some.")] = msgspec.field(default_factory=list)
    one: Inner | None = None
    several: list[Inner] | None = None
    free: dict[str, str] = msgspec.field(default_factory=dict)


@operation(resource="instance/{registry_id}", changes=False)
async def describe_outer(call: Call, request: Outer) -> Done:
    """Nothing."""
    return Done()


def read(lax: bool = False, **fields: Any) -> Outer:
    return request_of(describe_outer, {"RegistryId": "tcr-1", **fields}, lax=lax)


def test_all_kinds_of_fields_are_read() -> None:
    inner = {"Name": "a", "Values": ["b"]}
    made = read(Count=1, Public=True, Filters=[inner], One=inner, Several=[inner], Free={"any": "thing"})
    found = Inner(name="a", values=["b"])
    assert made == Outer(
        registry_id="tcr-1",
        count=1,
        public=True,
        filters=[found],
        one=found,
        several=[found],
        free={"any": "thing"},
    )


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"Cuont": 1}, "the field Cuont is not known; near it: Count"),
        ({"Xyzzy": 1}, "the field Xyzzy is not known"),
        ({"Filters": [{"Name": "a", "Value": ["b"]}]}, "the field Filters.0.Value is not known; near it: Values"),
        ({"One": {"Nmae": "a"}}, "the field One.Nmae is not known; near it: Name"),
        ({"Several": [{"Name": "a"}, {"Named": "b"}]}, "the field Several.1.Named is not known; near it: Name"),
        ({"Filters": [{"Name": "a\0"}]}, "Filters.0.Name holds a NUL character"),
        ({"Free": {"x": "\0"}}, "Free.x holds a NUL character"),
        ({"Free": {"\0": "x"}}, "Free holds a NUL character"),
        ({"Count": 1 << 63}, "Count is a number of more than 64 bits"),
        ({"Count": -1}, "the field Count does not fit: Expected `int` >= 0"),
        ({"Count": "1"}, "the field Count does not fit: Expected `int | null`, got `str`"),
        ({"Filters": [{}]}, "the field Filters.0.Name is missing"),
    ],
)
def test_what_is_wrong_is_named(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read(**fields)
    assert refused.value.message == told


def test_deep_nesting_ends_before_the_stack_does() -> None:
    value: Any = "end"
    for _ in range(500):
        value = [value]
    with pytest.raises(InvalidInput, match="nested too deep"):
        read(Filters=value)


def test_a_command_line_has_only_texts() -> None:
    made = read(lax=True, Count="7", Public="true")
    assert (made.count, made.public) == (7, True)
    with pytest.raises(InvalidInput):
        read(lax=True, Count="seven")


@pytest.mark.parametrize("body", [b"", b"  \n", b"{}"])
def test_no_body_is_an_empty_object(body: bytes) -> None:
    assert decode(body) == {}


@pytest.mark.parametrize(
    "body", [b"{", b"\xff", b'"\xff"', b"{'a': 1}", b'{"a": 1e999}', b'"\\ud800"', b"[" * 100000]
)
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput, match="not JSON"):
        decode(body)


def test_an_operation_is_found_by_its_exact_name() -> None:
    assert named(OPERATIONS, "CreateNamespace").name == "CreateNamespace"
    with pytest.raises(OperationUnknown, match=r"'Create_Namespace'; near it: CreateNamespace"):
        named(OPERATIONS, "Create_Namespace")
