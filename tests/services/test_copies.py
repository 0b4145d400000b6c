"""Copying images inside an instance: what is needed, what the target has afterwards, what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from roadstead.domain.manifest import OCI_MANIFEST
from roadstead.domain.policy import Circumstances, Decision, Resource, Rights
from roadstead.domain.reference import Digest
from roadstead.errors import (
    AccessDenied,
    ManifestInvalid,
    ManifestUnknown,
    NamespaceUnknown,
    PreconditionFailed,
    RepositoryUnknown,
)
from roadstead.services import copies, gc
from roadstead.services.namespaces import create_namespace
from roadstead.services.operations import run
from roadstead.services.repositories import delete_repository
from tests.factories.accounts import sub_caller
from tests.factories.instances import ask
from tests.factories.pushes import descriptor, index
from tests.factories.shop_fixtures import on_postgresql, options, shop
from tests.factories.shops import Shop, image, nothing_stays, refusal

__all__ = ["on_postgresql", "options", "shop"]

CONFIG, LAYER = b"{}", b"a layer"


class Only:
    """Rights to do the named actions on the named repositories, and nothing else."""

    def __init__(self, *allowed: tuple[str, str]) -> None:
        self.allowed = allowed

    def decide(self, action: str, resource: Resource, circumstances: Circumstances) -> Decision:
        repository = resource.path.partition("/")[2].partition("/")[2]
        return Decision((action, repository) in self.allowed, "policy", "as the test says")


def request(shop: Shop, **fields: Any) -> copies.DuplicateImage:
    usual = {
        "registry_id": shop.asker.instance.row.registry_id,
        "source_namespace": "library",
        "source_repo": "web",
        "source_reference": "latest",
        "destination_tag": "copied",
    }
    return copies.DuplicateImage(**{**usual, **fields})


async def copy(shop: Shop, **fields: Any) -> None:
    usual = request(shop, **fields)
    await ask(shop.ctx, copies.duplicate_image, **{name: getattr(usual, name) for name in usual.__struct_fields__})


async def test_another_tag_of_the_same_repository(shop: Shop) -> None:
    digest = await shop.push_image("library/web", "latest", CONFIG, LAYER)
    await copy(shop)
    assert str(Digest.of(await shop.read_manifest("library/web", "copied"))) == str(digest)


async def test_another_repository_which_outlives_the_source(shop: Shop) -> None:
    await shop.push_image("library/web", "latest", CONFIG, LAYER)
    await copy(shop, destination_repo="deep/shop")
    await shop.call(delete_repository, "library/web")
    shop.clock.turn(days=9)
    await gc.collect(shop.ctx)
    assert await shop.read_manifest("library/deep/shop", "copied") == image(CONFIG, LAYER)
    assert await shop.read_blob("library/deep/shop", Digest.of(LAYER)) == LAYER
    assert await shop.findings() == []
    await shop.call(delete_repository, "library/deep/shop")
    await nothing_stays(shop)


async def test_an_index_with_its_members(shop: Shop) -> None:
    first = await shop.push_image("library/web", "", CONFIG, LAYER)
    second = await shop.push_image("library/web", "", CONFIG, b"another")
    body = index(
        descriptor(image(CONFIG, LAYER), OCI_MANIFEST),
        descriptor(image(CONFIG, b"another"), OCI_MANIFEST),
        descriptor(b"not here", OCI_MANIFEST),
    )
    await shop.push_manifest("library/web", body, "latest")
    await copy(shop, destination_repo="shop", destination_tag="latest")
    assert await shop.read_manifest("library/shop", "latest") == body
    for digest in (first, second):
        await shop.read_manifest("library/shop", str(digest))
    assert await shop.read_blob("library/shop", Digest.of(b"another")) == b"another"


async def test_a_tag_that_stands_is_moved_only_when_asked(shop: Shop) -> None:
    digest = await shop.push_image("library/web", "latest", CONFIG, LAYER)
    await shop.push_image("library/web", "copied", CONFIG, b"older")
    assert await refusal(copy(shop)) is PreconditionFailed
    await copy(shop, override=True)
    assert str(Digest.of(await shop.read_manifest("library/web", "copied"))) == str(digest)
    await copy(shop)


async def test_what_cannot_be_copied(shop: Shop) -> None:
    assert await refusal(copy(shop)) is RepositoryUnknown
    await shop.push_image("library/web", "latest", CONFIG, LAYER)
    assert await refusal(copy(shop, source_reference="other")) is ManifestUnknown
    assert await refusal(copy(shop, destination_namespace="nothing")) is NamespaceUnknown
    assert await refusal(copy(shop, destination_tag="not a tag")) is ManifestInvalid


@pytest.mark.parametrize("missing", [0, 1, 2, 3], ids=["pull", "push", "create", "nothing"])
async def test_the_rights_that_it_needs(shop: Shop, missing: int) -> None:
    await shop.push_image("library/web", "latest", CONFIG, LAYER)
    registry_id = shop.asker.instance.row.registry_id
    await ask(shop.ctx, create_namespace, registry_id=registry_id, namespace_name=f"team-{missing}")
    target = f"team-{missing}/web"
    needed = [
        ("tcr:PullRepository", "library/web"),
        ("tcr:PushRepository", target),
        ("tcr:CreateRepository", target),
    ]
    del needed[missing : missing + 1]
    rights: Rights = Only(("tcr:DuplicateImage", "library/web"), *needed)
    caller = replace(await sub_caller(shop.ctx, f"copier-{missing}"), rights=rights)
    work = run(shop.ctx, caller, copies.duplicate_image, request(shop, destination_namespace=f"team-{missing}"))
    assert await refusal(work) is (None if missing == 3 else AccessDenied)
