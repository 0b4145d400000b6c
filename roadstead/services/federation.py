"""Session tokens: an API key for up to two hours, whose rights may be narrowed by a policy, and who one is.

The names and shapes are those of the cloud's STS API. A temporary key holds only together with its session token, of
which only the hash is kept. What it may do is what its account may at that moment and, if it was issued with a
policy, what that policy allows too. It makes no further keys and tokens, so what was narrowed stays narrow.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Annotated
from urllib.parse import unquote

from msgspec import Meta

from roadstead.domain.identity import Caller, CredentialKind
from roadstead.domain.policy_documents import parse
from roadstead.errors import Conflict, InvalidInput, LoginNeeded, NotAuthenticated, PolicyInvalid
from roadstead.metadata import access_keys
from roadstead.metadata.keys import TemporaryKey
from roadstead.services.access_keys import forbid_temporary
from roadstead.services.context import Context
from roadstead.services.operations import Call, Wire, operation
from roadstead.services.own_account import note
from roadstead.services.secrets import random_id, random_secret, secret_hash

LONGEST_SECONDS = 7200
_NAME = re.compile(r"[A-Za-z0-9_.@-]{1,64}")


class GetFederationToken(Wire, frozen=True, kw_only=True):
    """For whom, for how long, and for what."""

    name: Annotated[
        str, Meta(description="Who will use it, as it stands in policies: 1 to 64 letters, digits and `_ . @ -`.")
    ]
    policy: Annotated[
        str,
        Meta(
            description="A policy as JSON, which may be URL-encoded; only what it and the account's own policies "
            "allow is allowed. Empty: all that the account may.",
            max_length=6144,
        ),
    ] = ""
    duration_seconds: Annotated[int, Meta(description="For how many seconds it holds.", ge=1, le=LONGEST_SECONDS)] = (
        1800
    )


class FederationCredentials(Wire, frozen=True, kw_only=True):
    """The temporary key, shown this once."""

    token: Annotated[str, Meta(description="The session token, to be sent with each request (X-TC-Token).")]
    tmp_secret_id: Annotated[str, Meta(description="SecretId of the temporary key.")]
    tmp_secret_key: Annotated[str, Meta(description="SecretKey of the temporary key.")]


class FederationToken(Wire, frozen=True, kw_only=True):
    """The temporary key and its end."""

    credentials: Annotated[FederationCredentials, Meta(description="The key with its session token.")]
    expired_time: Annotated[int, Meta(description="When it ends, in Unix seconds.")]
    expiration: Annotated[datetime, Meta(description="The same as a time.")]


class GetCallerIdentity(Wire, frozen=True, kw_only=True):
    """Nothing needs to be said."""


class CallerIdentity(Wire, frozen=True, kw_only=True):
    """Who asks."""

    arn: Annotated[str, Meta(description="The caller as a resource.")]
    account_id: Annotated[str, Meta(description="Number of the owner's account.")]
    user_id: Annotated[str, Meta(description="Number of the caller's account.")]
    principal_id: Annotated[str, Meta(description="The same.")]
    type: Annotated[str, Meta(description="`RootAccount` for the owner, else `CAMUser`.")]


@operation(resource="federated-user/{name}", changes=True, service="sts", raises=(InvalidInput, PolicyInvalid))
async def get_federation_token(call: Call, request: GetFederationToken) -> FederationToken:
    """Get a temporary API key of the caller's account, narrowed by a policy if one is given."""
    account_id = call.caller.account_id
    if account_id is None:
        raise NotAuthenticated("credential: log in first")
    forbid_temporary(call)
    if _NAME.fullmatch(request.name) is None:
        raise InvalidInput("Name has 1 to 64 letters, digits and _ . @ -")
    policy = _plain(request.policy)
    if policy:
        parse(policy)
    ends = call.now + timedelta(seconds=request.duration_seconds)
    secret_id, secret_key, token = "AKID" + random_id(32), random_secret(), random_secret()
    key = TemporaryKey(
        secret_id=secret_id,
        account_id=account_id,
        secret_key=call.ctx.secrets.seal(secret_key.encode()),
        token_hash=secret_hash(token),
        policy=policy,
        created_at=call.now,
        ends_at=ends,
    )
    await access_keys.add_temporary(call.tx, key)
    made = FederationCredentials(token=token, tmp_secret_id=secret_id, tmp_secret_key=secret_key)
    return FederationToken(credentials=made, expired_time=int(ends.timestamp()), expiration=ends)


def _plain(policy: str) -> str:
    """The policy as JSON; clients of STS send it URL-encoded."""
    return unquote(policy) if policy.lstrip()[:1] == "%" else policy


async def end_key(ctx: Context, caller: Caller) -> None:
    """The temporary key with which the caller asks has ended, before its time.

    No permission is asked: whoever holds a key may give it up. Raises Conflict when it is no temporary key.
    """
    if caller.account_id is None:
        raise LoginNeeded("credential: send the temporary key that shall end, and its token in X-TC-Token")
    if caller.kind is not CredentialKind.TEMPORARY_KEY:
        raise Conflict("only a temporary key is given up like this; an API key is deleted: roadstead key delete")
    async with ctx.database.write() as tx:
        await access_keys.remove_temporary(tx, caller.account_id, caller.credential_id)
        await note(tx, ctx, caller, "cam:Logout")


# Filtered: it shows everybody himself, so there is nothing to refuse.
@operation(resource="uin/*", changes=False, filtered=True, service="sts")
async def get_caller_identity(call: Call, request: GetCallerIdentity) -> CallerIdentity:
    """Say who the caller is."""
    caller = call.caller
    return CallerIdentity(
        arn=f"qcs::cam::uin/{caller.owner_uin}:uin/{caller.uin}",
        account_id=caller.owner_uin,
        user_id=caller.uin,
        principal_id=caller.uin,
        type="RootAccount" if caller.owner else "CAMUser",
    )
