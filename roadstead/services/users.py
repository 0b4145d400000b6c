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

import msgspec
from msgspec import Meta

from roadstead.domain.passwords import check_password
from roadstead.errors import AccountUnknown, Conflict, InvalidInput, LimitReached, NotEmpty, UserExists
from roadstead.metadata import access_keys, sessions, users
from roadstead.metadata.users import User
from roadstead.services import second_factor
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
PhoneNum = Annotated[
    str, Meta(description="Telephone number, up to 40 characters; nothing is sent there.", max_length=40)
]
CountryCode = Annotated[str, Meta(description="Country code of the telephone number, like `86`.", max_length=10)]
Email = Annotated[str, Meta(description="Mail address, up to 200 characters; nothing is sent there.", max_length=200)]
NeedReset = Annotated[
    Flag, Meta(description="1: the next login to the console must choose another password; 0: it need not.")
]


class AddUser(Wire, frozen=True, kw_only=True):
    """A new sub-account."""

    name: UserName
    remark: Remark = ""
    console_login: ConsoleLogin = 0
    use_api: Annotated[Flag, Meta(description="1: an API key is made too.")] = 0
    password: Password = ""
    need_reset_password: NeedReset = 0
    phone_num: PhoneNum = ""
    country_code: CountryCode = ""
    email: Email = ""


class AddedUser(Wire, frozen=True, kw_only=True):
    """The new sub-account; what is secret is shown this once."""

    uin: Uin
    name: UserName
    uid: Uin
    password: Annotated[str, Meta(description="The password, when it was made here; else empty.")] = ""
    secret_id: Annotated[str, Meta(description="Id of the API key, when one was made; else empty.")] = ""
    secret_key: Annotated[str, Meta(description="Secret of the API key; it is not shown again.")] = ""
    phone_num_verify_link: Annotated[str, Meta(description="Always empty: telephone numbers are not verified.")] = ""


class UpdateUser(Wire, frozen=True, kw_only=True):
    """What shall be different; fields left out stay."""

    name: UserName
    remark: Remark | None = None
    console_login: ConsoleLogin | None = None
    password: Password = ""
    need_reset_password: NeedReset | None = None
    phone_num: PhoneNum | None = None
    country_code: CountryCode | None = None
    email: Email | None = None


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
    """Which page of which users."""

    keyword: Annotated[str, Meta(description="Only users whose name contains this.")] = ""


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
    need_reset_password: NeedReset
    phone_num: PhoneNum
    country_code: CountryCode
    email: Email
    nick_name: Annotated[str, Meta(description="The name once more.")]
    recently_login_ip: Annotated[str, Meta(description="From where it last logged in to the console, or empty.")] = (
        msgspec.field(name="RecentlyLoginIP", default="")
    )
    recently_login_time: Annotated[datetime | None, Meta(description="When it last logged in to the console.")] = None


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
        need_reset_password=1 if user.password_reset else 0,
        phone_num=user.phone_num,
        country_code=user.country_code,
        email=user.email,
        nick_name=user.name,
        recently_login_ip=user.login_address,
        recently_login_time=user.login_at,
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
    raises=(UserExists, InvalidInput, LimitReached),
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
        password_reset=bool(request.need_reset_password),
        phone_num=request.phone_num,
        country_code=request.country_code,
        email=request.email,
    )
    if user is None:
        raise UserExists(f"there is a user {request.name!r} already")
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
    """Change what is known of a user, or its console password; a changed password ends the user's logins."""
    user = await _manageable(call, request.name)
    kept = ("remark", "phone_num", "country_code", "email")
    values: dict[str, object] = {name: getattr(request, name) for name in kept if getattr(request, name) is not None}
    shown = ""
    if request.need_reset_password is not None:
        values["password_reset"] = bool(request.need_reset_password)
    if request.console_login == 0:
        if user.owner:
            raise Conflict("the owner logs in to the console with a password; give another one instead")
        values |= {"password_hash": None, "password_reset": False}
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
        await second_factor.forget(call.tx, user.id)
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
    """List sub-accounts by name, those whose name contains a text if one is given."""
    wanted, containing = call.slice(request), request.keyword
    rows = await users.page(call.tx, last=wanted.last, most=wanted.most, skip=wanted.skip, containing=containing)
    return UserPage(
        data=[info(row) for row in rows],
        total_count=await users.count(call.tx, containing=containing) if wanted.counted else None,
        last=wanted.next([row.name for row in rows]),
    )
