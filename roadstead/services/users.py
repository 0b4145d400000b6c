"""Sub-accounts: the people and programs besides the owner, under the names and shapes of the cloud's CAM API.

A sub-account may do nothing until a policy says so. Its number is given once and never again. Disabling or deleting
one ends all its ways in at once: whoever reads a credential, key, token or session reads the account's row with it.
The owner's account can neither be disabled nor deleted, and only the owner changes it.

Where CAM names a user by its name, so does the resource that permission is asked for: `uin/NAME`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta

from roadstead.domain.passwords import check_password
from roadstead.errors import AccountUnknown, AlreadyExists, Conflict, InvalidInput, LimitReached, NotEmpty
from roadstead.metadata import access_keys, sessions, users
from roadstead.metadata.users import User
from roadstead.services.access_keys import check_owner, forbid_temporary, make_key
from roadstead.services.fields import Password, Uin, UserName
from roadstead.services.operations import Call, Done, PageAnswer, PageRequest, Preparation, Wire, operation
from roadstead.services.secrets import random_id, random_password

_NAMED = "uin/{name}"
_SPECIAL = "!@#%^*-_=+"
_MOST_USERS = 10_000

Remark = Annotated[str, Meta(description="What the user is for, up to 200 characters.", max_length=200)]
Flag = Literal[0, 1]
ConsoleLogin = Annotated[Flag, Meta(description="1: may log in to the console with a password; 0: may not.")]
Ignored = Annotated[str, Meta(description="Accepted for clients of CAM; not kept.", max_length=200)]
NeedReset = Annotated[Flag, Meta(description="Accepted for clients of CAM; the user is not made to change it.")]


class AddUser(Wire, frozen=True, kw_only=True):
    """A new sub-account."""

    name: UserName
    remark: Remark = ""
    console_login: ConsoleLogin = 0
    use_api: Annotated[Flag, Meta(description="1: an API key is made too.")] = 0
    password: Password = ""
    need_reset_password: NeedReset = 0
    phone_num: Ignored = ""
    country_code: Ignored = ""
    email: Ignored = ""


class AddedUser(Wire, frozen=True, kw_only=True):
    """The new sub-account; what is secret is shown this once."""

    uin: Uin
    name: UserName
    uid: Uin
    password: Annotated[str, Meta(description="The password, when it was made here; else empty.")] = ""
    secret_id: Annotated[str, Meta(description="Id of the API key, when one was made; else empty.")] = ""
    secret_key: Annotated[str, Meta(description="Secret of the API key; it is not shown again.")] = ""


class UpdateUser(Wire, frozen=True, kw_only=True):
    """What shall be different; fields left out stay."""

    name: UserName
    remark: Remark | None = None
    console_login: ConsoleLogin | None = None
    password: Password = ""
    need_reset_password: NeedReset = 0
    phone_num: Ignored = ""
    country_code: Ignored = ""
    email: Ignored = ""


class UpdatedUser(Wire, frozen=True, kw_only=True):
    """The user is changed."""

    password: Annotated[str, Meta(description="The password, when it was made here; else empty.")] = ""


class ModifyUserStatus(Wire, frozen=True, kw_only=True):
    """Whether the user may do anything, and by which factors it logs in."""

    name: UserName
    enabled: Annotated[bool | None, Meta(description="Off: all its ways in are closed at once.")] = None
    reset_totp: Annotated[
        bool, Meta(description="On: its second factor is removed, for somebody who has lost it; its logins end.")
    ] = False


class DeleteUser(Wire, frozen=True, kw_only=True):
    """Which user."""

    name: UserName
    force: Annotated[Flag, Meta(description="0: refused while the user has API keys; 1: these go with it.")] = 0


class GetUser(Wire, frozen=True, kw_only=True):
    """Which user."""

    name: UserName


class ListUsers(PageRequest, frozen=True, kw_only=True):
    """Which page of users."""


class UserInfo(Wire, frozen=True, kw_only=True):
    """One user."""

    uin: Uin
    name: UserName
    uid: Uin
    remark: Remark
    console_login: ConsoleLogin
    create_time: Annotated[datetime, Meta(description="When the user was made.")]
    enabled: Annotated[bool, Meta(description="Whether it may do anything.")]
    totp: Annotated[bool, Meta(description="Whether it logs in to the console with a second factor.")]
    phone_num: Annotated[str, Meta(description="Always empty.")] = ""
    country_code: Annotated[str, Meta(description="Always empty.")] = ""
    email: Annotated[str, Meta(description="Always empty.")] = ""


class UserPage(PageAnswer, frozen=True, kw_only=True):
    """A page of users, by name."""

    data: Annotated[list[UserInfo], Meta(description="The users.")]


def info(user: User) -> UserInfo:
    """The user as answers and the audit show it."""
    return UserInfo(
        uin=int(user.uin),
        name=user.name,
        uid=user.id,
        remark=user.remark,
        console_login=1 if user.console else 0,
        create_time=user.created_at,
        enabled=user.enabled,
        totp=user.totp_confirmed,
    )


async def _existing(call: Call, name: str, *, lock: bool = False) -> User:
    found = await users.get(call.tx, name=name, lock=lock)
    if found is None:
        raise AccountUnknown(f"there is no user {name!r}")
    return found


async def _manageable(call: Call, name: str) -> User:
    found = await _existing(call, name, lock=True)
    check_owner(call, found)
    return found


@dataclass(frozen=True, slots=True)
class _Password:
    """What is shown of a password, if it was made here, and the hash to keep; None: there is no password."""

    shown: str = ""
    hashed: str | None = None


async def _password(before: Preparation, request: AddUser | UpdateUser) -> _Password:
    """The password that is wanted, or else one that is made if the user shall log in to the console."""
    login, wanted = request.console_login, request.password
    if login == 0 or not (login or wanted):
        return _Password()
    if wanted:
        check_password(wanted, request.name)
    chosen = wanted or random_password(special=_SPECIAL)
    return _Password("" if wanted else chosen, await before.ctx.passwords.hash(chosen))


@operation(
    resource=_NAMED,
    changes=True,
    service="cam",
    raises=(AlreadyExists, InvalidInput, LimitReached),
    prepare=_password,
)
async def add_user(call: Call, request: AddUser) -> AddedUser:
    """Create a sub-account, with a console password and an API key if asked for."""
    if request.name.isdigit():
        raise InvalidInput("a user's name is not digits alone: those are the numbers of accounts")
    if await users.count(call.tx) >= _MOST_USERS:
        raise LimitReached(f"there may be {_MOST_USERS} users")
    password = call.prepared(_Password)
    user = await users.add(
        call.tx,
        owner_uin=call.caller.owner_uin,
        name=request.name,
        remark=request.remark,
        password_hash=password.hashed,
        placeholder=random_id(20),
        now=call.now,
    )
    if user is None:
        raise AlreadyExists(f"there is a user {request.name!r} already")
    key_id = secret = ""
    if request.use_api:
        forbid_temporary(call)
        key = await make_key(call, user.id)
        key_id, secret = key.access_key_id, key.secret_access_key
    call.changed(None, info(user))
    return AddedUser(
        uin=int(user.uin), name=user.name, uid=user.id, password=password.shown, secret_id=key_id, secret_key=secret
    )


@operation(resource=_NAMED, changes=True, service="cam", raises=(AccountUnknown, InvalidInput), prepare=_password)
async def update_user(call: Call, request: UpdateUser) -> UpdatedUser:
    """Change a user's remark or console password; a changed password ends the user's logins."""
    user = await _manageable(call, request.name)
    values: dict[str, object] = {}
    shown = ""
    if request.remark is not None:
        values["remark"] = request.remark
    if request.console_login == 0:
        if user.owner:
            raise Conflict("the owner logs in to the console with a password; give another one instead")
        values["password_hash"] = None
    elif request.password or (request.console_login == 1 and not user.console):
        password = call.prepared(_Password)
        shown, values["password_hash"] = password.shown, password.hashed
    if values:
        await users.modify(call.tx, user.id, **values)
    if "password_hash" in values:
        await sessions.remove_of(call.tx, user.id)
    call.changed(info(user), info(await _existing(call, user.name)))
    return UpdatedUser(password=shown)


@operation(resource=_NAMED, changes=True, service="cam", raises=(AccountUnknown, Conflict))
async def modify_user_status(call: Call, request: ModifyUserStatus) -> Done:
    """Disable a user, at once and everywhere, or enable it again; or remove its second factor."""
    user = await _manageable(call, request.name)
    values: dict[str, object] = {}
    if request.enabled is not None:
        if user.owner and not request.enabled:
            raise Conflict("the owner cannot be disabled")
        values["enabled"] = request.enabled
    if request.reset_totp:
        values |= {"totp_secret": None, "totp_confirmed": False}
    if values:
        await users.modify(call.tx, user.id, **values)
    if request.enabled is False or request.reset_totp:
        await sessions.remove_of(call.tx, user.id)
    call.changed(info(user), info(await _existing(call, user.name)))
    return Done()


@operation(resource=_NAMED, changes=True, service="cam", raises=(AccountUnknown, Conflict, NotEmpty))
async def delete_user(call: Call, request: DeleteUser) -> Done:
    """Delete a user with its access credentials, keys and logins, which end at once."""
    user = await _manageable(call, request.name)
    if user.owner:
        raise Conflict("the owner cannot be deleted")
    keys = await access_keys.of_account(call.tx, user.id)
    if keys and not request.force:
        raise NotEmpty(
            f"user {user.name!r} still has API keys; delete them first, or with Force",
            detail={"keys": [key.secret_id for key in keys]},
        )
    call.changed(info(user), None)
    await users.remove(call.tx, user.id)
    return Done()


@operation(resource=_NAMED, changes=False, service="cam", raises=(AccountUnknown,))
async def get_user(call: Call, request: GetUser) -> UserInfo:
    """Show a user."""
    return info(await _existing(call, request.name))


@operation(resource="uin/*", changes=False, paging="record", service="cam")
async def list_users(call: Call, request: ListUsers) -> UserPage:
    """List sub-accounts by name."""
    wanted = call.slice(request)
    rows = await users.page(call.tx, last=wanted.last, most=wanted.most, skip=wanted.skip)
    return UserPage(
        data=[info(row) for row in rows],
        total_count=await users.count(call.tx) if wanted.counted else None,
        last=wanted.next([row.name for row in rows]),
    )
