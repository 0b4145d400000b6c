"""The one permission check: may this caller do this to that, and which gate says so."""

from __future__ import annotations

from roadstead.domain.identity import Caller
from roadstead.domain.policy import SCOPE_WORD, Action, Decision
from roadstead.domain.reference import RepositoryName
from roadstead.errors import AccessDenied, NotAuthenticated
from roadstead.metadata.instances import Instance


def decide(caller: Caller, action: str, instance: Instance | None, *, public: bool) -> Decision:
    """Whether the account behind the caller may; `public` says that the action's target is a public namespace.

    Token scopes are not asked here: they narrow what an account may, and `permit` asks them after this.
    """
    if caller.owner:
        return Decision(True, "policy", "the account owns this deployment")
    if action == Action.PULL and public and instance is not None and instance.anonymous_access:
        return Decision(True, "policy", "the namespace is public")
    if action == Action.LIST and caller.scopes is not None:
        return Decision(True, "policy", "the list shows what the account may see")
    if caller.anonymous:
        return Decision(False, "credential", "nobody is logged in")
    return Decision(False, "policy", "no policy of the account allows it")


def permit(
    caller: Caller, action: Action, instance: Instance, repository: RepositoryName | None, *, public: bool
) -> None:
    """Returns when the caller may; raises NotAuthenticated or AccessDenied, naming gate, action and resource."""
    decision = decide(caller, action, instance, public=public)
    where = f"repository/{instance.registry_id}/{repository or '*'}"
    detail = {"gate": decision.gate, "action": str(action), "resource": where, "reason": decision.reason}
    if not decision.allowed and caller.anonymous:
        raise NotAuthenticated(f"credential: log in to do {action} on {repository or 'this registry'}", detail=detail)
    if not decision.allowed:
        raise AccessDenied(
            f"policy: account {caller.uin} may not do {action} on {where}: {decision.reason}", detail=detail
        )
    if caller.scopes is not None and not _in_scope(caller, action, repository):
        detail |= {"gate": "token", "reason": "the token was issued for less"}
        raise NotAuthenticated(
            f"token: it does not cover {SCOPE_WORD.get(action, 'this')} on {repository or 'the catalog'}; "
            "ask the token service for that scope",
            detail=detail,
        )


def _in_scope(caller: Caller, action: Action, repository: RepositoryName | None) -> bool:
    scopes = caller.scopes or ()
    if repository is None:
        return any(scope.allows("registry", "catalog", "*") for scope in scopes)
    word = SCOPE_WORD[action]
    return any(scope.allows("repository", str(repository), word) for scope in scopes)
