"""The compiled evaluator: against a plain one on whatever policies come, and on the tables of the documentation."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadstead.domain.narrowing import Narrowed
from roadstead.domain.policy import EVERYTHING, NOTHING, Circumstances, Resource
from roadstead.domain.policy_documents import parse
from roadstead.domain.rights import CompiledRights
from tests.domain import plain_policies
from tests.domain.policy_strategies import ACTIONS, OWNER, REGIONS, addresses, paths, policies

NOW = datetime(2026, 11, 23, 13, tzinfo=UTC)
HERE = Circumstances("10.0.0.1", NOW, "200")


def compiled(named: list[tuple[str, str]]) -> CompiledRights:
    return CompiledRights([(name, parse(text)) for name, text in named])


def rights(*statements: dict[str, Any]) -> CompiledRights:
    return compiled([("p", json.dumps({"version": "2.0", "statement": list(statements)}))])


def allow(actions: Any, resources: Any, **more: Any) -> dict[str, Any]:
    return {"effect": "allow", "action": actions, "resource": resources, **more}


def deny(actions: Any, resources: Any, **more: Any) -> dict[str, Any]:
    return {**allow(actions, resources, **more), "effect": "deny"}


def may(found: CompiledRights, action: str, path: str, circumstances: Circumstances = HERE) -> bool:
    return found.decide(action, Resource(action.partition(":")[0], "here", OWNER, path), circumstances).allowed


@given(
    policies, st.lists(st.tuples(st.sampled_from(ACTIONS), paths, st.sampled_from(REGIONS), addresses), max_size=8)
)
def test_it_decides_as_the_plain_one(
    named: list[tuple[str, str]], questions: list[tuple[str, str, str, str]]
) -> None:
    """Each question twice, so that what is remembered answers too."""
    found = compiled(named)
    for action, path, region, address in questions * 2:
        asked = Resource(action.partition(":")[0], region, OWNER, path)
        decision = found.decide(action, asked, Circumstances(address, NOW))
        allowed, policy, statement = plain_policies.verdict(named, action, tuple(asked), address, NOW)
        assert decision.allowed is allowed, decision
        if policy:
            assert (decision.policy, decision.statement) == (policy, statement)


FULL = [allow("tcr:*", "*")]
READ_ONLY = [allow(["tcr:Describe*", "tcr:PullRepository*"], "*")]
ALL_ENTERPRISE = ["qcs::tcr:::instance/*", "qcs::tcr:::repository/*"]
ENTERPRISE = [allow("tcr:*", ALL_ENTERPRISE)]
ENTERPRISE_READ = [allow(["tcr:Describe*", "tcr:PullRepository*"], ALL_ENTERPRISE)]
ONE_INSTANCE = [allow("tcr:*", "qcs::tcr:::instance/tcr-x")]
ONE_NAMESPACE = [
    allow("tcr:*", "qcs::tcr:::repository/tcr-x/team-01/*"),
    allow("tcr:DescribeInstance*", "qcs::tcr:::repository/tcr-x"),
]
ONE_REPOSITORY = [
    allow(
        ["tcr:DescribeRepositories", "tcr:PullRepository", "tcr:DescribeNamespaces"],
        "qcs::tcr:::repository/tcr-x/team-01/repo-demo/*",
    ),
    allow("tcr:DescribeInstance*", "qcs::tcr:::instance/tcr-x"),
]
REPO = "repository/tcr-x/team-01/repo-demo"


@pytest.mark.parametrize(
    ("scheme", "allowed", "refused"),
    [
        (
            FULL,
            [("tcr:CreateInstance", "instance/*"), ("tcr:PushRepository", REPO), ("tcr:DeleteNamespace", REPO)],
            [("cam:CreatePolicy", "policyid/*")],
        ),
        (
            READ_ONLY,
            [
                ("tcr:DescribeInstances", "instance/*"),
                ("tcr:PullRepository", REPO),
                ("tcr:DescribeImages", f"{REPO}/*"),
            ],
            [("tcr:PushRepository", REPO), ("tcr:DeleteImage", REPO), ("tcr:CreateRepository", REPO)],
        ),
        (
            ENTERPRISE,
            [("tcr:CreateInstance", "instance/*"), ("tcr:PushRepository", REPO)],
            [("tcr:PullRepositoryPersonal", "repo/team-01/demo"), ("tcr:AuthorizeUserImageBuildConfig", "*")],
        ),
        (
            ENTERPRISE_READ,
            [("tcr:DescribeInstances", "instance/tcr-x"), ("tcr:PullRepository", REPO)],
            [("tcr:ModifyInstance", "instance/tcr-x"), ("tcr:PushRepository", REPO)],
        ),
        (
            ONE_INSTANCE,
            [("tcr:ModifyInstance", "instance/tcr-x"), ("tcr:CreateInstanceToken", "instance/tcr-x")],
            # It gives no right to pull or push.
            [("tcr:PullRepository", REPO), ("tcr:DescribeInstances", "instance/tcr-y")],
        ),
        (
            ONE_NAMESPACE,
            [
                # The trailing /* covers the namespace itself.
                ("tcr:ModifyNamespace", "repository/tcr-x/team-01"),
                ("tcr:DescribeRepositories", "repository/tcr-x/team-01/*"),
                ("tcr:PushRepository", REPO),
                ("tcr:CreateHelmChart", REPO),
            ],
            [
                ("tcr:PushRepository", "repository/tcr-x/team-011/repo"),
                ("tcr:DeleteNamespace", "repository/tcr-x/team-02"),
                ("tcr:PushRepository", "repository/tcr-y/team-01/repo"),
                # A slip of the page: it grants instance actions on a repository resource.
                ("tcr:DescribeInstances", "instance/tcr-x"),
            ],
        ),
        (
            ONE_REPOSITORY,
            [
                ("tcr:PullRepository", REPO),
                ("tcr:DescribeRepositories", REPO),
                ("tcr:DescribeInstanceStatus", "instance/tcr-x"),
            ],
            [
                ("tcr:PullRepository", f"{REPO}-2"),
                ("tcr:PushRepository", REPO),
                # The list of namespaces is not refused for this, but narrowed.
                ("tcr:DescribeNamespaces", "repository/tcr-x/*"),
            ],
        ),
    ],
)
def test_the_published_schemes_do_what_the_page_says(
    scheme: list[dict[str, Any]], allowed: list[tuple[str, str]], refused: list[tuple[str, str]]
) -> None:
    found = rights(*scheme)
    assert [asked for asked in allowed if not may(found, *asked)] == []
    assert [asked for asked in refused if may(found, *asked)] == []


def test_an_explicit_denial_wins_wherever_it_stands() -> None:
    ways = [allow("*", "*"), deny("tcr:Delete*", "qcs::tcr:::repository/tcr-x/prod/*")]
    for statements in (ways, ways[::-1]):
        found = rights(*statements)
        assert may(found, "tcr:DeleteImage", "repository/tcr-x/dev/web")
        assert not may(found, "tcr:DeleteImage", "repository/tcr-x/prod/web")
        assert may(found, "tcr:PullRepository", "repository/tcr-x/prod/web")


def test_names_of_actions_have_no_case_and_paths_have() -> None:
    found = rights(allow("tcr:pullREPOSITORY", "qcs::tcr:::repository/tcr-x/Prod/*"))
    assert may(found, "tcr:PullRepository", "repository/tcr-x/Prod/web")
    assert not may(found, "tcr:PullRepository", "repository/tcr-x/prod/web")


@pytest.mark.parametrize(
    ("pattern", "region", "owner", "covered"),
    [
        ("qcs::tcr:::instance/tcr-x", "anywhere", "100", True),
        ("qcs::tcr:*::instance/tcr-x", "anywhere", "100", True),
        ("qcs::tcr:ap-guangzhou::instance/tcr-x", "ap-guangzhou", "100", True),
        ("qcs::tcr:ap-guangzhou::instance/tcr-x", "ap-shanghai", "100", False),
        ("qcs::tcr:ap-*::instance/tcr-x", "ap-shanghai", "100", True),
        ("qcs::tcr::uin/100:instance/tcr-x", "anywhere", "100", True),
        ("qcs::tcr::uin/101:instance/tcr-x", "anywhere", "100", False),
        ("qcs::cam:::instance/tcr-x", "anywhere", "100", False),
        ("qcs::*:::instance/tcr-x", "anywhere", "100", True),
    ],
)
def test_which_segments_a_resource_must_have(pattern: str, region: str, owner: str, covered: bool) -> None:
    found = rights(allow("*", pattern))
    asked = Resource("tcr", region, owner, "instance/tcr-x")
    assert found.decide("tcr:DescribeInstances", asked, HERE).allowed is covered


def test_a_decision_names_the_policy_and_the_statement() -> None:
    texts = [
        ("first", {"version": "2.0", "statement": allow("tcr:Push*", "*")}),
        ("second", {"version": "2.0", "statement": [allow("tcr:Describe*", "*"), allow("tcr:Pull*", "*")]}),
        ("third", {"version": "2.0", "statement": [deny("tcr:PullRepository", "qcs::tcr:::repository/tcr-x/b/*")]}),
    ]
    found = compiled([(name, json.dumps(text)) for name, text in texts])
    asked = Resource("tcr", "here", OWNER, "repository/tcr-x/a/web")
    decision = found.decide("tcr:PullRepository", asked, HERE)
    assert (decision.policy, decision.statement) == ("second", 1)
    assert decision.reason == "statement 2 of the policy second allows it"
    denied = found.decide("tcr:PullRepository", asked._replace(path="repository/tcr-x/b/web"), HERE)
    assert (denied.policy, denied.statement, denied.allowed) == ("third", 0, False)
    unnamed = found.decide("tcr:DeleteImage", asked, HERE)
    assert (unnamed.policy, unnamed.reason) == ("", "no policy of the account allows it")


def test_a_condition_that_is_not_met_is_told() -> None:
    found = rights(allow("tcr:*", "*", condition={"ip_equal": {"qcs:ip": "192.0.2.0/24"}}))
    asked = Resource("tcr", "here", OWNER, "instance/tcr-x")
    assert found.decide("tcr:DescribeInstances", asked, HERE._replace(address="192.0.2.7")).allowed
    refused = found.decide("tcr:DescribeInstances", asked, HERE)
    assert not refused.allowed
    assert refused.reason == "statement 1 of the policy p would allow it, but its condition is not met"


def test_narrowed_rights_hold_as_far_as_both_allow() -> None:
    asked = Resource("tcr", "here", OWNER, REPO)
    pull, push = rights(allow("tcr:Pull*", "*")), rights(allow("tcr:Push*", "*"))
    for first, second, wanted in (
        (EVERYTHING, pull, True),
        (pull, EVERYTHING, True),
        (pull, push, False),
        (pull, NOTHING, False),
        (NOTHING, pull, False),
    ):
        assert Narrowed(first, second).decide("tcr:PullRepository", asked, HERE).allowed is wanted
