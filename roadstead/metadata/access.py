"""What one data-plane request must know, in one read: who asks, in which namespace, and what is there.

Credential, account, namespace and instance can change in another process between two requests, so they are never
held in memory; one statement fetches them together with the thing asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any

import sqlalchemy as sa

from roadstead.domain.reference import Digest
from roadstead.metadata.database import Prepared, Tx
from roadstead.metadata.schema.access import credentials
from roadstead.metadata.schema.content import blobs, manifests, namespaces, repositories, repository_blobs, tags
from roadstead.metadata.schema.tenancy import accounts, instances


class Target(Enum):
    """What of a repository is asked for."""

    NOTHING = 0
    TAG = 1
    MANIFEST = 2
    BLOB = 3


@dataclass(frozen=True, slots=True)
class Facts:
    """What stands at the moment of one request."""

    revision: int
    account_id: int | None
    owner_uin: str
    account_enabled: bool
    policy_revision: int
    secret_hash: str | None
    credential_enabled: bool
    namespace_id: int | None
    public: bool
    repository_id: int | None


@dataclass(frozen=True, slots=True)
class StoredManifest:
    """A manifest of a repository, without its bytes."""

    id: int
    digest: str
    media_type: str
    size: int
    # What kind of artifact it is: its artifactType, or else the media type of its config.
    artifact_type: str | None = None


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """A blob that a repository holds."""

    id: int
    digest: Digest
    generation: int
    size: int


async def instance_revision(tx: Tx, instance_id: int) -> int | None:
    """The instance's revision, or None when it is gone."""
    found: int | None = await tx.scalar(sa.select(instances.c.revision).where(instances.c.id == instance_id))
    return found


async def look_up(
    tx: Tx,
    *,
    instance_id: int,
    uin: str,
    credential: str,
    namespace: str,
    repository: str,
    target: Target,
    wanted: str,
    now: datetime,
) -> tuple[Facts, StoredManifest | StoredBlob | None] | None:
    """Who and what one request meets; None when the instance is gone."""
    row = await tx.look_up(
        _statement(target),
        {
            "instance": instance_id,
            "uin": uin,
            "credential": credential,
            "namespace": namespace,
            "repository": repository,
            "wanted": wanted,
            "now": now,
        },
    )
    if row is None:
        return None
    facts = Facts(
        row[0], row[1], row[2] or "", bool(row[3]), row[4] or 0, row[5], bool(row[6]), row[7], bool(row[8]), row[9]
    )
    if target is Target.NOTHING or row[10] is None:
        return facts, None
    if target is Target.BLOB:
        return facts, StoredBlob(row[10], Digest.parse(wanted), row[11], row[12])
    return facts, StoredManifest(row[10], row[11], row[12], row[13], row[14])


def visible_link(now: Any) -> sa.ColumnElement[bool]:
    """A repository shows a blob while a manifest names it or until its time ends."""
    return sa.or_(repository_blobs.c.manifests > 0, repository_blobs.c.ends_at > now)


@cache
def _statement(target: Target) -> Prepared:
    bind = sa.bindparam
    columns: list[Any] = [
        instances.c.revision,
        accounts.c.id,
        accounts.c.owner_uin,
        accounts.c.enabled,
        accounts.c.policy_revision,
        credentials.c.secret_hash,
        credentials.c.enabled,
        namespaces.c.id,
        namespaces.c.public,
        repositories.c.id,
    ]
    source = (
        instances.outerjoin(accounts, accounts.c.uin == bind("uin"))
        .outerjoin(
            credentials,
            sa.and_(
                credentials.c.id == bind("credential"),
                credentials.c.instance_id == instances.c.id,
                credentials.c.account_id == accounts.c.id,
            ),
        )
        .outerjoin(
            namespaces,
            sa.and_(namespaces.c.instance_id == instances.c.id, namespaces.c.name == bind("namespace")),
        )
        .outerjoin(
            repositories,
            sa.and_(
                repositories.c.instance_id == instances.c.id,
                repositories.c.name == bind("repository"),
            ),
        )
    )
    source, extra = _join_target(source, target)
    statement = sa.select(*columns, *extra).select_from(source).where(instances.c.id == bind("instance"))
    return Prepared(lambda _: statement)


def _join_target(source: sa.Join, target: Target) -> tuple[sa.Join, list[Any]]:
    wanted: sa.BindParameter[str] = sa.bindparam("wanted")
    shown = [manifests.c[name] for name in ("id", "digest", "media_type", "size", "artifact_type")]
    if target is Target.TAG:
        source = source.outerjoin(
            tags, sa.and_(tags.c.repository_id == repositories.c.id, tags.c.name == wanted)
        ).outerjoin(manifests, manifests.c.id == tags.c.manifest_id)
        return source, shown
    if target is Target.MANIFEST:
        holds = sa.and_(manifests.c.repository_id == repositories.c.id, manifests.c.digest == wanted)
        return source.outerjoin(manifests, holds), shown
    if target is Target.BLOB:
        held = sa.and_(
            blobs.c.region == instances.c.region,
            blobs.c.digest == wanted,
            blobs.c.state == "stored",
            sa.exists().where(
                repository_blobs.c.repository_id == repositories.c.id,
                repository_blobs.c.blob_id == blobs.c.id,
                visible_link(sa.bindparam("now")),
            ),
        )
        return source.outerjoin(blobs, held), [blobs.c.id, blobs.c.generation, blobs.c.size]
    return source, []
