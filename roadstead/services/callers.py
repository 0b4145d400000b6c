"""From an account to the caller that operations know: the one place where the management doors make one."""

from __future__ import annotations

from roadstead.domain.identity import Caller, CredentialKind, Origin
from roadstead.errors import NotAuthenticated
from roadstead.metadata.accounts import Account
from roadstead.metadata.database import Tx
from roadstead.services.context import Context


async def caller_of(
    ctx: Context,
    tx: Tx,
    account: Account | None,
    kind: CredentialKind,
    origin: Origin,
    credential_id: str = "",
) -> Caller:
    """The account as a caller, with its rights as they stand; raises NotAuthenticated when it is gone or disabled."""
    if account is None:
        raise NotAuthenticated("credential: the account is gone", detail={"gate": "credential"})
    if not account.enabled:
        raise NotAuthenticated(f"credential: the account {account.uin} is disabled", detail={"gate": "credential"})
    rights = await ctx.rights.of(tx, account.id, owner=account.owner, revision=account.policy_revision)
    return Caller(account.id, account.uin, account.owner_uin, kind, origin, credential_id, rights=rights)
