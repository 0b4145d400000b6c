"""Service accounts: logins for machines, with permissions of their own per namespace (TCR "service account").

They log in to the registry with `tcr$NAME` and a password, and nowhere else. A password made here is random and kept
under a fast hash; one that was chosen is kept under a slow one and checked before the request's own read
(`services/passwords.py`). What a login shows afterwards is a print of the stored hash: while the row has that hash,
is enabled and not at its end, the login and the tokens issued for it hold.

Whoever may create one can give it more than he has himself, as in TCR; `tcr:CreateServiceAccount` is for those who
may do everything in the instance anyway.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec
from msgspec import Meta

from roadstead.domain.identity import CredentialKind, Origin, Presented
from roadstead.domain.passwords import check_service_password
from roadstead.domain.policy import Rights
from roadstead.domain.service_accounts import PREFIX, Granted, ServiceRights, granted, parsed, plain_name, written
from roadstead.errors import (
    AlreadyExists,
    InvalidInput,
    LimitReached,
    NotAuthenticated,
    ParameterMissing,
    ServiceAccountUnknown,
)
from roadstead.metadata import instances, service_accounts
from roadstead.metadata.database import Tx
from roadstead.metadata.service_accounts import ServiceAccount
from roadstead.services.context import Context
from roadstead.services.fields import RegistryId
from roadstead.services.operations import Call, Done, PageAnswer, PageRequest, Preparation, Wire, operation
from roadstead.services.secrets import random_password, secret_hash

_INSTANCE = "instance/{registry_id}"
_USUAL_PAGE, _LARGEST_PAGE = 20, 100
_MOST_ACCOUNTS = 1000
_LONGEST_DAYS = 36_500
# The same words as for every wrong login of the registry.
_WRONG = "the username or password is wrong"

AccountName = Annotated[
    str, Meta(description="Name of the service account, with or without `tcr$`.", min_length=1, max_length=68)
]
Text = Annotated[str, Meta(description="What it is for, up to 200 characters.", max_length=200)]
Duration = Annotated[
    int, Meta(description="For how many days from now it holds; wins over ExpiresAt.", ge=1, le=_LONGEST_DAYS)
]
ExpiresAt = Annotated[int, Meta(description="When it ends, in Unix milliseconds.", ge=0, le=7_258_118_400_000)]
Disable = Annotated[bool, Meta(description="Whether it is disabled.")]
ShownPassword = Annotated[str, Meta(description="The password; it is not shown again.")]


class Permission(Wire, frozen=True, kw_only=True):
    """What it may do in one namespace."""

    resource: Annotated[str, Meta(description="Name of the namespace; `*` for every one.")]
    actions: Annotated[
        list[str],
        Meta(
            description="Any of tcr:PushRepository, tcr:PullRepository, tcr:CreateRepository, tcr:CreateHelmChart "
            "and tcr:DescribeHelmCharts."
        ),
    ]


Permissions = Annotated[list[Permission], Meta(description="What it may do, namespace by namespace.")]


class CreateServiceAccount(Wire, frozen=True, kw_only=True):
    """A new service account."""

    registry_id: RegistryId
    name: AccountName
    permissions: Permissions
    description: Text = ""
    duration: Duration | None = None
    expires_at: ExpiresAt | None = None
    disable: Disable = False


class CreatedServiceAccount(Wire, frozen=True, kw_only=True):
    """The service account, its password shown this once."""

    name: Annotated[str, Meta(description="The name that logs in, with `tcr$`.")]
    password: ShownPassword
    expires_at: ExpiresAt
    create_time: Annotated[datetime, Meta(description="When it was made.")]


class ModifyServiceAccount(Wire, frozen=True, kw_only=True):
    """What shall be different; fields left out stay, a list of permissions replaces the old one."""

    registry_id: RegistryId
    name: AccountName
    description: Text | None = None
    duration: Duration | None = None
    expires_at: ExpiresAt | None = None
    disable: Disable | None = None
    permissions: Permissions | None = None


class ModifyServiceAccountPassword(Wire, frozen=True, kw_only=True):
    """A new password: made here, or given."""

    registry_id: RegistryId
    name: AccountName
    random: Annotated[bool, Meta(description="Whether the password is made here.")]
    password: Annotated[
        str,
        Meta(
            description="The password, if it is not made here: 8 to 20 characters with an upper-case letter, a "
            "lower-case letter and a digit.",
            extra={"secret": True},
            extra_json_schema={"format": "password"},
        ),
    ] = ""


class NewPassword(Wire, frozen=True, kw_only=True):
    """The new password, shown this once."""

    password: ShownPassword


class ServiceAccountOnly(Wire, frozen=True, kw_only=True):
    """Which service account."""

    registry_id: RegistryId
    name: AccountName


class NameFilter(Wire, frozen=True, kw_only=True):
    """A condition on the entries of the list."""

    name: Annotated[str, Meta(description="`ServiceAccountName`.")]
    values: Annotated[list[str], Meta(description="A part of the name, with or without `tcr$`.")]


class DescribeServiceAccounts(PageRequest, frozen=True, kw_only=True):
    """Which page of which service accounts."""

    registry_id: RegistryId
    all: Annotated[bool, Meta(description="All of them on one page.")] = False
    embed_permission: Annotated[bool, Meta(description="Show what each may do.")] = False
    filters: Annotated[list[NameFilter], Meta(description="Conditions that must hold.", max_length=1)] = (
        msgspec.field(default_factory=list)
    )


class ServiceAccountInfo(Wire, frozen=True, kw_only=True):
    """One service account."""

    name: Annotated[str, Meta(description="The name that logs in, with `tcr$`.")]
    description: Text
    disable: Disable
    expires_at: ExpiresAt
    create_time: Annotated[datetime, Meta(description="When it was made.")]
    update_time: Annotated[datetime, Meta(description="When it was last changed.")]
    permissions: Permissions = msgspec.field(default_factory=list)


class ServiceAccountPage(PageAnswer, frozen=True, kw_only=True):
    """A page of service accounts, by name."""

    service_accounts: Annotated[list[ServiceAccountInfo], Meta(description="The service accounts.")]


def _granted(permissions: list[Permission]) -> str:
    return written(granted([(each.resource, each.actions) for each in permissions]))


def _end(call: Call, duration: int | None, expires_at: int | None) -> datetime | None:
    if duration is not None:
        return call.now + timedelta(days=duration)
    if expires_at is None:
        return None
    end = datetime.fromtimestamp(expires_at / 1000, UTC)
    if end <= call.now:
        raise InvalidInput("ExpiresAt is in the past")
    return end


def _milliseconds(time: datetime) -> int:
    return int(time.timestamp() * 1000)


def _info(row: ServiceAccount, *, permissions: bool = True) -> ServiceAccountInfo:
    shown: tuple[Granted, ...] = parsed(row.permissions) if permissions else ()
    return ServiceAccountInfo(
        name=PREFIX + row.name,
        description=row.description,
        disable=not row.enabled,
        expires_at=_milliseconds(row.expires_at),
        create_time=row.created_at,
        update_time=row.updated_at,
        permissions=[Permission(resource=each.namespace, actions=list(each.actions)) for each in shown],
    )


async def _existing(call: Call, name: str) -> ServiceAccount:
    plain = plain_name(name)
    found = await service_accounts.get(call.tx, call.here.id, plain)
    if found is None:
        raise ServiceAccountUnknown(f"there is no service account {PREFIX + plain!r} in instance {call.here.name!r}")
    return found


@operation(resource=_INSTANCE, changes=True, raises=(AlreadyExists, InvalidInput, LimitReached, ParameterMissing))
async def create_service_account(call: Call, request: CreateServiceAccount) -> CreatedServiceAccount:
    """Create a service account; its password is shown this once."""
    name = plain_name(request.name)
    permissions = _granted(request.permissions)
    ends = _end(call, request.duration, request.expires_at)
    if ends is None:
        raise ParameterMissing("Duration or ExpiresAt is missing: say until when the service account holds")
    if await service_accounts.count(call.tx, call.here.id) >= _MOST_ACCOUNTS:
        raise LimitReached(f"an instance has up to {_MOST_ACCOUNTS} service accounts")
    password = random_password()
    added = await service_accounts.add(
        call.tx,
        call.here.id,
        name=name,
        description=request.description,
        password_hash=secret_hash(password),
        permissions=permissions,
        enabled=not request.disable,
        expires_at=ends,
        now=call.now,
    )
    if not added:
        raise AlreadyExists(f"there is a service account {PREFIX + name!r} already")
    call.changed(None, _info(await _existing(call, name)))
    return CreatedServiceAccount(
        name=PREFIX + name, password=password, expires_at=_milliseconds(ends), create_time=call.now
    )


@operation(resource=_INSTANCE, changes=True, raises=(InvalidInput, ServiceAccountUnknown))
async def modify_service_account(call: Call, request: ModifyServiceAccount) -> Done:
    """Change what a service account may do, until when, or whether it is disabled; it holds at once."""
    found = await _existing(call, request.name)
    values: dict[str, object] = {}
    if request.description is not None:
        values["description"] = request.description
    if request.disable is not None:
        values["enabled"] = not request.disable
    if request.permissions is not None:
        values["permissions"] = _granted(request.permissions)
    ends = _end(call, request.duration, request.expires_at)
    if ends is not None:
        values["expires_at"] = ends
    if values:
        await service_accounts.modify(call.tx, call.here.id, found.name, call.now, **values)
        call.changed(_info(found), _info(await _existing(call, found.name)))
    return Done()


@dataclass(frozen=True, slots=True)
class _Password:
    """A password, and the hash to keep."""

    plain: str
    hashed: str


async def _password(before: Preparation, request: ModifyServiceAccountPassword) -> _Password:
    """The password that the request gives, or one that is made."""
    if request.random:
        made = random_password()
        return _Password(made, secret_hash(made))
    if not request.password:
        raise ParameterMissing("Password is missing: give one, or ask for a random one")
    check_service_password(request.password)
    return _Password(request.password, await before.ctx.passwords.hash(request.password))


@operation(
    resource=_INSTANCE,
    changes=True,
    raises=(InvalidInput, ParameterMissing, ServiceAccountUnknown),
    prepare=_password,
)
async def modify_service_account_password(call: Call, request: ModifyServiceAccountPassword) -> NewPassword:
    """Give a service account another password; the old one and the tokens issued for it end at once."""
    found, password = await _existing(call, request.name), call.prepared(_Password)
    await service_accounts.modify(call.tx, call.here.id, found.name, call.now, password_hash=password.hashed)
    call.changed(_info(found), _info(await _existing(call, found.name)))
    return NewPassword(password=password.plain)


@operation(resource=_INSTANCE, changes=True, raises=(ServiceAccountUnknown,))
async def delete_service_account(call: Call, request: ServiceAccountOnly) -> Done:
    """Delete a service account; it stops working at once."""
    found = await _existing(call, request.name)
    call.changed(_info(found), None)
    await service_accounts.remove(call.tx, call.here.id, found.name)
    return Done()


@operation(resource=_INSTANCE, changes=False, paging="record", raises=(InvalidInput,))
async def describe_service_accounts(call: Call, request: DescribeServiceAccounts) -> ServiceAccountPage:
    """List service accounts by name, those whose name contains a text if one is given."""
    containing = _containing(request.filters)
    wanted = call.slice(request)
    usual = _USUAL_PAGE if request.limit is None else _LARGEST_PAGE
    most = _MOST_ACCOUNTS if request.all else min(wanted.most, usual)
    last, skip = ("", 0) if request.all else (wanted.last, wanted.skip)
    rows = await service_accounts.page(call.tx, call.here.id, last=last, most=most, skip=skip, containing=containing)
    counted = await service_accounts.count(call.tx, call.here.id, containing=containing) if wanted.counted else None
    return ServiceAccountPage(
        service_accounts=[_info(row, permissions=request.embed_permission) for row in rows],
        total_count=counted,
        last=rows[-1].name if rows and len(rows) == most and not request.all else "",
    )


def _containing(filters: list[NameFilter]) -> str:
    for each in filters:
        if each.name != "ServiceAccountName":
            raise InvalidInput(f"there is no filter {each.name[:40]!r} here; known is: ServiceAccountName")
        if len(each.values) > 1:
            raise InvalidInput("the filter ServiceAccountName takes one value")
        return each.values[0].removeprefix(PREFIX) if each.values else ""
    return ""


def _print(password_hash: str) -> str:
    return hashlib.sha256(password_hash.encode()).hexdigest()[:32]


async def present(ctx: Context, issuer: str, name: str, password: str, origin: Origin) -> Presented:
    """What the name (without its prefix) and password of a service account show their bearer to be.

    A login that does not hold shows a print that no row has, and is refused and counted when the row is read. A
    wrong guess at a chosen password is counted here: raises NotAuthenticated for it, and TooManyRequests instead of
    checking when one has to wait before.
    """
    login = PREFIX + name
    async with ctx.database.read() as tx:
        instance = await instances.get(tx, registry_id=issuer)
        row = None if instance is None else await service_accounts.get(tx, instance.id, name[:80])
        if row is not None and not _random(row):
            await ctx.logins.may_try(tx, login, origin.address, ctx.clock())
    right = row is not None and await _right(ctx, row, password)
    if row is not None and not right and not _random(row):
        await ctx.logins.count(ctx.database, login, origin.address, ctx.clock())
        raise NotAuthenticated(f"credential: {_WRONG}", detail={"gate": "credential"})
    shown = _print(row.password_hash) if row is not None and right else "-"
    return Presented(CredentialKind.SERVICE_ACCOUNT, login, shown)


def _random(row: ServiceAccount) -> bool:
    return not row.password_hash.startswith("$")


async def _right(ctx: Context, row: ServiceAccount, password: str) -> bool:
    if _random(row):
        return hmac.compare_digest(row.password_hash, secret_hash(password))
    return await ctx.passwords.holds(row.password_hash, password)


async def identify(
    tx: Tx, instance_id: int, registry_id: str, presented: Presented, now: datetime
) -> tuple[Rights | None, str]:
    """What the service account may do; or None, and why its login does not hold any more."""
    row = await service_accounts.get(tx, instance_id, presented.uin.removeprefix(PREFIX)[:80])
    if row is None or not hmac.compare_digest(_print(row.password_hash), presented.credential_id):
        return None, _WRONG
    if not row.enabled:
        return None, f"the service account {presented.uin} is disabled"
    if row.expires_at <= now:
        return None, f"the service account {presented.uin} has come to its end"
    return ServiceRights(registry_id, parsed(row.permissions)), ""
