"""Names and permissions of service accounts, and what they may do."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from roadstead.domain.policy import Circumstances, Resource
from roadstead.domain.reach import Names, Reach, Selection
from roadstead.domain.service_accounts import (
    Granted,
    ServiceRights,
    granted,
    login_name,
    parsed,
    plain_name,
    written,
)
from roadstead.errors import InvalidInput, NameInvalid

PULL, PUSH, CREATE = "tcr:PullRepository", "tcr:PushRepository", "tcr:CreateRepository"
HERE = Circumstances("192.0.2.1", datetime(2026, 11, 23, tzinfo=UTC))


@pytest.mark.parametrize(
    ("text", "name"),
    [("ci", "ci"), ("tcr$ci", "ci"), ("tcr@ci", "ci"), ("A.b_c-9", "A.b_c-9"), ("x", "x"), ("n" * 64, "n" * 64)],
)
def test_a_name_with_and_without_its_prefix(text: str, name: str) -> None:
    assert plain_name(text) == name


@pytest.mark.parametrize(
    "text", ["", "tcr$", "tcr@", "tcr$tcr$ci", "-ci", "ci-", "a b", "a/b", "a$b", "n" * 65, "é", "a\0", "ci\n"]
)
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(NameInvalid):
        plain_name(text)


def test_a_username_of_an_account_is_none_of_a_service_account() -> None:
    assert [login_name(text) for text in ("100001", "", "tcr", "TCR$ci", "x.tcr$ci")] == [None] * 5
    assert [login_name(text) for text in ("tcr$ci", "tcr@ci", "tcr$")] == ["ci", "ci", ""]


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ([], "custom account's permission can not be empty"),
        ([("prod", [])], "custom account's permission can not be empty"),
        ([("prod/web", [PULL])], r"custom account for resource\(prod/web\) is illegal"),
        ([("PROD", [PULL])], r"custom account for resource\(PROD\) is illegal"),
        ([("", [PULL])], r"custom account for resource\(\) is illegal"),
        ([("prod*", [PULL])], "is illegal"),
        ([("prod", ["tcr:DeleteImage"])], "not support action 'tcr:DeleteImage'"),
        ([("prod", ["tcr:*"])], "not support action"),
        ([("prod", ["*"])], "not support action"),
        ([("prod", [PULL])] * 101, "up to 100"),
    ],
)
def test_permissions_that_cannot_be_given(asked: list[tuple[str, list[str]]], problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem):
        granted(asked)


def test_permissions_are_kept_as_they_were_given() -> None:
    given = granted([("prod", [PULL, PUSH, PULL]), ("*", [PULL])])
    assert given == (Granted("prod", (PULL, PUSH)), Granted("*", (PULL,)))
    assert parsed(written(given)) == given


@pytest.mark.parametrize(
    ("action", "path", "allowed"),
    [
        (PULL, "repository/tcr-1/prod/web", True),
        (PULL, "repository/tcr-1/prod/web/deep", True),
        (PUSH, "repository/tcr-1/prod/web", True),
        (PUSH, "repository/tcr-1/test/web", False),
        (PULL, "repository/tcr-1/test/web", True),
        (PULL, "repository/tcr-2/prod/web", False),
        (PULL, "repository/tcr-1/product/web", True),
        (PUSH, "repository/tcr-1/product/web", False),
        (CREATE, "repository/tcr-1/prod/web", False),
        (PULL, "repository/tcr-1/*", False),
        (PULL, "repository/tcr-1", False),
        (PULL, "instance/tcr-1/prod", False),
        ("tcr:DeleteImage", "repository/tcr-1/prod/web", False),
        ("tcr:CreateServiceAccount", "instance/tcr-1", False),
        ("cam:AddUser", "uin/*", False),
    ],
)
def test_what_a_service_account_may_do(action: str, path: str, allowed: bool) -> None:
    rights = ServiceRights("tcr-1", (Granted("prod", (PUSH,)), Granted("*", (PULL,))))
    decision = rights.decide(action, Resource("tcr", "local", "", path), HERE)
    assert decision.allowed is allowed
    assert decision.gate == "policy" and decision.reason


def test_lists_show_a_service_account_what_it_may_pull() -> None:
    rights = ServiceRights("tcr-1", (Granted("prod", (PUSH, PULL)), Granted("test", (PUSH,))))
    area = Resource("tcr", "local", "100", "")
    reach = Reach.of(rights, PULL, area, HERE)
    assert reach.names("repository/tcr-1/") == Selection(Names(frozenset({"prod"}), ("prod/",)))
    assert reach.sees("repository/tcr-1/prod/web") and not reach.sees("repository/tcr-1/test/web")
    assert not reach.names("repository/tcr-2/").shown
    every = Reach.of(ServiceRights("tcr-1", (Granted("*", (PULL,)),)), PULL, area, HERE)
    assert every.names("repository/tcr-1/").everything
