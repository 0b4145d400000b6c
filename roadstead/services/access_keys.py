"""API keys (SecretId and SecretKey) of accounts: made, shown once, listed, disabled, deleted.

As in CAM, whoever makes or changes a key needs the permission for it, on its own account too: a key is a way in that
stays, and whoever runs the deployment decides who may make such ways. What needs no permission is one's own password
and second factor (`services/sessions.py`), because only the person itself can prove the old ones.

An account has at most two active keys, so that one can be replaced without a gap.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta

from roadstead.domain.identity import CredentialKind
from roadstead.errors import AccessDenied, AccountUnknown, LimitReached, NotAuthenticated, NotFound
from roadstead.metadata import access_keys, accounts, users
from roadstead.metadata.access_keys import AccessKey
from roadstead.metadata.users import User
from roadstead.services.fields import TargetUin
from roadstead.services.operations import Call, Done, Wire, operation
from roadstead.services.secrets import random_id, random_secret

_TARGET = "uin/{target_uin}"
_MOST_ACTIVE = 2
_MOST_KEYS = 10

Status = Literal["Active", "Inactive"]
KeyId = Annotated[str, Meta(description="SecretId of the key.", max_length=40)]
KeyStatus = Annotated[Status, Meta(description="Whether the key may be used.")]
CreateTime = Annotated[datetime, Meta(description="When the key was made.")]


class CreateAccessKey(Wire, frozen=True, kw_only=True):
    """A new API key."""

    target_uin: TargetUin | None = None
    description: Annotated[str, Meta(description="Accepted for clients of CAM; not kept.", max_length=1024)] = ""


class AccessKeyDetail(Wire, frozen=True, kw_only=True):
    """A new key with its secret, shown this once."""

    access_key_id: KeyId
    secret_access_key: Annotated[str, Meta(description="SecretKey; it is not shown again.")]
    status: KeyStatus
    create_time: CreateTime


class CreatedAccessKey(Wire, frozen=True, kw_only=True):
    """The new key."""

    access_key: Annotated[AccessKeyDetail, Meta(description="The key, with its secret.")]


class ListAccessKeys(Wire, frozen=True, kw_only=True):
    """Whose keys."""

    target_uin: TargetUin | None = None


class AccessKeyInfo(Wire, frozen=True, kw_only=True):
    """One key without its secret."""

    access_key_id: KeyId
    status: KeyStatus
    create_time: CreateTime
    last_used_time: Annotated[datetime | None, Meta(description="When it was last used; null when never.")] = None


class AccessKeyList(Wire, frozen=True, kw_only=True):
    """The keys of an account, the oldest first."""

    access_keys: Annotated[list[AccessKeyInfo], Meta(description="The keys.")]


class UpdateAccessKey(Wire, frozen=True, kw_only=True):
    """Whether a key may be used."""

    access_key_id: KeyId
    status: KeyStatus
    target_uin: TargetUin | None = None


class DeleteAccessKey(Wire, frozen=True, kw_only=True):
    """Which key."""

    access_key_id: KeyId
    target_uin: TargetUin | None = None


class GetSecurityLastUsed(Wire, frozen=True, kw_only=True):
    """Which keys."""

    secret_id_list: Annotated[list[KeyId], Meta(description="SecretIds of the keys, up to 10.", max_length=10)]


class SecretIdLastUsed(Wire, frozen=True, kw_only=True):
    """When a key was last used."""

    secret_id: KeyId
    last_used_date: Annotated[datetime | None, Meta(description="When it was last used; null when never.")]
    last_secret_used_date: Annotated[int | None, Meta(description="The same in Unix seconds.")]


class LastUsed(Wire, frozen=True, kw_only=True):
    """When keys were last used."""

    secret_id_last_used_rows: Annotated[list[SecretIdLastUsed], Meta(description="Those of the keys that there are.")]


async def target(call: Call, target_uin: int | None, action: str, *, lock: bool = False) -> User:
    """The account that a request is about, the caller's own when it names none.

    Raises AccountUnknown, and AccessDenied for the owner's account unless the owner asks: whoever may manage users
    must not become the owner by it.
    """
    uin = call.caller.uin if target_uin is None else str(target_uin)
    if target_uin is None:
        # A statement on this one account has not been asked yet: the request did not name it.
        call.require(action, f"uin/{uin}")
    found = await users.get(call.tx, uin=uin, lock=lock)
    if found is None:
        raise AccountUnknown(f"there is no account {uin}")
    check_owner(call, found)
    return found


def check_owner(call: Call, user: User) -> None:
    """Returns when the caller may manage this account as far as its being the owner's goes; raises AccessDenied."""
    if user.owner and not call.caller.owner:
        raise AccessDenied(
            f"policy: only the owner manages the owner's account {user.uin}",
            detail={"gate": "policy", "resource": f"uin/{user.uin}", "reason": "it owns this deployment"},
        )


