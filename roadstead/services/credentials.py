"""Access credentials: the username and password of docker and helm, long-term or for an hour (mission 4).

The username is the account's number; the password carries the credential's id, so that checking it is one look-up
and one comparison. Its secret part is 256 random bits and only its hash is kept.

An account sees and manages the credentials that it has made itself, as in TCR: they log in with its rights, so
another account that could enable one would act in its name. The owner sees and manages all of them.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from msgspec import Meta

from roadstead.domain.identity import CredentialKind, Origin, Presented
from roadstead.domain.narrowing import Narrowed
from roadstead.domain.service_accounts import login_name
from roadstead.errors import AccessDenied, CredentialUnknown, EndedToken, InvalidInput, NotAuthenticated
from roadstead.metadata import credentials
from roadstead.metadata.credentials import Credential
from roadstead.services import service_accounts
from roadstead.services.context import Context
from roadstead.services.fields import CreatedAt, RegistryId
from roadstead.services.operations import Call, Done, PageAnswer, PageRequest, Wire, operation
from roadstead.services.secrets import random_id, random_secret, secret_hash
from roadstead.services.tokens import Claims, presented

_PREFIX = "rs1."
LONG_TERM_HOURS = 87_600
_INSTANCE = "instance/{registry_id}"


Desc = Annotated[str, Meta(description="What the credential is for, up to 200 characters.")]
TokenId = Annotated[str, Meta(description="Id of the long-term credential.")]
Enabled = Annotated[bool, Meta(description="Whether it works: true enabled, false disabled.")]
ExpiryMilliseconds = Annotated[int, Meta(description="When it ends, in milliseconds since 1970.")]


class CreateInstanceToken(Wire, frozen=True, kw_only=True):
    """A new access credential."""

    registry_id: RegistryId
    token_type: Annotated[
        Literal["temp", "longterm"], Meta(description="`temp`: for an hour; `longterm`: until disabled or deleted.")
    ] = "temp"  # noqa: S105  a kind, not a secret
    desc: Desc = ""


class CreatedToken(Wire, frozen=True, kw_only=True):
    """The credential, shown this once."""

    username: Annotated[str, Meta(description="Username for docker login: the number of the account.")]
    token: Annotated[str, Meta(description="Password for docker login; it is not kept and cannot be shown again.")]
    exp_time: ExpiryMilliseconds
    token_id: Annotated[str, Meta(description="Id of a long-term credential; empty for a temporary one.")]


class DescribeInstanceToken(PageRequest, frozen=True, kw_only=True):
    """Which page of long-term credentials."""

    registry_id: RegistryId


class TokenInfo(Wire, frozen=True, kw_only=True):
    """One long-term credential."""

    id: TokenId
    desc: Desc
    registry_id: RegistryId
    enabled: Enabled
    created_at: CreatedAt
    expired_at: ExpiryMilliseconds
    username: Annotated[str, Meta(description="Username for docker login: the number of the account.")]


class TokenPage(PageAnswer, frozen=True, kw_only=True):
    """A page of credentials."""

    tokens: Annotated[list[TokenInfo], Meta(description="The credentials, by id.")]


class ModifyInstanceToken(Wire, frozen=True, kw_only=True):
    """What shall be different. ModifyFlag 1 changes Desc, 2 (default) changes Enable."""

    registry_id: RegistryId
    token_id: TokenId
    enable: Enabled | None = None
    desc: Desc | None = None
    modify_flag: Annotated[Literal[1, 2], Meta(description="What is changed: 1 Desc, 2 Enable.")] = 2


class TokenOnly(Wire, frozen=True, kw_only=True):
    """Which credential."""

    registry_id: RegistryId
    token_id: TokenId


@operation(resource=_INSTANCE, changes=True)
async def create_instance_token(call: Call, request: CreateInstanceToken) -> CreatedToken:
    """Create an access credential: temporary for an hour, or long-term until disabled or deleted."""
    if call.caller.account_id is None:
        raise NotAuthenticated("credential: log in first")
    if isinstance(call.caller.rights, Narrowed):
        raise AccessDenied(
            "credential: a session token with a policy makes no access credential, as that would go beyond it",
            detail={"gate": "credential", "reason": "the session token was issued for less"},
        )
    if len(request.desc) > 200:
        raise InvalidInput("Desc has up to 200 characters")
    if request.token_type == "temp":  # noqa: S105
        return _temporary(call)
    credential_id, secret = random_id(20), random_secret()
    await credentials.add(
        call.tx,
        credential_id=credential_id,
        instance_id=call.here.id,
        account_id=call.caller.account_id,
        secret_hash=secret_hash(secret),
        description=request.desc,
        now=call.now,
    )
    call.changed(None, _info(call, await _manageable(call, credential_id)))
    ends = call.now + timedelta(hours=LONG_TERM_HOURS)
    return CreatedToken(
        username=call.caller.uin,
        token=f"{_PREFIX}{credential_id}.{secret}",
        exp_time=int(ends.timestamp() * 1000),
        token_id=credential_id,
    )


def _temporary(call: Call) -> CreatedToken:
    seconds = call.ctx.settings.tokens.temporary_seconds
    token = call.ctx.keys.sign(
        issuer=call.here.registry_id, uin=call.caller.uin, kind=CredentialKind.TEMPORARY, seconds=seconds
    )
    ends = call.now + timedelta(seconds=seconds)
    return CreatedToken(username=call.caller.uin, token=token, exp_time=int(ends.timestamp() * 1000), token_id="")


@operation(resource=_INSTANCE, changes=False, paging="record")
async def describe_instance_token(call: Call, request: DescribeInstanceToken) -> TokenPage:
    """List the caller's long-term credentials; the owner sees those of every account."""
    which = call.slice(request)
    account_id = None if call.caller.owner else call.caller.account_id
    rows = await credentials.page(call.tx, call.here.id, which.last, which.most, which.skip, account_id)
    total = await credentials.count(call.tx, call.here.id, account_id) if which.counted else None
    listed = [_info(call, row) for row in rows]
    return TokenPage(tokens=listed, total_count=total, last=which.next([row.id for row in rows]))


