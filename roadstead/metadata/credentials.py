"""Long-term credentials, signing keys, and failed logins."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from roadstead.metadata.database import Tx, insert
from roadstead.metadata.schema.access import credentials, login_failures, login_successes, signing_keys
from roadstead.metadata.schema.tenancy import accounts


@dataclass(frozen=True, slots=True)
class Credential:
    """One long-term credential; its secret is not known here, only its hash."""

    id: str
    description: str
    enabled: bool
    created_at: datetime
    # Number of the account that it logs in.
    uin: str


_COLUMNS = tuple(accounts.c.uin if name == "uin" else credentials.c[name] for name in Credential.__dataclass_fields__)


async def add(
    tx: Tx,
    *,
    credential_id: str,
    instance_id: int,
    account_id: int,
    secret_hash: str,
    description: str,
    now: datetime,
) -> None:
    """The credential exists and is enabled."""
    await tx.run(
        sa.insert(credentials),
        {
            "id": credential_id,
            "instance_id": instance_id,
            "account_id": account_id,
            "secret_hash": secret_hash,
            "description": description,
            "created_at": now,
        },
    )


async def get(tx: Tx, instance_id: int, credential_id: str) -> Credential | None:
    """The credential of that id."""
    c = credentials.c
    statement = sa.select(*_COLUMNS).select_from(_joined()).where(c.instance_id == instance_id, c.id == credential_id)
    row = await tx.one(statement)
    return None if row is None else Credential(*row)


async def modify(tx: Tx, instance_id: int, credential_id: str, **values: object) -> bool:
    """The credential has these values; False when there is none of that id."""
    c = credentials.c
    statement = sa.update(credentials).where(c.instance_id == instance_id, c.id == credential_id)
    return await tx.run(statement.values(**values)) > 0


async def remove(tx: Tx, instance_id: int, credential_id: str) -> bool:
    """The credential is gone; False when there was none of that id."""
    c = credentials.c
    return await tx.run(sa.delete(credentials).where(c.instance_id == instance_id, c.id == credential_id)) > 0


async def page(
    tx: Tx, instance_id: int, last: str, most: int, skip: int = 0, account_id: int | None = None
) -> list[Credential]:
    """Up to `most` credentials of the instance, or of one account there, after the id `last` and `skip` more."""
    c = credentials.c
    statement = sa.select(*_COLUMNS).select_from(_joined()).where(_those(instance_id, account_id), c.id > last)
    rows = await tx.all(statement.order_by(c.id).limit(most).offset(skip or None))
    return [Credential(*row) for row in rows]


async def count(tx: Tx, instance_id: int, account_id: int | None = None) -> int:
    """How many credentials the instance has, or one account there."""
    statement = sa.select(sa.func.count()).select_from(credentials).where(_those(instance_id, account_id))
    return int(await tx.scalar(statement))


def _joined() -> sa.Join:
    return credentials.join(accounts, accounts.c.id == credentials.c.account_id)


def _those(instance_id: int, account_id: int | None) -> sa.ColumnElement[bool]:
    here = credentials.c.instance_id == instance_id
    return here if account_id is None else sa.and_(here, credentials.c.account_id == account_id)


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A signing key; its private half is encrypted."""

    id: str
    private_key: bytes
    public_key: str
    created_at: datetime
    ends_at: datetime | None


async def signing_keys_valid(tx: Tx, now: datetime) -> list[StoredKey]:
    """Keys by which a token may be signed that is still valid, the newest first."""
    c = signing_keys.c
    rows = await tx.all(
        sa.select(*(c[name] for name in StoredKey.__dataclass_fields__))
        .where(sa.or_(c.ends_at.is_(None), c.ends_at > now))
        .order_by(c.created_at.desc(), c.id)
    )
    return [StoredKey(*row) for row in rows]


async def add_signing_key(tx: Tx, key: StoredKey, old_end: datetime, now: datetime) -> None:
    """The key signs from now on; older ones are valid for checking until `old_end`, ended ones are gone."""
    c = signing_keys.c
    await tx.run(sa.update(signing_keys).where(c.ends_at.is_(None)).values(ends_at=old_end))
    await tx.run(sa.delete(signing_keys).where(c.ends_at < now))
    await tx.run(
        sa.insert(signing_keys),
        {name: getattr(key, name) for name in StoredKey.__dataclass_fields__},
    )


async def count_failure(tx: Tx, subject: str, since: datetime, now: datetime) -> int:
    """How many logins of the subject have failed since `since`, this one included."""
    c = login_failures.c
    failures = sa.case((c.last_at < since, 1), else_=c.failures + 1)
    found: int = await tx.scalar(
        insert(tx, login_failures)
        .values(subject=subject, failures=1, last_at=now)
        .on_conflict_do_update(index_elements=["subject"], set_={"failures": failures, "last_at": now})
        .returning(c.failures)
    )
    return found


async def note_success(tx: Tx, account: str, address: str, now: datetime) -> None:
    """The account has logged in from the address."""
    await tx.run(
        insert(tx, login_successes)
        .values(account=account, address=address, last_at=now)
        .on_conflict_do_update(index_elements=["account", "address"], set_={"last_at": now})
    )


async def has_succeeded(tx: Tx, account: str, address: str) -> bool:
    """Whether the account has logged in from the address lately."""
    c = login_successes.c
    return await tx.scalar(sa.select(c.account).where(c.account == account, c.address == address)) is not None


async def forget_successes(tx: Tx, before: datetime, most: int) -> int:
    """Logins from before that time are gone; how many."""
    c = login_successes.c
    old = sa.select(c.account, c.address).where(c.last_at < before).limit(most)
    return await tx.run(sa.delete(login_successes).where(sa.tuple_(c.account, c.address).in_(old)))


async def forget_failures(tx: Tx, before: datetime, most: int) -> int:
    """Failures from before that time are gone; how many."""
    c = login_failures.c
    old = sa.select(c.subject).where(c.last_at < before).limit(most)
    return await tx.run(sa.delete(login_failures).where(c.subject.in_(old)))