def forbid_temporary(call: Call) -> None:
    """Returns unless the caller came with a session token, whose life and rights a lasting key would outgrow."""
    if call.caller.kind is CredentialKind.TEMPORARY_KEY:
        raise AccessDenied(
            "credential: a session token makes no other keys; use the account's own key",
            detail={"gate": "credential", "reason": "a session token makes no other keys"},
        )


async def make_key(call: Call, account_id: int) -> AccessKeyDetail:
    """A new active key of the account; raises LimitReached. The account's row is locked or new."""
    keys = await access_keys.of_account(call.tx, account_id)
    if len(keys) >= _MOST_KEYS:
        raise LimitReached(f"an account has up to {_MOST_KEYS} API keys; delete one first")
    _check_active(keys, "")
    secret_id, secret_key = "AKID" + random_id(32), random_secret()
    await accounts.add_api_key(call.tx, account_id, secret_id, call.ctx.secrets.seal(secret_key.encode()), call.now)
    return AccessKeyDetail(
        access_key_id=secret_id, secret_access_key=secret_key, status="Active", create_time=call.now
    )


def _check_active(keys: list[AccessKey], secret_id: str) -> None:
    if sum(key.enabled for key in keys if key.secret_id != secret_id) >= _MOST_ACTIVE:
        raise LimitReached(f"an account has up to {_MOST_ACTIVE} active API keys; disable or delete one first")


def _info(key: AccessKey) -> AccessKeyInfo:
    return AccessKeyInfo(
        access_key_id=key.secret_id,
        status="Active" if key.enabled else "Inactive",
        create_time=key.created_at,
        last_used_time=key.used_at,
    )


@operation(resource=_TARGET, changes=True, service="cam", raises=(AccountUnknown, LimitReached))
async def create_access_key(call: Call, request: CreateAccessKey) -> CreatedAccessKey:
    """Create an API key; its secret is shown this once."""
    if call.caller.account_id is None:
        raise NotAuthenticated("credential: log in first")
    forbid_temporary(call)
    user = await target(call, request.target_uin, "cam:CreateAccessKey", lock=True)
    made = await make_key(call, user.id)
    call.changed(None, AccessKeyInfo(access_key_id=made.access_key_id, status="Active", create_time=call.now))
    return CreatedAccessKey(access_key=made)


@operation(resource=_TARGET, changes=False, service="cam", raises=(AccountUnknown,))
async def list_access_keys(call: Call, request: ListAccessKeys) -> AccessKeyList:
    """List an account's API keys with their last use; their secrets are not known any more."""
    user = await target(call, request.target_uin, "cam:ListAccessKeys")
    return AccessKeyList(access_keys=[_info(key) for key in await access_keys.of_account(call.tx, user.id)])


@operation(resource=_TARGET, changes=True, service="cam", raises=(AccountUnknown, LimitReached, NotFound))
async def update_access_key(call: Call, request: UpdateAccessKey) -> Done:
    """Enable or disable an API key; a disabled one stops working at once."""
    user = await target(call, request.target_uin, "cam:UpdateAccessKey", lock=True)
    keys = await access_keys.of_account(call.tx, user.id)
    key = _one(keys, request.access_key_id)
    if request.status == "Active":
        _check_active(keys, key.secret_id)
    await access_keys.enable(call.tx, user.id, key.secret_id, enabled=request.status == "Active")
    call.changed(_info(key), _info(_one(await access_keys.of_account(call.tx, user.id), key.secret_id)))
    return Done()


@operation(resource=_TARGET, changes=True, service="cam", raises=(AccountUnknown, NotFound))
async def delete_access_key(call: Call, request: DeleteAccessKey) -> Done:
    """Delete an API key; it stops working at once."""
    user = await target(call, request.target_uin, "cam:DeleteAccessKey", lock=True)
    key = _one(await access_keys.of_account(call.tx, user.id), request.access_key_id)
    call.changed(_info(key), None)
    await access_keys.remove(call.tx, user.id, key.secret_id)
    return Done()


def _one(keys: list[AccessKey], secret_id: str) -> AccessKey:
    for key in keys:
        if key.secret_id == secret_id:
            return key
    raise NotFound(f"the account has no API key {secret_id[:40]!r}")


@operation(resource="uin/*", changes=False, service="cam")
async def get_security_last_used(call: Call, request: GetSecurityLastUsed) -> LastUsed:
    """Say when API keys were last used."""
    found = await access_keys.some(call.tx, request.secret_id_list)
    return LastUsed(
        secret_id_last_used_rows=[
            SecretIdLastUsed(
                secret_id=key.secret_id,
                last_used_date=key.used_at,
                last_secret_used_date=None if key.used_at is None else int(key.used_at.timestamp()),
            )
            for key in found
        ]
    )
