"""The one permission check, as a table of everything that it depends on."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import product

import pytest

from roadstead.domain.identity import Caller, CredentialKind
from roadstead.domain.policy import EVERYTHING, Action
from roadstead.domain.reference import RepositoryName
from roadstead.domain.scope import Scope, parse_scopes
from roadstead.errors import NotAuthenticated
from roadstead.services.policies import decide, permit
from tests.factories.accounts import origin
from tests.metadata.scene import instance

OWNER = Caller(1, "100", "100", CredentialKind.LONG_TERM, origin(), rights=EVERYTHING)
NOW = datetime(2026, 11, 23, tzinfo=UTC)
PATH = "repository/tcr-1/prod/web"
SUB = Caller(2, "200", "100", CredentialKind.LONG_TERM, origin())
NOBODY = Caller(None, "", "", CredentialKind.NONE, origin())
WEB = RepositoryName.parse("prod/web")


@pytest.mark.parametrize("action", [*Action, "tcr:CreateInstance"])
def test_the_owner_may_do_everything_and_others_pull_what_is_public(action: str) -> None:
    for caller, public, anonymous in product((OWNER, SUB, NOBODY), (True, False), (True, False)):
        here = replace(instance(), anonymous_access=anonymous)
        wanted = caller is OWNER or (action == Action.PULL and public and anonymous)
        decision = decide(caller, action, here, PATH, now=NOW, public=public)
        assert decision.allowed is wanted, (caller, public, anonymous)
        assert decision.reason
        if not wanted:
            assert decision.gate == ("credential" if caller is NOBODY else "policy")


def test_without_an_instance_nothing_is_public() -> None:
    assert not decide(NOBODY, Action.PULL, None, PATH, now=NOW, public=True).allowed


@pytest.mark.parametrize("caller", [SUB, NOBODY])
def test_a_list_is_for_whoever_has_a_token_for_it(caller: Caller) -> None:
    """It shows only what the caller could pull."""
    catalog = (Scope("registry", "catalog", ("*",)),)
    permit(replace(caller, scopes=catalog), Action.LIST, instance(), None, now=NOW, public=False)
    for scopes in ((), parse_scopes(["repository:prod/web:pull"]), parse_scopes(["registry:catalog:pull"])):
        with pytest.raises(NotAuthenticated):
            permit(replace(caller, scopes=scopes), Action.LIST, instance(), None, now=NOW, public=False)


def test_a_token_never_widens_what_an_account_may() -> None:
    every = parse_scopes(["repository:prod/web:*", "registry:catalog:*"])
    for caller in (SUB, NOBODY):
        for action in (Action.PULL, Action.PUSH, Action.DELETE):
            assert not decide(replace(caller, scopes=every), action, instance(), PATH, now=NOW).allowed


def test_a_refusal_says_what_was_asked_for() -> None:
    with pytest.raises(NotAuthenticated) as caught:
        permit(replace(OWNER, scopes=()), Action.PUSH, instance(), WEB, now=NOW, public=False)
    assert caught.value.detail == {
        "gate": "token",
        "action": "tcr:PushRepository",
        "resource": "repository/tcr-first/prod/web",
        "reason": "the token was issued for less",
    }
