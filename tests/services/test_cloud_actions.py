"""The table of the cloud's actions: complete, and each action has a state."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import pytest

from roadstead.errors import OperationUnknown, OperationUnsupported
from roadstead.services.cloud_actions import AREAS, PERSONAL, VERSIONS, find, service_of
from roadstead.services.table import OPERATIONS

ENTERPRISE = [action for area in AREAS for action in area.actions]


def contract() -> dict[str, Any]:
    text = files("tccli").joinpath("services/tcr/v20190924/api.json").read_text()
    found: dict[str, Any] = json.loads(text)
    return found


def test_the_table_names_every_action_of_the_cloud_once() -> None:
    assert (len(ENTERPRISE), len(PERSONAL)) == (96, 31)
    assert sorted([*ENTERPRISE, *PERSONAL]) == sorted(contract()["actions"])


def test_hints_of_the_personal_edition_name_enterprise_actions() -> None:
    assert {hint for hint in PERSONAL.values() if hint} <= set(ENTERPRISE)


@pytest.mark.parametrize("action", ENTERPRISE)
def test_an_action_is_answered_or_says_what_brings_it(action: str) -> None:
    if action in OPERATIONS:
        assert find("tcr", action) is OPERATIONS[action]
    else:
        with pytest.raises(OperationUnsupported, match=f"^{action} is not offered yet: it comes with "):
            find("tcr", action)


@pytest.mark.parametrize("action", PERSONAL)
def test_an_action_of_the_personal_edition_hints_at_its_counterpart(action: str) -> None:
    with pytest.raises(OperationUnsupported, match="personal edition") as told:
        find("tcr", action)
    assert PERSONAL[action] in told.value.message


@pytest.mark.parametrize(
    ("service", "action", "said"),
    [
        ("tcr", "DescribeNamespace", "did you mean DescribeNamespaces"),
        ("tcr", "", "no action ''"),
        ("tcr", "x" * 500, "no action 'x"),
        ("cam", "DescribeNamespaces", "the service cam has no action"),
        ("cam", "CreateGCJob", "the service cam has no action"),
    ],
)
def test_what_is_no_action_is_unknown(service: str, action: str, said: str) -> None:
    with pytest.raises(OperationUnknown, match=said) as told:
        find(service, action)
    assert len(told.value.message) < 300


def test_an_older_signature_means_the_service_that_has_the_action() -> None:
    assert service_of("DescribeNamespaces", VERSIONS["tcr"]) == "tcr"
    assert service_of("Nothing", VERSIONS["cam"]) == "cam"
    assert service_of("Nothing", "") == "tcr"
