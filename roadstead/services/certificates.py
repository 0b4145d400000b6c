"""Certificates that are kept in the database, their keys encrypted: for custom domains, and for whatever they name.

Every serving process has them in memory, because what chooses a certificate during a handshake cannot wait; it looks
each second whether they have changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import structlog
from msgspec import Meta

from roadstead.domain.certificates import Certificate, covers, read_certificate
from roadstead.errors import CertificateInvalid, NotFound, OperationRefused
from roadstead.metadata import domains
from roadstead.metadata.database import Tx
from roadstead.metadata.domains import StoredCertificate
from roadstead.services.context import Context
from roadstead.services.fields import CreatedAt
from roadstead.services.operations import Call, Done, PageAnswer, PageRequest, Wire, operation
from roadstead.services.secrets import random_id

_LONGEST = 100_000

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

CertificateId = Annotated[str, Meta(description="Id of the certificate.", max_length=12)]
Alias = Annotated[str, Meta(description="What people call it, up to 200 characters.", max_length=200)]
Chain = Annotated[str, Meta(description="The certificate with its chain, PEM.", max_length=_LONGEST)]
PrivateKey = Annotated[
    str, Meta(description="Its private key, PEM, without a passphrase.", max_length=_LONGEST, extra={"secret": True})
]


class UploadCertificate(Wire, frozen=True, kw_only=True):
    """A certificate that shall be shown for the hosts it names."""

    certificate_public_key: Chain
    certificate_private_key: PrivateKey
    alias: Alias = ""


class ModifyCertificate(Wire, frozen=True, kw_only=True):
    """What a certificate shall be replaced by: it goes on under its id."""

    certificate_id: CertificateId
    certificate_public_key: Chain
    certificate_private_key: PrivateKey


class CertificateOnly(Wire, frozen=True, kw_only=True):
    """Which certificate."""

    certificate_id: CertificateId


class CertificateInfo(Wire, frozen=True, kw_only=True):
    """One certificate; its key is never shown."""

    certificate_id: CertificateId
    alias: Alias
    subject_alt_names: Annotated[list[str], Meta(description="The hosts that it is for.")]
    issuer: Annotated[str, Meta(description="Who has issued it.")]
    cert_end_time: Annotated[CreatedAt, Meta(description="When it ends.")]
    fingerprint: Annotated[str, Meta(description="SHA-256 of the certificate.")]
    created_at: CreatedAt


class DescribeCertificates(PageRequest, frozen=True, kw_only=True):
    """Which page of the certificates."""


class CertificatePage(PageAnswer, frozen=True, kw_only=True):
    """Certificates, by id."""

    certificates: Annotated[list[CertificateInfo], Meta(description="The certificates.")]


@operation(resource="certificate/*", changes=True, raises=(CertificateInvalid,))
async def upload_certificate(call: Call, request: UploadCertificate) -> CertificateInfo:
    """Keep a certificate with its key, encrypted; it is shown for the hosts that it names."""
    found = _read(request.certificate_public_key, request.certificate_private_key)
    made = random_id(8)
    await _put(call, made, request.alias, found)
    return await _changed(call, None, made)


@operation(resource="certificate/{certificate_id}", changes=True, raises=(CertificateInvalid, NotFound))
async def modify_certificate(call: Call, request: ModifyCertificate) -> CertificateInfo:
    """Replace a certificate, for example by a renewed one; the hosts that use it go on with it."""
    before = await existing(call.tx, request.certificate_id, lock=True)
    found = _read(request.certificate_public_key, request.certificate_private_key)
    for host in await domains.domains_with(call.tx, before.id):
        if not covers(found.names, host):
            raise CertificateInvalid(f"the certificate is not for {host}, which uses this id")
    await _put(call, before.certificate_id, before.alias, found)
    return await _changed(call, before, before.certificate_id)


@operation(resource="certificate/{certificate_id}", changes=True, raises=(NotFound, OperationRefused))
async def delete_certificate(call: Call, request: CertificateOnly) -> Done:
    """Forget a certificate that no custom domain uses."""
    before = await existing(call.tx, request.certificate_id, lock=True)
    using = await domains.domains_with(call.tx, before.id)
    if using:
        raise OperationRefused(f"the certificate is used by {', '.join(using[:5])}; delete these domains first")
    await domains.remove_certificate(call.tx, before.id)
    call.changed(_info(before), None)
    return Done()


@operation(resource="certificate/*", changes=False, paging="record")
async def describe_certificates(call: Call, request: DescribeCertificates) -> CertificatePage:
    """List the certificates that are kept."""
    which = call.slice(request)
    rows = await domains.page_of_certificates(call.tx, which.last, which.most, skip=which.skip)
    return CertificatePage(
        certificates=[_info(row) for row in rows],
        total_count=await domains.count_certificates(call.tx) if which.counted else None,
        last=which.next([row.certificate_id for row in rows]),
    )


async def existing(tx: Tx, certificate_id: str, *, lock: bool = False) -> StoredCertificate:
    """The certificate of that id; raises NotFound."""
    found = await domains.certificate(tx, certificate_id, lock=lock)
    if found is None:
        raise NotFound(f"there is no certificate {certificate_id[:40]!r}; see: roadstead tls list")
    return found


def _read(chain: str, key: str) -> Certificate:
    return read_certificate(chain.encode(), key.encode())


async def _put(call: Call, certificate_id: str, alias: str, found: Certificate) -> None:
    await domains.put_certificate(
        call.tx,
        certificate_id,
        alias=alias,
        chain=found.chain.decode(),
        sealed_key=call.ctx.secrets.seal(found.key),
        names=" ".join(found.names),
        issuer=found.issuer,
        fingerprint=found.fingerprint,
        ends_at=found.not_after,
        created_at=call.now,
    )


async def _changed(call: Call, before: StoredCertificate | None, certificate_id: str) -> CertificateInfo:
    after = _info(await existing(call.tx, certificate_id))
    call.changed(None if before is None else _info(before), after)
    return after


def _info(row: StoredCertificate) -> CertificateInfo:
    return CertificateInfo(
        certificate_id=row.certificate_id,
        alias=row.alias,
        subject_alt_names=row.names.split(),
        issuer=row.issuer,
        cert_end_time=row.ends_at,
        fingerprint=row.fingerprint,
        created_at=row.created_at,
    )


class StoredCertificates:
    """The stored certificates as one process has them in memory, and which instance each custom domain means."""

    def __init__(self) -> None:
        self._by_id: dict[str, Certificate] = {}
        self._of_domain: Mapping[str, str] = {}

    def find(self, host: str) -> Certificate | None:
        """The certificate of the custom domain, or else one that is for the host."""
        found = self._by_id.get(self._of_domain.get(host, ""))
        return found or next((each for each in self._by_id.values() if covers(each.names, host)), None)

    async def refresh(self, ctx: Context) -> None:
        """The memory is as the database."""
        async with ctx.database.read() as tx:
            rows = await domains.every_domain(tx)
            standing = await domains.fingerprints(tx)
            known = {name: each.fingerprint for name, each in self._by_id.items()}
            changed = [name for name, print_ in standing.items() if known.get(name) != print_]
            read = [await domains.certificate(tx, name) for name in changed]
        kept = {name: each for name, each in self._by_id.items() if standing.get(name) == each.fingerprint}
        for row in read:
            if row is not None:
                key = ctx.secrets.unseal(row.sealed_key)
                kept[row.certificate_id] = read_certificate(row.chain.encode(), key)
                _log.info("a stored certificate was read", certificate=row.certificate_id, names=row.names)
        self._by_id = kept
        self._of_domain = {row.domain: row.certificate_id for row in rows}
        ctx.instances.domains = {row.domain: row.instance_name for row in rows}
