"""Lists are narrowed to what the evaluator allows, entry by entry: nothing more is shown and nothing is missing."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from roadstead.domain.narrowing import Narrowed
from roadstead.domain.policy import EVERYTHING, NOTHING, Circumstances, Resource
from roadstead.domain.policy_documents import parse
from roadstead.domain.reach import EVERYTHING_SHOWN, Names, Reach, Selection
from roadstead.domain.rights import CompiledRights
from tests.domain import plain_policies
from tests.domain.policy_strategies import OWNER, addresses, policies
from tests.domain.test_rights import ONE_REPOSITORY, allow, deny, rights

NOW = datetime(2026, 11, 23, 13, tzinfo=UTC)
HERE = Circumstances("10.0.0.1", NOW)
HEAD = "repository/tcr-a/"
WORDS = ("aa", "ab", "ba", "b", "abba")
REPOSITORIES = [
    *map("/".join, product(WORDS, WORDS)),
    *map("/".join, product(WORDS[:2], WORDS[:3], WORDS[:3])),
]
LIST = "tcr:DescribeRepositories"


def among(names: Names, name: str) -> bool:
    """Whether the name is in the set."""
    return (
        name in names.exact
        or any(name.startswith(start) for start in names.starts)
        or any(plain_policies.matches(pattern, name) for pattern in names.patterns)
    )


def selected(selection: Selection, name: str) -> bool:
    """Whether a list read by the selection has the name."""
    return among(selection.shown, name) and not among(selection.hidden, name)


def reach(found: CompiledRights | Narrowed, address: str = "10.0.0.1", region: str = "here") -> Reach:
    return Reach.of(found, LIST, Resource("tcr", region, OWNER, ""), Circumstances(address, NOW))


@given(policies, addresses)
def test_repositories_are_shown_exactly_as_the_evaluator_says(named: list[tuple[str, str]], address: str) -> None:
    found = reach(CompiledRights([(name, parse(text)) for name, text in named]), address)
    selection = found.names(HEAD)
    for name in REPOSITORIES:
        wanted, _, _ = plain_policies.verdict(named, LIST, ("tcr", "here", OWNER, HEAD + name), address, NOW)
        assert found.sees(HEAD + name) is wanted
        assert selected(selection, name) is wanted


@given(policies, addresses, st.sampled_from(WORDS))
def test_a_namespace_is_shown_for_anything_in_it(named: list[tuple[str, str]], address: str, namespace: str) -> None:
    found = reach(CompiledRights([(name, parse(text)) for name, text in named]), address)
    node = HEAD + namespace
    inside = [node, *(HEAD + name for name in REPOSITORIES if name.startswith(f"{namespace}/"))]
    allowed = [plain_policies.verdict(named, LIST, ("tcr", "here", OWNER, path), address, NOW)[0] for path in inside]
    if any(allowed):
        assert found.sees_into(node)
    if found.sees_into(node):
        assert selected(found.first_levels(HEAD), namespace)


@given(policies, st.sampled_from(["here", "there"]))
def test_without_a_region_resources_of_each_are_let_through(named: list[tuple[str, str]], region: str) -> None:
    found = reach(CompiledRights([(name, parse(text)) for name, text in named]), region="")
    for instance in ("tcr-aa", "tcr-b"):
        if found.sees_into(f"instance/{instance}", region) or found.sees_into(f"repository/{instance}", region):
            assert selected(found.first_levels("instance/", "repository/"), instance)


@given(policies, addresses, st.sampled_from(WORDS), st.sampled_from(["here", "there"]))
def test_namespaces_of_all_instances_are_let_through(
    named: list[tuple[str, str]], address: str, namespace: str, region: str
) -> None:
    found = reach(CompiledRights([(name, parse(text)) for name, text in named]), address, region="")
    for instance in ("tcr-a", "tcr-aa", "tcr-b"):
        if found.sees_into(f"repository/{instance}/{namespace}", region):
            assert selected(found.second_levels("repository/"), f"{instance}/{namespace}")


@given(policies, addresses, st.sampled_from(["here", "there"]))
def test_instances_that_are_seen_are_let_through(named: list[tuple[str, str]], address: str, region: str) -> None:
    found = reach(CompiledRights([(name, parse(text)) for name, text in named]), address, region="")
    for instance in ("tcr-a", "tcr-aa", "tcr-b"):
        if found.sees_instance(instance, region):
            assert any(selected(each, instance) for each in found.instances())


def test_an_instance_is_seen_for_what_is_in_it_unless_it_is_denied() -> None:
    inside = allow("*", "qcs::tcr:::repository/tcr-a/*")
    for statements, seen in (
        ([inside], True),
        ([inside, deny("*", "qcs::tcr:::instance/tcr-a")], False),
        ([inside, deny("*", "qcs::tcr:here::instance/*")], False),
        ([inside, deny("*", "qcs::tcr:::repository/tcr-a/*")], False),
        ([allow("*", "qcs::tcr:::instance/tcr-a"), deny("*", "qcs::tcr:::repository/*")], True),
    ):
        found = reach(rights(*statements), region="")
        assert found.sees_instance("tcr-a", "here") is seen
        assert not found.sees_instance("tcr-b", "here")


def test_what_is_hidden_at_the_second_level() -> None:
    everything = allow("*", "*")
    for path, hidden in (
        ("tcr-a/*", {"tcr-a/aa"}),
        ("tcr-a/aa/*", {"tcr-a/aa"}),
        ("*/aa/*", {"tcr-a/aa", "tcr-b/aa"}),
        ("tcr-a/aa/x*", set()),
        ("tcr-a", set()),
    ):
        selection = reach(rights(everything, deny("*", f"qcs::tcr:::repository/{path}"))).second_levels("repository/")
        nodes = {"tcr-a/aa", "tcr-b/aa", "tcr-b/ab"}
        assert {node for node in nodes if not selected(selection, node)} == hidden


def test_what_is_denied_whole_is_not_shown() -> None:
    found = reach(rights(allow("*", "*"), deny("*", "qcs::tcr:::repository/tcr-a/secret/*")))
    assert not found.sees_into(f"{HEAD}secret")
    assert found.sees_into(f"{HEAD}open")
    assert found.first_levels(HEAD).hidden == Names(exact=frozenset({"secret"}))
    partly = reach(rights(allow("*", "*"), deny("*", "qcs::tcr:::repository/tcr-a/secret/key*")))
    assert partly.sees_into(f"{HEAD}secret")
    assert not partly.first_levels(HEAD).hidden


def test_the_sample_of_one_repository_lists_its_namespace() -> None:
    found = Reach.of(rights(*ONE_REPOSITORY), "tcr:DescribeNamespaces", Resource("tcr", "here", OWNER, ""), HERE)
    assert found.sees_into("repository/tcr-x/team-01")
    assert not found.sees_into("repository/tcr-x/team-02")
    assert not found.sees_into("repository/tcr-y/team-01")
    assert found.first_levels("repository/tcr-x/") == Selection(Names(exact=frozenset({"team-01"})))


def test_a_condition_is_asked_once_for_the_whole_list() -> None:
    found = rights(allow("*", "*", condition={"ip_equal": {"qcs:ip": "10.0.0.1"}}))
    assert reach(found).names(HEAD) == EVERYTHING_SHOWN
    assert not reach(found, "10.0.0.2").names(HEAD).shown


def test_the_owner_sees_everything_and_a_stranger_nothing() -> None:
    area = Resource("tcr", "here", OWNER, "")
    everything = Reach.of(EVERYTHING, LIST, area, HERE)
    assert everything.names(HEAD).everything and everything.first_levels(HEAD).everything
    nothing = Reach.of(NOTHING, LIST, area, HERE)
    assert not nothing.names(HEAD).shown and not nothing.sees_into(HEAD + "aa")


def test_patterns_with_capital_letters_match_no_name() -> None:
    found = reach(rights(allow("*", f"qcs::tcr:::{HEAD}Aa/*")))
    assert not found.names(HEAD).shown


def test_narrowed_rights_show_what_both_allow() -> None:
    wide, narrow = rights(allow("*", "*")), rights(allow("*", f"qcs::tcr:::{HEAD}aa/*"))
    for both in (Narrowed(wide, narrow), Narrowed(narrow, wide)):
        found = reach(both)
        assert [each for each in ("aa", "ab") if found.sees_into(HEAD + each)] == ["aa"]
        assert selected(found.first_levels(HEAD), "aa")
