"""Rights that were narrowed: what both the account and the policy of a session token allow."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from roadstead.domain.policy import Circumstances, Decision, Paths, Resource, Rights
from roadstead.domain.policy_documents import parse
from roadstead.domain.rights import CompiledRights

# What decisions call the policy of a session token.
_NAME = "(session token)"


@dataclass(frozen=True, slots=True)
class Narrowed:
    """The rights of a session token that was issued with a policy."""

    account: Rights
    token: Rights

    def decide(self, action: str, resource: Resource, circumstances: Circumstances) -> Decision:
        """Whether both allow it; the refusal is of the one that refuses, the account's first."""
        decision = self.account.decide(action, resource, circumstances)
        if not decision.allowed:
            return decision
        narrowed = self.token.decide(action, resource, circumstances)
        if narrowed.allowed:
            return decision
        return replace(narrowed, reason=f"the session token was issued for less: {narrowed.reason}")

    def paths(self, action: str, area: Resource, circumstances: Circumstances) -> Paths:
        """Those of the token's policy, less what either denies; `decide` has the last word on each."""
        account = self.account.paths(action, area, circumstances)
        token = self.token.paths(action, area, circumstances)
        return Paths(token.allowed, [*account.denied, *token.denied])


def narrowed(rights: Rights, policy: str) -> Rights:
    """The rights of a temporary key that was issued with the policy; empty: all those of its account."""
    return Narrowed(rights, _limit(policy)) if policy else rights


@lru_cache(maxsize=1024)
def _limit(policy: str) -> Rights:
    return CompiledRights([(_NAME, parse(policy))])
