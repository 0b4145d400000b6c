"""Custom domains of instances, and certificates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from roadstead.metadata.database import Tx, insert
from roadstead.metadata.schema.domains import certificates, custom_domains
from roadstead.metadata.schema.tenancy import instances


@dataclass(frozen=True, slots=True)
class StoredCertificate:
    """One certificate, with its key encrypted."""

    id: int
    certificate_id: str
    alias: str
    chain: str
    sealed_key: bytes
    names: str
    issuer: str
    fingerprint: str
    ends_at: datetime
    created_at: datetime


@dataclass(frozen=True, slots=True)
class CustomDomain:
    """A host name of an instance, with the id of its certificate."""

    domain: str
    certificate_id: str
    instance_name: str


_CERTIFICATE = tuple(certificates.c[name] for name in StoredCertificate.__dataclass_fields__)
_DOMAINS = custom_domains.join(certificates, certificates.c.id == custom_domains.c.certificate).join(
    instances, instances.c.id == custom_domains.c.instance_id
)


async def certificate(tx: Tx, certificate_id: str, *, lock: bool = False) -> StoredCertificate | None:
    """The certificate of that id."""
    statement = sa.select(*_CERTIFICATE).where(certificates.c.certificate_id == certificate_id)
    row = await tx.one(statement.with_for_update() if lock else statement)
    return None if row is None else StoredCertificate(*row)


async def page_of_certificates(tx: Tx, last: str, most: int, *, skip: int = 0) -> list[StoredCertificate]:
    """Up to `most` certificates after the id `last` and `skip` more, by id."""
    c = certificates.c.certificate_id
    statement = sa.select(*_CERTIFICATE).where(c > last).order_by(c)
    return [StoredCertificate(*row) for row in await tx.all(statement.limit(most).offset(skip or None))]


async def count_certificates(tx: Tx) -> int:
    """How many certificates there are."""
    return int(await tx.scalar(sa.select(sa.func.count()).select_from(certificates)))


async def fingerprints(tx: Tx) -> dict[str, str]:
    """Of every certificate, by id."""
    rows = await tx.all(sa.select(certificates.c.certificate_id, certificates.c.fingerprint))
    return {row.certificate_id: row.fingerprint for row in rows}


async def put_certificate(tx: Tx, certificate_id: str, **values: object) -> None:
    """The certificate is so, whether it was there or not."""
    row = {"certificate_id": certificate_id, **values}
    changed = {name: value for name, value in values.items() if name != "created_at"}
    statement = insert(tx, certificates).values(row)
    await tx.run(statement.on_conflict_do_update(index_elements=[certificates.c.certificate_id], set_=changed))


async def remove_certificate(tx: Tx, row_id: int) -> None:
    """The certificate is gone."""
    await tx.run(sa.delete(certificates).where(certificates.c.id == row_id))


async def add_domain(tx: Tx, instance_id: int, domain: str, certificate_row: int, now: datetime) -> bool:
    """The host name is the instance's; False when it is taken."""
    row = {"instance_id": instance_id, "domain": domain, "certificate": certificate_row, "created_at": now}
    return await tx.run(insert(tx, custom_domains).values(row).on_conflict_do_nothing()) > 0


async def remove_domain(tx: Tx, instance_id: int, domain: str) -> bool:
    """The host name is no instance's; False when it was not this one's."""
    c = custom_domains.c
    return await tx.run(sa.delete(custom_domains).where(c.instance_id == instance_id, c.domain == domain)) > 0


async def domains_of(tx: Tx, instance_id: int, last: str, most: int, *, skip: int = 0) -> list[CustomDomain]:
    """Up to `most` host names of the instance after `last` and `skip` more, by name."""
    c = custom_domains.c
    statement = _select().where(c.instance_id == instance_id, c.domain > last).order_by(c.domain)
    return [CustomDomain(*row) for row in await tx.all(statement.limit(most).offset(skip or None))]


async def count_domains(tx: Tx, instance_id: int) -> int:
    """How many host names of its own the instance has."""
    statement = sa.select(sa.func.count()).select_from(custom_domains)
    return int(await tx.scalar(statement.where(custom_domains.c.instance_id == instance_id)))


async def every_domain(tx: Tx) -> Sequence[CustomDomain]:
    """The host names of all instances."""
    return [CustomDomain(*row) for row in await tx.all(_select())]


async def domains_with(tx: Tx, certificate_row: int) -> list[str]:
    """The host names that use the certificate."""
    statement = sa.select(custom_domains.c.domain).where(custom_domains.c.certificate == certificate_row)
    return [row.domain for row in await tx.all(statement.order_by(custom_domains.c.domain))]


def _select() -> sa.Select[tuple[str, str, str]]:
    return sa.select(custom_domains.c.domain, certificates.c.certificate_id, instances.c.name).select_from(_DOMAINS)
