"""A little of everything in a database: an owner, an instance, a repository, and ways to add blobs and manifests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from roadstead.domain.manifest import OCI_MANIFEST, Manifest, Part
from roadstead.domain.reference import Digest
from roadstead.metadata import accounts, artifacts, credentials, instances, layers, namespaces, repositories
from roadstead.metadata.database import Database, Tx
from roadstead.metadata.instances import Instance
from roadstead.metadata.layers import Upload

NOW = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
EMPTY = str(Digest.of(b""))


@dataclass(frozen=True)
class Scene:
    """Where things are."""

    instance: int
    account: int
    namespace: int
    repository: int


def instance(name: str = "first", registry_id: str = "tcr-first") -> Instance:
    """An instance that is not in the database yet."""
    return Instance(
        id=0,
        registry_id=registry_id,
        name=name,
        region="local",
        specification="basic",
        status="Running",
        anonymous_access=True,
        create_namespace_on_push=False,
        public_entry="Closed",
        revision=0,
        created_at=NOW,
    )


def upload(of: int, upload_id: str = "session", ends_at: datetime = LATER) -> Upload:
    """A session of the scene's repository at its beginning."""
    return Upload(upload_id, of, "local", "prod/web", "sha256", 0, EMPTY, ends_at)


def manifest(*blobs: bytes, subject: bytes | None = None, artifact_type: str | None = None) -> Manifest:
    """A manifest of those blobs."""
    named = tuple(Part(Digest.of(data), len(data), "application/octet-stream") for data in blobs)
    about = None if subject is None else Digest.of(subject)
    return Manifest(OCI_MANIFEST, artifact_type, named[0] if named else None, named, (), about, {})


async def set_up(database: Database) -> Scene:
    """An owner, an instance `first`, a namespace `prod` and a visible repository `prod/web`."""
    async with database.write() as tx:
        account = await accounts.add(tx, uin="100", owner_uin="100", name="admin", password_hash="-", now=NOW)
        assert account is not None
        assert await instances.add(tx, instance())
        made = await instances.get(tx, name="first")
        assert made is not None
        await namespaces.add(tx, made.id, "prod", public=False, automatic_scan=False, now=NOW)
        namespace = await namespaces.get(tx, made.id, "prod")
        assert namespace is not None
        repository, _ = await repositories.ensure(tx, made.id, namespace.id, "prod/web", visible=True, now=NOW)
        await add_credential(tx, made.id, account.id, "first-credential")
    return Scene(made.id, account.id, namespace.id, repository)


async def add_credential(tx: Tx, instance_id: int, account_id: int, credential_id: str) -> None:
    """The account has a credential of that id."""
    await credentials.add(
        tx,
        credential_id=credential_id,
        instance_id=instance_id,
        account_id=account_id,
        secret_hash="hash",
        description="for the tests",
        now=NOW,
    )


async def store_blob(tx: Tx, repository: int, data: bytes, ends_at: datetime = LATER, now: datetime = NOW) -> int:
    """The repository holds the bytes, which no manifest names yet; the row's id."""
    claim = await layers.claim_blob(tx, "local", Digest.of(data), len(data), now, ends_at)
    assert await layers.mark_stored(tx, claim.blob_id)
    await layers.hold(tx, repository, claim.blob_id, ends_at)
    return claim.blob_id


async def store_manifest(
    tx: Tx,
    repository: int,
    *blobs: bytes,
    subject: bytes | None = None,
    artifact_type: str | None = None,
    missing: tuple[str, ...] = (),
    body: bytes = b"",
) -> tuple[int, str]:
    """The repository has a manifest of those blobs; its id and digest."""
    body = body or b"manifest of " + b",".join(blobs) + (subject or b"")
    ids = [await store_blob(tx, repository, data) for data in blobs]
    digest = str(Digest.of(body))
    added = await artifacts.add_manifest(
        tx,
        repository_id=repository,
        digest=digest,
        manifest=manifest(*blobs, subject=subject, artifact_type=artifact_type),
        platforms="linux/amd64",
        annotations=None,
        body=body,
        blob_ids=ids,
        missing=missing,
        now=NOW,
    )
    assert added is not None
    return added, digest
