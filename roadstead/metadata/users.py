"""The accounts of people as whoever manages them sees them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from roadstead.metadata.database import Tx, insert
from roadstead.metadata.schema.tenancy import accounts


@dataclass(frozen=True, slots=True)
class User:
    """One account without its secrets."""

    id: int
    uin: str
    owner_uin: str
    name: str
    remark: str
    enabled: bool
    # Whether it has a password, by which it may log in to the console.
    console: bool
    totp_confirmed: bool
    created_at: datetime
    # Whether the next login must bring another password.
    password_reset: bool
    phone_num: str
    country_code: str
    email: str
    # The last login of the console, if there was one.
    login_address: str
    login_at: datetime | None

    @property
    def owner(self) -> bool:
        """Whether it owns the deployment."""
        return self.uin == self.owner_uin


_COLUMNS = tuple(
    accounts.c.password_hash.is_not(None).label("console") if name == "console" else accounts.c[name]
    for name in User.__dataclass_fields__
)
# Accounts get their number from their row, whose id no other row will have: never one of an account that is gone.
_FIRST_UIN = 200_000_000_000


async def add(
    tx: Tx,
    *,
    owner_uin: str,
    name: str,
    remark: str,
    password_hash: str | None,
    placeholder: str,
    now: datetime,
    **more: object,
) -> User | None:
    """The new sub-account, with a number of its own; None when the name is taken.

    `placeholder` is a random text that stands for the number until the row's id is known; `more` are further columns.
    """
    c = accounts.c
    account_id = await tx.scalar(
        insert(tx, accounts)
        .values(
            uin=placeholder,
            owner_uin=owner_uin,
            name=name,
            remark=remark,
            password_hash=password_hash,
            created_at=now,
            **more,
        )
        .on_conflict_do_nothing(index_elements=["name"])
        .returning(c.id)
    )
    if account_id is None:
        return None
    row = await tx.one(
        sa.update(accounts).where(c.id == account_id).values(uin=str(_FIRST_UIN + account_id)).returning(*_COLUMNS)
    )
    return None if row is None else User(*row)


async def get(tx: Tx, *, account_id: int = 0, uin: str = "", name: str = "", lock: bool = False) -> User | None:
    """The account of that row id, number or name; locked until the transaction ends, if asked."""
    c = accounts.c
    match = c.id == account_id if account_id else c.uin == uin if uin else c.name == name
    statement = sa.select(*_COLUMNS).where(match)
    row = await tx.one(statement.with_for_update() if lock else statement)
    return None if row is None else User(*row)


async def modify(tx: Tx, account_id: int, **values: object) -> None:
    """The account has these values."""
    await tx.run(sa.update(accounts).where(accounts.c.id == account_id).values(**values))


async def remove(tx: Tx, account_id: int) -> None:
    """The account is gone with its credentials, keys and sessions."""
    await tx.run(sa.delete(accounts).where(accounts.c.id == account_id))


async def page(tx: Tx, *, last: str, most: int, skip: int = 0, containing: str = "") -> list[User]:
    """Up to `most` sub-accounts whose names contain that, by name, after `last` or after `skip` of them."""
    c = accounts.c
    statement = sa.select(*_COLUMNS).where(*_sub_accounts(containing), c.name > last).order_by(c.name)
    return [User(*row) for row in await tx.all(statement.limit(most).offset(skip))]


async def count(tx: Tx, *, containing: str = "") -> int:
    """How many sub-accounts `page` would give in all."""
    found: int = await tx.scalar(sa.select(sa.func.count()).select_from(accounts).where(*_sub_accounts(containing)))
    return found


def _sub_accounts(containing: str) -> list[sa.ColumnElement[bool]]:
    c = accounts.c
    found = [c.uin != c.owner_uin]
    if containing:
        found.append(c.name.contains(containing, autoescape=True))
    return found


@dataclass(frozen=True, slots=True)
class Factors:
    """By what an account is known at the console: its password and, if confirmed, a second factor."""

    account_id: int
    uin: str
    name: str
    enabled: bool
    password_hash: str | None
    password_reset: bool
    totp_secret: bytes | None
    totp_confirmed: bool
    totp_step: int


_FACTORS = tuple(accounts.c["id" if name == "account_id" else name] for name in Factors.__dataclass_fields__)


async def factors(tx: Tx, *, account_id: int = 0, name: str = "") -> Factors | None:
    """The factors of the account of that row id, name or number."""
    c = accounts.c
    # No name is digits alone, as numbers are.
    match = c.id == account_id if account_id else c.uin == name if name.isdigit() else c.name == name
    row = await tx.one(sa.select(*_FACTORS).where(match))
    return None if row is None else Factors(*row)


async def take_step(tx: Tx, account_id: int, step: int) -> bool:
    """No code of this time step or an earlier one is accepted again; False when that was so before."""
    c = accounts.c
    statement = sa.update(accounts).where(c.id == account_id, c.totp_step < step).values(totp_step=step)
    return await tx.run(statement) > 0
