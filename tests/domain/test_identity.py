"""Callers: who is the owner, who is nobody, and what events call them."""

from __future__ import annotations

import dataclasses

import pytest

from roadstead.domain.identity import NOBODY, Caller, CredentialKind, Door, Origin, anonymous
from roadstead.domain.scope import Scope

ORIGIN = Origin(Door.REGISTRY, "127.0.0.1", "request")


@pytest.mark.parametrize(
    ("account_id", "uin", "owner_uin", "is_anonymous", "is_owner", "name"),
    [
        (1, "100", "100", False, True, "100"),
        (2, "200", "100", False, False, "200"),
        (None, "", "", True, False, "anonymous"),
        # Nobody is not the owner, whatever else is said of them.
        (None, "100", "100", True, False, "100"),
    ],
)
def test_who_a_caller_is(
    account_id: int | None, uin: str, owner_uin: str, is_anonymous: bool, is_owner: bool, name: str
) -> None:
    caller = Caller(account_id, uin, owner_uin, CredentialKind.LONG_TERM, ORIGIN)
    assert (caller.anonymous, caller.owner, caller.name) == (is_anonymous, is_owner, name)


def test_nobody_in_particular() -> None:
    narrowed = (Scope("repository", "a/b", ("pull",)),)
    caller = anonymous(ORIGIN, narrowed)
    assert caller.anonymous and not caller.owner
    assert (caller.kind, caller.scopes, caller.name) == (CredentialKind.NONE, narrowed, "anonymous")
    assert anonymous(ORIGIN).scopes is None


def test_what_nobody_presents() -> None:
    assert (NOBODY.kind, NOBODY.uin, NOBODY.credential_id, NOBODY.secret_hash) == (CredentialKind.NONE, "", "", "")


def test_a_caller_cannot_be_changed() -> None:
    caller = anonymous(ORIGIN)
    with pytest.raises(dataclasses.FrozenInstanceError):
        caller.account_id = 1  # type: ignore[misc]
