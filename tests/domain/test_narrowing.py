"""Narrowed rights: both must allow."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product

from roadstead.domain.narrowing import Narrowed
from roadstead.domain.policy import Circumstances, Decision, Resource

WANTED = Resource("tcr", "local", "100", "repository/tcr-1/prod/web")
HERE = Circumstances("192.0.2.1", datetime(2026, 11, 23, tzinfo=UTC))


@dataclass(frozen=True)
class Saying:
    """Rights that give one answer to everything."""

    allowed: bool
    reason: str

    def decide(self, action: str, resource: Resource, circumstances: Circumstances) -> Decision:
        return Decision(self.allowed, "policy", self.reason)


def test_both_must_allow_and_the_one_that_refuses_is_named() -> None:
    for account, token in product((True, False), (True, False)):
        decision = Narrowed(Saying(account, "by account"), Saying(token, "by token")).decide("tcr:X", WANTED, HERE)
        assert decision.allowed is (account and token)
        if not decision.allowed:
            assert ("by account" in decision.reason) is not account
            assert ("session token" in decision.reason) is account
