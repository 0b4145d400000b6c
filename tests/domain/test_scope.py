"""Token scopes: what a token request says, and what a token of it covers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadstead.domain.scope import ACTIONS, Scope, expand, parse_scopes

names = st.text("abz09./-_:", min_size=1, max_size=20)
kinds = st.sampled_from(["repository", "registry", "other"])
actions = st.lists(st.sampled_from(["pull", "push", "delete", "*", "metadata"]), unique=True).map(tuple)
scopes = st.builds(Scope, kinds, names, actions)


@pytest.mark.parametrize(
    ("texts", "parsed"),
    [
        ([], ()),
        ([""], ()),
        (["repository:prod/web:pull"], (Scope("repository", "prod/web", ("pull",)),)),
        (["repository:prod/web:pull,push"], (Scope("repository", "prod/web", ("pull", "push")),)),
        (["registry:catalog:*"], (Scope("registry", "catalog", ("*",)),)),
        # A kind may carry a class, a name may hold a host with a port.
        (["repository(plugin):prod/web:pull"], (Scope("repository", "prod/web", ("pull",)),)),
        (["repository:localhost:5000/web:pull"], (Scope("repository", "localhost:5000/web", ("pull",)),)),
        # Several in one parameter, several parameters, one resource twice.
        (
            ["repository:a/b:pull repository:c/d:push"],
            (Scope("repository", "a/b", ("pull",)), Scope("repository", "c/d", ("push",))),
        ),
        (["repository:a/b:pull", "repository:a/b:push,pull"], (Scope("repository", "a/b", ("pull", "push")),)),
        (["repository:a/b:"], (Scope("repository", "a/b", ()),)),
        (["repository:a/b:,,pull,"], (Scope("repository", "a/b", ("pull",)),)),
        # What does not parse asks for nothing.
        (["repository", "repository:a/b", ":a/b:pull", "repository::pull", "(x):a/b:pull", "::"], ()),
    ],
)
def test_scopes_as_clients_write_them(texts: list[str], parsed: tuple[Scope, ...]) -> None:
    assert parse_scopes(texts) == parsed


@given(scopes)
def test_a_scope_survives_being_written(scope: Scope) -> None:
    written = str(scope)
    # A name that ends with a colon cannot be told from an empty one before the actions; no repository has one.
    if not scope.name.strip(":"):
        return
    assert parse_scopes([written]) == (scope,)


@given(st.lists(scopes, max_size=6))
def test_joining_loses_and_invents_nothing(asked: list[Scope]) -> None:
    found = parse_scopes([" ".join(map(str, asked))])
    wanted = {(scope.kind, scope.name, action) for scope in asked for action in scope.actions}
    assert {(scope.kind, scope.name, action) for scope in found for action in scope.actions} == wanted
    assert len({(scope.kind, scope.name) for scope in found}) == len(found)


@given(st.lists(st.text(max_size=40), max_size=5))
def test_no_text_breaks_the_parser(texts: list[str]) -> None:
    for scope in parse_scopes(texts):
        assert scope.kind and scope.name


@pytest.mark.parametrize(
    ("scope", "kind", "name", "action", "allowed"),
    [
        ("repository:a/b:pull", "repository", "a/b", "pull", True),
        ("repository:a/b:pull", "repository", "a/b", "push", False),
        ("repository:a/b:pull", "repository", "a/bc", "pull", False),
        ("repository:a/b:pull", "registry", "a/b", "pull", False),
        ("repository:a/b:*", "repository", "a/b", "delete", True),
        ("registry:catalog:*", "registry", "catalog", "*", True),
        ("registry:catalog:pull", "registry", "catalog", "*", False),
        ("repository:a/b:", "repository", "a/b", "pull", False),
    ],
)
def test_what_a_scope_covers(scope: str, kind: str, name: str, action: str, allowed: bool) -> None:
    (parsed,) = parse_scopes([scope])
    assert parsed.allows(kind, name, action) is allowed


@pytest.mark.parametrize(
    ("asked", "known"),
    [
        ((), ()),
        (("pull",), ("pull",)),
        (("push", "pull"), ("pull", "push")),
        (("*",), ACTIONS),
        (("*", "pull"), ACTIONS),
        (("metadata", "pull", "admin"), ("pull",)),
    ],
)
def test_known_actions(asked: tuple[str, ...], known: tuple[str, ...]) -> None:
    assert expand(asked) == known