def _info(call: Call, row: Credential) -> TokenInfo:
    return TokenInfo(
        id=row.id,
        desc=row.description,
        registry_id=call.here.registry_id,
        enabled=row.enabled,
        created_at=row.created_at,
        expired_at=int((row.created_at + timedelta(hours=LONG_TERM_HOURS)).timestamp() * 1000),
        username=row.uin,
    )


async def _manageable(call: Call, token_id: str) -> Credential:
    """The credential of that id; raises CredentialUnknown for none, and for one that is none of the caller's."""
    found = await credentials.get(call.tx, call.here.id, token_id)
    if found is None or not (call.caller.owner or found.uin == call.caller.uin):
        raise CredentialUnknown(f"there is no long-term credential {token_id[:40]!r}")
    return found


@operation(resource=_INSTANCE, changes=True, raises=(CredentialUnknown,))
async def modify_instance_token(call: Call, request: ModifyInstanceToken) -> Done:
    """Enable, disable or describe a long-term credential; a disabled one stops working at once."""
    values: dict[str, object] = {}
    if request.modify_flag == 2:
        if request.enable is None:
            raise InvalidInput("Enable is missing")
        values["enabled"] = request.enable
    else:
        values["description"] = (request.desc or "")[:200]
    found = await _manageable(call, request.token_id)
    await credentials.modify(call.tx, call.here.id, found.id, **values)
    call.changed(_info(call, found), _info(call, await _manageable(call, found.id)))
    return Done()


@operation(resource=_INSTANCE, changes=True, raises=(CredentialUnknown,))
async def delete_instance_token(call: Call, request: TokenOnly) -> Done:
    """Delete a long-term credential; it stops working at once."""
    found = await _manageable(call, request.token_id)
    call.changed(_info(call, found), None)
    await credentials.remove(call.tx, call.here.id, found.id)
    return Done()


async def present_basic(ctx: Context, issuer: str, username: str, password: str, origin: Origin) -> Presented:
    """What a username and password show their bearer to be.

    Whether a long-term secret is right is found when its row is read; a temporary one is checked here. Raises
    NotAuthenticated, after counting the failure, for a temporary one that does not hold.
    """
    name = login_name(username)
    if name is not None:
        return await service_accounts.present(ctx, issuer, name, password, origin)
    if password.startswith(_PREFIX):
        credential_id, _, secret = password.removeprefix(_PREFIX).partition(".")
        return Presented(CredentialKind.LONG_TERM, username, credential_id or "-", secret_hash(secret))
    if password.count(".") == 2:
        claims = await checked(ctx, issuer, username, password, origin)
        if claims.kind == CredentialKind.TEMPORARY and claims.sub == username:
            return presented(claims)
    # No credential has this id, so the one message for wrong names and wrong passwords follows.
    return Presented(CredentialKind.LONG_TERM, username, "-", secret_hash(password))


async def present_bearer(ctx: Context, issuer: str, token: str, origin: Origin) -> Presented:
    """What a bearer token shows its bearer to be; raises NotAuthenticated, after counting, when it does not hold."""
    claims = await checked(ctx, issuer, "", token, origin)
    if claims.kind != "access":
        raise NotAuthenticated("credential: this is not an access token; get one from the token service")
    return presented(claims)


async def checked(ctx: Context, issuer: str, account: str, token: str, origin: Origin) -> Claims:
    """What a signed token says; raises NotAuthenticated, after counting the failure, when it does not hold."""
    try:
        return await ctx.keys.check(token, issuer)
    except EndedToken:
        raise
    except NotAuthenticated:
        await ctx.logins.failed(ctx.database, account, origin.address, ctx.clock())
        raise
