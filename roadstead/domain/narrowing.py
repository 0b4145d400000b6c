"""Rights that were narrowed: what both the account and the policy of a session token allow."""

from __future__ import annotations

from dataclasses import dataclass

from roadstead.domain.policy import Circumstances, Decision, Resource, Rights


@dataclass(frozen=True, slots=True)
class Narrowed:
    """The rights of a session token that was issued with a policy."""

    account: Rights
    token: Rights

    def decide(self, action: str, resource: Resource, circumstances: Circumstances) -> Decision:
        """Whether both allow it; the refusal is of the one that refuses."""
        decision = self.account.decide(action, resource, circumstances)
        if not decision.allowed:
            return decision
        narrowed = self.token.decide(action, resource, circumstances)
        if narrowed.allowed:
            return decision
        return Decision(
            False, "policy", f"the policy of the session token: {narrowed.reason}", "", narrowed.statement
        )
