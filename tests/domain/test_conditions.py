"""Operators of conditions, each against what it admits, what it does not, and a request without the key."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from roadstead.domain.conditions import OPERATORS, parse_condition
from roadstead.domain.policy import Circumstances
from roadstead.errors import PolicyInvalid

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
OFFICE = Circumstances("10.1.2.3", NOON, "200")
SIX = Circumstances("2001:db8::7", NOON, "200")
MAPPED = Circumstances("::ffff:10.1.2.3", NOON, "200")
# A command on the server itself: no address, and nobody in particular.
LOCAL = Circumstances("local", NOON)


def holds(condition: object, circumstances: Circumstances = OFFICE) -> bool:
    parsed = parse_condition(condition, "condition")
    assert parsed is not None
    return parsed.holds(circumstances)


@pytest.mark.parametrize(
    ("operator", "values", "inside", "outside", "absent"),
    [
        ("ip_equal", ["10.0.0.0/8", "192.0.2.1"], [OFFICE, MAPPED], [SIX], False),
        ("ip_equal", "2001:db8::/32", [SIX], [OFFICE], False),
        ("ip_not_equal", ["10.0.0.0/8", "192.0.2.1"], [SIX], [OFFICE, MAPPED], True),
        ("ip_equal_if_exist", "10.0.0.0/8", [OFFICE], [SIX], True),
        ("for_any_value:ip_equal", "10.0.0.0/8", [OFFICE], [SIX], False),
        ("for_all_value:ip_equal", "10.0.0.0/8", [OFFICE], [SIX], True),
        ("for_any_value:ip_equal_if_exist", "10.0.0.0/8", [OFFICE], [SIX], True),
        ("null_equal", "true", [], [OFFICE, SIX], True),
        ("null_equal", False, [OFFICE, SIX], [], False),
    ],
)
def test_addresses(
    operator: str, values: object, inside: list[Circumstances], outside: list[Circumstances], absent: bool
) -> None:
    condition = {operator: {"qcs:ip": values}}
    assert all(holds(condition, each) for each in inside)
    assert not any(holds(condition, each) for each in outside)
    assert holds(condition, LOCAL) is absent


@pytest.mark.parametrize(
    ("operator", "before", "at", "after"),
    [
        ("date_equal", False, True, False),
        ("date_not_equal", True, False, True),
        ("date_less_than", True, False, False),
        ("date_less_than_equal", True, True, False),
        ("date_greater_than", False, False, True),
        ("date_greater_than_equal", False, True, True),
    ],
)
@pytest.mark.parametrize("written", ["2026-11-23T12:00:00Z", "2026-11-23 12:00:00", "2026-11-23T20:00:00+08:00"])
def test_times(operator: str, before: bool, at: bool, after: bool, written: str) -> None:
    condition = {operator: {"qcs:current_time": written}}
    found = [holds(condition, OFFICE._replace(now=NOON.replace(hour=hour))) for hour in (11, 12, 13)]
    assert found == [before, at, after]


@pytest.mark.parametrize(
    ("operator", "value", "met"),
    [
        ("string_equal", "200", True),
        ("string_equal", ["1", "200"], True),
        ("string_equal", "2", False),
        ("string_not_equal", ["1", "200"], False),
        ("string_not_equal", "1", True),
        ("string_equal_ignore_case", "200", True),
        ("string_not_equal_ignore_case", "200", False),
        ("string_like", "2*", True),
        ("string_like", "2?", False),
        ("string_not_like", "2??", False),
        ("numeric_equal", 200, True),
        ("numeric_not_equal", "200", False),
        ("numeric_less_than", "201", True),
        ("numeric_less_than_equal", "199.5", False),
        ("numeric_greater_than", 199, True),
        ("numeric_greater_than_equal", 201, False),
    ],
)
def test_accounts(operator: str, value: object, met: bool) -> None:
    assert holds({operator: {"qcs:uin": value}}) is met


def test_a_number_is_not_found_in_a_name() -> None:
    assert not holds({"numeric_less_than": {"qcs:uin": 1000}}, OFFICE._replace(uin="2000ab"))


def test_every_operator_and_key_must_hold() -> None:
    ip, time = {"qcs:ip": "10.0.0.0/8"}, {"qcs:current_time": "2026-11-24T00:00:00Z"}
    assert holds({"ip_equal": ip, "date_less_than": time})
    assert not holds({"ip_not_equal": ip, "date_less_than": time})
    assert not holds({"ip_equal": ip, "date_greater_than": time})
    assert not holds({"null_equal": {"qcs:ip": "false", "qcs:uin": "true"}})


@pytest.mark.parametrize("nothing", [None, {}])
def test_no_condition(nothing: object) -> None:
    assert parse_condition(nothing, "condition") is None


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("ip", "condition: a condition is an object of operators, not a text"),
        ([], "condition: a condition is an object of operators, not a list"),
        ({"ip_equals": {"qcs:ip": "10.0.0.1"}}, "condition.ip_equals: the operator 'ip_equals' is unknown"),
        ({"binary_equal": {"qcs:ip": "10.0.0.1"}}, "the operator 'binary_equal' is unknown"),
        ({"null_equal_if_exist": {"qcs:ip": "true"}}, "is unknown"),
        ({"ip_equal": {}}, "condition.ip_equal: an operator holds keys"),
        ({"ip_equal": "10.0.0.1"}, "condition.ip_equal: an operator holds keys"),
        ({"ip_equal": {"qcs:vpc": "1"}}, "condition.ip_equal.qcs:vpc: the key 'qcs:vpc' is unknown here; there are"),
        ({"for_any_value:string_equal": {"qcs:resource_tag": "a&b"}}, "tags of resources are not asked"),
        ({"ip_equal": {"qcs:ip": []}}, "condition.ip_equal.qcs:ip: there is no value"),
        ({"ip_equal": {"qcs:ip": [{}]}}, "an object is no value"),
        ({"ip_equal": {"qcs:ip": "the office"}}, "'the office' is not an address"),
        (
            {"ip_equal": {"qcs:current_time": "10.0.0.1"}},
            "ip_equal does not ask qcs:current_time; these do: date_equal",
        ),
        ({"string_like": {"qcs:ip": "10.*"}}, "string_like does not ask qcs:ip; these do: ip_equal"),
        ({"bool_equal": {"qcs:ip": "true"}}, "the operator 'bool_equal' is unknown"),
        ({"date_less_than": {"qcs:current_time": "tomorrow"}}, "'tomorrow' is not a time like 2026-"),
        ({"numeric_equal": {"qcs:uin": "ten"}}, "'ten' is not a number"),
        ({"null_equal": {"qcs:ip": "perhaps"}}, "'perhaps' is neither true nor false"),
    ],
)
def test_what_cannot_be_asked_is_refused_when_it_is_written(condition: object, said: str) -> None:
    with pytest.raises(PolicyInvalid) as caught:
        parse_condition(condition, "condition")
    assert said in caught.value.message


def test_a_refusal_of_an_operator_names_those_that_there_are() -> None:
    with pytest.raises(PolicyInvalid) as caught:
        parse_condition({"equal": {"qcs:ip": "10.0.0.1"}}, "condition")
    assert all(name in caught.value.message for name in OPERATORS)
