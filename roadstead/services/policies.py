"""The one permission check: may this caller do this to that, and which gate says so."""

from __future__ import annotations

from datetime import datetime

from roadstead.domain.identity import Caller
from roadstead.domain.policy import SCOPE_WORD, Action, Circumstances, Decision, Resource
from roadstead.domain.reach import Reach
from roadstead.domain.reference import RepositoryName
from roadstead.errors import AccessDenied, LoginNeeded, NotAuthenticated
from roadstead.metadata.instances import Instance


def decide(
    caller: Caller, action: str, instance: Instance | None, path: str, *, now: datetime, public: bool = False
) -> Decision:
    """Whether the account behind the caller may do the action on the resource of that path.

    `public` says that the action's target is a public namespace. Token scopes are not asked here: they narrow what
    an account may, and `permit` asks them after this.
    """
    if action == Action.PULL and public and instance is not None and instance.anonymous_access:
        return Decision(True, "policy", "the namespace is public")
    if caller.anonymous:
        return Decision(False, "credential", "nobody is logged in")
    return caller.rights.decide(action, _resource(caller, action, instance, path), _circumstances(caller, now))


def reach_of(caller: Caller, action: str, instance: Instance | None, *, now: datetime) -> Reach:
    """What of an instance (None: of all of them) the account behind the caller may do the action on."""
    return Reach.of(caller.rights, action, _resource(caller, action, instance, ""), _circumstances(caller, now))


def _resource(caller: Caller, action: str, instance: Instance | None, path: str) -> Resource:
    region = instance.region if instance is not None else ""
    return Resource(action.partition(":")[0], region, caller.owner_uin, path)


def _circumstances(caller: Caller, now: datetime) -> Circumstances:
    return Circumstances(caller.origin.address, now, caller.uin)


def permit(
    caller: Caller,
    action: Action,
    instance: Instance,
    repository: RepositoryName | None,
    *,
    now: datetime,
    public: bool,
) -> None:
    """Returns when the caller may; raises NotAuthenticated or AccessDenied, naming gate, action and resource."""
    path = f"repository/{instance.registry_id}/{_named(action, repository)}"
    decision = _asked(caller, action, instance, path, now=now, public=public)
    if not decision.allowed:
        raise refusal(caller, action, path, decision)
    _check_scope(caller, action, repository, path, decision)


# The actions on charts, each with that on images which allows the same: charts are repositories too.
_OF_IMAGES = {
    Action.CHART_PULL: Action.PULL,
    Action.CHART_PUSH: Action.PUSH,
    Action.CHART_DELETE: Action.DELETE,
}


def permit_chart(
    caller: Caller, action: Action, instance: Instance, repository: RepositoryName, *, now: datetime, public: bool
) -> bool:
    """Returns when the caller may by the action on charts (True), or else by that on images (False).

    A denial of the one is not undone by leave for the other. Raises NotAuthenticated or AccessDenied.
    """
    path = f"repository/{instance.registry_id}/{repository}"
    decision = decide(caller, action, instance, path, now=now)
    open_to_all = action == Action.CHART_PULL and public and instance.anonymous_access
    if decision.allowed and not open_to_all:
        _check_scope(caller, action, repository, path, decision)
        return True
    if not decision.policy or open_to_all:
        decision = decide(caller, _OF_IMAGES[action], instance, path, now=now, public=public)
    if not decision.allowed:
        raise refusal(caller, action, path, decision)
    _check_scope(caller, action, repository, path, decision)
    return False


def chart_reaches(caller: Caller, action: Action, instance: Instance, *, now: datetime) -> tuple[Reach, Reach]:
    """What of an instance the caller may do the action on charts on: by itself, and by that on images."""
    return reach_of(caller, action, instance, now=now), reach_of(caller, _OF_IMAGES[action], instance, now=now)


def _check_scope(
    caller: Caller, action: Action, repository: RepositoryName | None, path: str, decision: Decision
) -> None:
    if caller.scopes is not None and not _in_scope(caller, action, repository):
        detail = {**_detail(action, path, decision), "gate": "token", "reason": "the token was issued for less"}
        raise NotAuthenticated(
            f"token: it does not cover {SCOPE_WORD.get(action, 'this')} on {repository or 'the catalog'}; "
            "ask the token service for that scope",
            detail=detail,
        )


def _asked(caller: Caller, action: Action, instance: Instance, path: str, *, now: datetime, public: bool) -> Decision:
    """The decision; a list is for everybody who has logged in or has a token, and shows what they may see."""
    if action == Action.LIST and not (caller.anonymous and caller.scopes is None):
        return Decision(True, "policy", "the list shows what the account may see")
    return decide(caller, action, instance, path, now=now, public=public)


def _named(action: Action, repository: RepositoryName | None) -> str:
    if repository is None:
        return "*"
    return repository.namespace if action == Action.CREATE_NAMESPACE else str(repository)


def refusal(caller: Caller, action: str, path: str, decision: Decision) -> NotAuthenticated | AccessDenied:
    """The condition to raise for a decision that refuses."""
    detail = _detail(action, path, decision)
    if caller.anonymous:
        return LoginNeeded(f"credential: log in to do {action} on {path}", detail=detail)
    return AccessDenied(
        f"policy: account {caller.uin} may not do {action} on {path}: {decision.reason}", detail=detail
    )


def _detail(action: str, path: str, decision: Decision) -> dict[str, object]:
    detail: dict[str, object] = {
        "gate": decision.gate,
        "action": str(action),
        "resource": path,
        "reason": decision.reason,
    }
    if decision.policy:
        detail |= {"policy": decision.policy, "statement": decision.statement}
    return detail


def _in_scope(caller: Caller, action: Action, repository: RepositoryName | None) -> bool:
    scopes = caller.scopes or ()
    if repository is None:
        return any(scope.allows("registry", "catalog", "*") for scope in scopes)
    word = SCOPE_WORD[action]
    return any(scope.allows("repository", str(repository), word) for scope in scopes)
