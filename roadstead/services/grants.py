"""The docker token service: who logs in gets a signed token, narrowed to what was asked for and is allowed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from roadstead.domain.identity import Caller, CredentialKind, Origin, Presented
from roadstead.domain.policy import Action
from roadstead.domain.reference import RepositoryName
from roadstead.domain.scope import Scope, expand
from roadstead.errors import NameInvalid, NotAuthenticated
from roadstead.metadata.database import Tx
from roadstead.services.access import Asker, admit
from roadstead.services.context import Context
from roadstead.services.credentials import checked
from roadstead.services.policies import decide
from roadstead.services.tokens import presented

# A client asks for one repository, or two for a mount; each scope costs a look-up.
_MOST_SCOPES = 50

_WORD_ACTION = {"pull": Action.PULL, "push": Action.PUSH, "delete": Action.DELETE}


@dataclass(frozen=True, slots=True)
class Grant:
    """A token and, when asked for, the refresh token that gets the next ones."""

    token: str
    seconds: int
    issued_at: datetime
    scopes: tuple[Scope, ...]
    refresh_token: str | None


async def grant(ctx: Context, asker: Asker, scopes: tuple[Scope, ...], *, offline: bool) -> Grant:
    """A token for the account (or for nobody); raises NotAuthenticated when the credential does not hold.

    A token that was issued for less is no way to get one for more, nor to go on for ever.
    """
    if asker.presented.scopes is not None:
        raise NotAuthenticated("credential: a token gets no other one; log in with a username and password")
    scopes = scopes[:_MOST_SCOPES]
    async with ctx.database.read() as tx:
        admitted = await admit(ctx, tx, asker, None, None)
        allowed = tuple([await _narrow(ctx, tx, asker, admitted.caller, scope) for scope in scopes])
    caller, rules = admitted.caller, ctx.settings.tokens
    issuer = asker.instance.row.registry_id
    token = ctx.keys.sign(
        issuer=issuer,
        uin=caller.uin,
        kind="access",
        seconds=rules.access_seconds,
        credential_id=caller.credential_id,
        scopes=tuple(scope for scope in allowed if scope.actions),
    )
    refresh = None
    if offline and caller.kind is CredentialKind.LONG_TERM:
        refresh = ctx.keys.sign(
            issuer=issuer,
            uin=caller.uin,
            kind="refresh",
            seconds=rules.refresh_seconds,
            credential_id=caller.credential_id,
        )
    return Grant(token, rules.access_seconds, ctx.clock(), allowed, refresh)


async def _narrow(ctx: Context, tx: Tx, asker: Asker, caller: Caller, scope: Scope) -> Scope:
    """The part of the scope that the account has at this moment; each request asks again."""
    if scope.kind == "registry" and scope.name == "catalog":
        return Scope("registry", "catalog", ("*",) if "*" in scope.actions else ())
    try:
        name = RepositoryName.parse(scope.name)
    except NameInvalid:
        return Scope(scope.kind, scope.name, ())
    if scope.kind != "repository":
        return Scope(scope.kind, scope.name, ())
    admitted = await admit(ctx, tx, asker, name, None)
    instance, public = admitted.instance.row, admitted.facts.public
    path, now = f"repository/{instance.registry_id}/{name}", ctx.clock()
    actions = tuple(
        word
        for word in expand(scope.actions)
        if decide(caller, _WORD_ACTION[word], instance, path, now=now, public=public).allowed
    )
    return Scope("repository", scope.name, actions)


async def from_refresh_token(ctx: Context, issuer: str, token: str, origin: Origin) -> Presented:
    """Whom a refresh token was issued to; raises NotAuthenticated when it is none."""
    claims = await checked(ctx, issuer, "", token, origin)
    if claims.kind != "refresh":
        raise NotAuthenticated("credential: this is not a refresh token")
    return presented(claims)
