"""Parameters as clients write them: flattened or as JSON, text for numbers, and what is told when they are wrong."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from roadstead.errors import AppError, InvalidInput, ParameterMissing, ParameterUnknown
from roadstead.http.decoding import paged, unflatten, without_nulls
from roadstead.services.operations import Call, Done, PageRequest, Wire, operation
from roadstead.services.requests import request_of


class Condition(Wire, frozen=True, kw_only=True):
    """A nested part."""

    name: str
    values: list[str]


class Ask(PageRequest, frozen=True, kw_only=True):
    """One of everything that requests hold."""

    registry_ids: Annotated[list[str] | None, Meta(description="Irregular.")] = msgspec.field(
        default=None, name="Registryids"
    )
    name: Annotated[str, Meta(max_length=5)] = ""
    filters: list[Condition] | None = None
    public: bool | None = None
    number: int = 0
    kind: Literal["a", "b"] = "a"
    all: bool = False


class Needs(Wire, frozen=True, kw_only=True):
    """Something without which it does not go."""

    registry_id: str


@operation(resource="instance/*", changes=False)
async def describe_ask(call: Call, request: Ask) -> Done:
    """Nothing."""
    return Done()


def read(parameters: dict[str, Any]) -> Ask:
    """The request as the door makes it."""
    return request_of(describe_ask, without_nulls(parameters), lax=True)


@pytest.mark.parametrize(
    ("flat", "tree"),
    [
        ({}, {}),
        ({"Limit": "20"}, {"Limit": "20"}),
        (
            {"Filters.0.Name": "a", "Filters.0.Values.0": "x", "Filters.0.Values.1": "y", "Filters.1.Name": "b"},
            {"Filters": [{"Name": "a", "Values": ["x", "y"]}, {"Name": "b"}]},
        ),
        ({f"Tags.{place}": str(place) for place in (10, 2, 1, 0)}, {"Tags": ["0", "1", "2", "10"]}),
        ({"Rule.Name": "r", "Rule.Filters.0.Type": "name"}, {"Rule": {"Name": "r", "Filters": [{"Type": "name"}]}}),
    ],
)
def test_flattened_parameters_are_put_together(flat: dict[str, str], tree: dict[str, Any]) -> None:
    assert unflatten(flat) == tree


@pytest.mark.parametrize(
    "flat",
    [
        {"A": "1", "A.B": "2"},
        {"A.B": "2", "A": "1"},
        {"A.B": "2", "A.B.C": "1"},
        {".".join("A" * 30): "deep"},
    ],
)
def test_parameters_that_contradict_each_other_are_refused(flat: dict[str, str]) -> None:
    with pytest.raises(InvalidInput):
        unflatten(flat)


@given(st.dictionaries(st.text("AB.01", max_size=30), st.text(max_size=3), max_size=6))
def test_whatever_is_flattened_is_put_together_or_refused(flat: dict[str, str]) -> None:
    try:
        read(unflatten(flat))
    except AppError as error:
        assert error.status == 400


@pytest.mark.parametrize(
    ("given_", "field", "value"),
    [
        ({"Public": "true"}, "public", True),
        ({"Public": "False"}, "public", False),
        ({"Public": False}, "public", False),
        ({"Number": "-7"}, "number", -7),
        ({"Limit": "20"}, "limit", 20),
        ({"Name": None}, "name", ""),
        ({"Registryids": ["x"]}, "registry_ids", ["x"]),
        (
            {"Filters": [{"Name": "n", "Values": ["v"], "Values ": None}]},
            "filters",
            [Condition(name="n", values=["v"])],
        ),
    ],
)
def test_text_is_taken_for_what_it_stands_for(given_: dict[str, Any], field: str, value: Any) -> None:
    assert getattr(read(given_), field) == value


@pytest.mark.parametrize(
    ("wrong", "condition", "message"),
    [
        ({"Name": 7}, InvalidInput, "the field Name does not fit: Expected `str`, got `int`"),
        ({"RegistryIds": []}, ParameterUnknown, "the field RegistryIds is not known; near it: Registryids"),
        ({"Filters": [{"Name": "n", "Values": None}]}, ParameterMissing, "the field Filters.0.Values is missing"),
        ({"Public": "maybe"}, InvalidInput, "the field Public does not fit: Expected `bool | null`, got `str`"),
        ({"Number": "many"}, InvalidInput, "the field Number does not fit: Expected `int`, got `str`"),
        ({"Number": str(10**30)}, InvalidInput, "Number is a number of more than 64 bits"),
        ({"Kind": "c"}, InvalidInput, "the field Kind does not fit: Invalid enum value 'c'"),
        ({"Offset": "-1"}, InvalidInput, "the field Offset does not fit: Expected `int` >= 0"),
    ],
)
def test_what_is_wrong_is_named(wrong: dict[str, Any], condition: type[AppError], message: str) -> None:
    with pytest.raises(AppError) as told:
        read(wrong)
    assert (type(told.value), told.value.message) == (condition, message)


@pytest.mark.parametrize(
    ("paging", "asked", "counted"),
    [
        ("page", (20, 0), (20, 0)),
        ("page", (20, 1), (20, 0)),
        ("page", (20, 2), (20, 20)),
        ("page", (200, 3), (200, 400)),
        ("page", (None, 2), (20, 20)),
        ("page", (None, None), (20, 0)),
        ("page", (2**62, 2**62), (2**62, 2**63 - 1)),
        ("record", (20, 0), (20, 0)),
        ("record", (20, 1), (20, 1)),
        ("record", (None, 40), (20, 40)),
        ("record", (-5, 0), (0, 0)),
        (None, (None, 3), (None, 3)),
    ],
)
def test_offset_counts_pages_or_entries(
    paging: str | None, asked: tuple[int | None, int | None], counted: tuple[int, int]
) -> None:
    request = paged(Ask(limit=asked[0], offset=asked[1]), paging)
    assert (request.limit, request.offset) == counted


def test_who_wants_all_gets_no_page() -> None:
    request = Ask(all=True)
    assert paged(request, "page") is request


def test_a_request_without_pages_stays_as_it_is() -> None:
    request = Needs(registry_id="x")
    assert paged(request, "page") is request
