"""The one read of a data-plane request: what each part of the answer depends on, on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from roadstead.domain.manifest import OCI_MANIFEST
from roadstead.domain.reference import Digest
from roadstead.metadata import access, artifacts, credentials, instances, inventory, namespaces
from roadstead.metadata.access import Facts, StoredBlob, StoredManifest, Target
from roadstead.metadata.database import Database, Tx
from roadstead.metadata.schema.tenancy import accounts
from tests.metadata.scene import LATER, NOW, Scene, instance, set_up, store_blob, store_manifest


async def ask(tx: Tx, scene: Scene, target: Target = Target.NOTHING, wanted: str = "", **other: Any) -> Any:
    asked: dict[str, Any] = {
        "instance_id": scene.instance,
        "uin": "100",
        "credential": "first-credential",
        "namespace": "prod",
        "repository": "prod/web",
        "now": NOW,
    }
    return await access.look_up(tx, **{**asked, **other}, target=target, wanted=wanted)


def known(scene: Scene) -> Facts:
    """What stands in the scene."""
    return Facts(0, scene.account, "100", True, 0, "hash", True, scene.namespace, False, scene.repository)


async def test_each_fact_follows_from_its_own_row(database: Database) -> None:
    scene = await set_up(database)
    facts = known(scene)
    async with database.write() as tx:
        await instances.add(tx, instance("second", "tcr-second"))
        second = await instances.get(tx, name="second")
        assert second is not None
        no_credential = replace(facts, secret_hash=None, credential_enabled=False)
        nobody = replace(no_credential, account_id=None, owner_uin="", account_enabled=False)
        for other, wanted in (
            ({}, facts),
            ({"credential": "other"}, no_credential),
            ({"uin": "200"}, nobody),
            ({"uin": "", "credential": ""}, nobody),
            ({"namespace": "dev"}, replace(facts, namespace_id=None)),
            ({"repository": "prod/api"}, replace(facts, repository_id=None)),
            (
                {"instance_id": second.id},
                replace(no_credential, namespace_id=None, repository_id=None),
            ),
        ):
            assert await ask(tx, scene, **other) == (wanted, None), other
        assert await ask(tx, scene, instance_id=second.id + 100) is None


async def test_changes_are_seen_by_the_next_request(database: Database) -> None:
    scene = await set_up(database)
    async with database.write() as tx:
        await credentials.modify(tx, scene.instance, "first-credential", enabled=False)
        await namespaces.modify(tx, scene.namespace, public=True)
        await instances.modify(tx, scene.instance)
        await tx.run(sa.update(accounts).values(enabled=False))
        changed = replace(known(scene), revision=1, account_enabled=False, credential_enabled=False, public=True)
        assert await ask(tx, scene) == (changed, None)
        assert await access.instance_revision(tx, scene.instance) == 1
        assert await access.instance_revision(tx, scene.instance + 1) is None


async def test_a_manifest_by_tag_and_by_digest(database: Database) -> None:
    scene = await set_up(database)
    async with database.write() as tx:
        added, digest = await store_manifest(tx, scene.repository, b"layer", body=b"manifest")
        await artifacts.put_tag(tx, scene.repository, "latest", added, NOW)
    wanted = (known(scene), StoredManifest(added, digest, OCI_MANIFEST, 8, "application/octet-stream"))
    nothing = (known(scene), None)
    async with database.read() as tx:
        assert await ask(tx, scene, Target.TAG, "latest") == wanted
        assert await ask(tx, scene, Target.TAG, "Latest") == nothing
        assert await ask(tx, scene, Target.MANIFEST, digest) == wanted
        assert await ask(tx, scene, Target.MANIFEST, "latest") == nothing
        assert await ask(tx, scene, Target.TAG, digest) == nothing
        elsewhere = await ask(tx, scene, Target.TAG, "latest", repository="prod/api")
        assert elsewhere == (replace(known(scene), repository_id=None), None)


async def test_a_blob_is_found_while_its_repository_shows_it(database: Database) -> None:
    scene = await set_up(database)
    digests = {name: str(Digest.of(name.encode())) for name in ("named", "waiting", "broken")}
    async with database.write() as tx:
        await store_manifest(tx, scene.repository, b"named")
        await store_blob(tx, scene.repository, b"waiting", ends_at=LATER)
        broken = await store_blob(tx, scene.repository, b"broken")
        (row,) = await inventory.stored_blobs(tx, broken - 1, 1)
        assert await inventory.quarantine(tx, broken, row.generation)
    async with database.read() as tx:

        async def found(name: str, **other: Any) -> Any:
            return (await ask(tx, scene, Target.BLOB, digests[name], **other))[1]

        waiting = await found("waiting")
        assert isinstance(waiting, StoredBlob)
        assert (waiting.digest, waiting.size) == (Digest.of(b"waiting"), 7)
        assert await found("waiting", now=LATER - timedelta(microseconds=1)) is not None
        assert await found("waiting", now=LATER) is None
        assert await found("named", now=LATER + timedelta(days=9)) is not None
        assert await found("broken") is None
        assert await found("named", repository="prod/api") is None


async def test_a_wanted_text_that_is_no_digest_finds_nothing(database: Database) -> None:
    scene = await set_up(database)
    async with database.read() as tx:
        assert await ask(tx, scene, Target.BLOB, "nonsense") == (known(scene), None)
