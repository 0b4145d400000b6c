"""What an image is made of, as operations show it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from roadstead.domain.manifest import OCI_INDEX, OCI_MANIFEST
from roadstead.domain.reference import Digest
from roadstead.errors import ManifestUnknown, RepositoryUnknown
from roadstead.services import manifests
from roadstead.services.access import Asker
from roadstead.services.context import Context
from tests.factories.accounts import owner_asker
from tests.factories.calls import call
from tests.factories.pushes import descriptor, document, encode, index, push_blob, push_image, push_manifest

WHERE = {"namespace_name": "library", "repository_name": "web"}
HISTORY = [
    {"created": "2026-01-01T00:00:00Z", "created_by": "/bin/sh -c #(nop) ADD file:1 in /"},
    {"created": "2026-01-01T00:00:01Z", "created_by": '/bin/sh -c #(nop) CMD ["sh"]', "empty_layer": True},
    {"created": "2026-01-01T00:00:02Z", "created_by": "RUN make", "comment": "buildkit"},
]
CONFIG = {
    "os": "linux",
    "architecture": "arm64",
    "variant": "v8",
    "created": "2026-01-01T00:00:02Z",
    "config": {"Labels": {"org.opencontainers.image.title": "shop", "a": "b"}},
    "history": HISTORY,
}


@pytest.fixture
async def owner(ctx: Context) -> Asker:
    return await owner_asker(ctx)


async def layers(ctx: Context, reference: str = "latest", **fields: Any) -> manifests.ImageLayers:
    answer: manifests.ImageLayers = await call(
        ctx, manifests.describe_image_layers, **WHERE, reference=reference, **fields
    )
    return answer


async def test_manifest_configuration_and_labels_as_they_were_pushed(ctx: Context, owner: Asker) -> None:
    digest = await push_image(ctx, owner, "library/web", "latest", config=CONFIG, contents=[b"one", b"second"])
    answer = await call(ctx, manifests.describe_image_manifests, **WHERE, image_version="latest")
    assert str(Digest.of(answer.manifest.encode())) == str(digest)
    assert json.loads(answer.config) == CONFIG
    assert {each.key: each.value for each in answer.labels} == CONFIG["config"]["Labels"]  # type: ignore[index]
    assert answer.size == len(answer.manifest) + len(answer.config) + 9
    with pytest.raises(ManifestUnknown):
        await call(ctx, manifests.describe_image_manifests, **WHERE, image_version="nothing")
    with pytest.raises(RepositoryUnknown):
        await call(
            ctx,
            manifests.describe_image_manifests,
            namespace_name="library",
            repository_name="nothing",
            image_version="latest",
        )


async def test_each_layer_has_its_command_and_size(ctx: Context, owner: Asker) -> None:
    digest = await push_image(ctx, owner, "library/web", "latest", config=CONFIG, contents=[b"one", b"second"])
    answer = await layers(ctx)
    assert (answer.digest, answer.platform, answer.created) == (
        str(digest),
        "linux/arm64/v8",
        "2026-01-01T00:00:02Z",
    )
    assert [(each.command, each.size, each.digest) for each in answer.layers] == [
        (HISTORY[0]["created_by"], 3, str(Digest.of(b"one"))),
        (HISTORY[1]["created_by"], 0, ""),
        ("RUN make", 6, str(Digest.of(b"second"))),
    ]
    assert answer.size == 9
    assert await layers(ctx, str(digest)) == answer


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"history": HISTORY},
        {"history": None, "config": None},
        {"history": "long", "config": {"Labels": 5}},
        {"history": [{"empty_layer": True}]},
    ],
)
async def test_a_history_that_does_not_fit_is_left_out(ctx: Context, owner: Asker, config: dict[str, Any]) -> None:
    await push_image(ctx, owner, "library/web", "latest", config=config, contents=[b"one"])
    answer = await layers(ctx)
    assert [(each.command, each.size) for each in answer.layers] == [("", 3)]
    documents = await call(ctx, manifests.describe_image_manifests, **WHERE, image_version="latest")
    assert documents.labels == []


async def test_an_artifact_has_layers_too(ctx: Context, owner: Asker) -> None:
    for data in (b"\xff\xfe not text", b"chart"):
        await push_blob(ctx, owner, "library/web", data)
    body = document(descriptor(b"\xff\xfe not text", "application/octet-stream"), descriptor(b"chart"))
    await push_manifest(ctx, owner, "library/web", "latest", body)
    assert [each.size for each in (await layers(ctx)).layers] == [5]
    documents = await call(ctx, manifests.describe_image_manifests, **WHERE, image_version="latest")
    assert documents.config == ""


async def test_of_an_index_the_member_for_a_platform(ctx: Context, owner: Asker) -> None:
    members = []
    for architecture in ("arm64", "amd64"):
        config = {"os": "linux", "architecture": architecture}
        digest = await push_image(ctx, owner, "library/web", config=config, contents=[architecture.encode() * 3])
        body = document(
            descriptor(encode(config), "application/vnd.oci.image.config.v1+json"),
            descriptor(architecture.encode() * 3),
        )
        assert Digest.of(body) == digest
        members.append(descriptor(body, OCI_MANIFEST, platform={"os": "linux", "architecture": architecture}))
    members.append(descriptor(b"not here", OCI_MANIFEST, platform={"os": "windows", "architecture": "amd64"}))
    await push_manifest(ctx, owner, "library/web", "latest", index(*members))
    assert (await layers(ctx)).platform == "linux/amd64"
    assert (await layers(ctx, platform="linux/arm64")).layers[0].size == 15
    for platform in ("linux/s390x", "windows/amd64"):
        with pytest.raises(ManifestUnknown):
            await layers(ctx, platform=platform)
    answer = await call(ctx, manifests.describe_image_members, **WHERE, reference="latest")
    assert [(each.platform, each.present, each.size > 0) for each in answer.members] == [
        ("linux/arm64", True, True),
        ("linux/amd64", True, True),
        ("windows/amd64", False, False),
    ]
    documents = await call(ctx, manifests.describe_image_manifests, **WHERE, image_version="latest")
    # The members that are there with all they hold, and of the other what the index says.
    assert documents.size == len(documents.manifest) + sum(each.size for each in answer.members) + len(b"not here")
    assert (documents.config, documents.labels) == ("", [])
    assert json.loads(documents.manifest)["mediaType"] == OCI_INDEX
    one = await call(ctx, manifests.describe_image_members, **WHERE, reference=answer.members[0].digest)
    assert one.members == []


async def test_without_the_usual_platform_the_first_member(ctx: Context, owner: Asker) -> None:
    config = {"os": "linux", "architecture": "riscv64"}
    await push_image(ctx, owner, "library/web", config=config, contents=[b"x"])
    body = document(descriptor(encode(config), "application/vnd.oci.image.config.v1+json"), descriptor(b"x"))
    await push_manifest(ctx, owner, "library/web", "latest", index(descriptor(body, OCI_MANIFEST)))
    assert (await layers(ctx)).platform == "linux/riscv64"


async def test_what_refers_to_an_image(ctx: Context, owner: Asker) -> None:
    image = await push_image(ctx, owner, "library/web", "latest")
    await push_blob(ctx, owner, "library/web", b"{}")
    size = 0
    for number in range(3):
        body = document(
            descriptor(b"{}", "application/vnd.oci.empty.v1+json"),
            artifactType="a/sbom" if number else "a/signature",
            subject={"mediaType": OCI_MANIFEST, "digest": str(image), "size": 1},
            annotations={"number": str(number)},
        )
        size = max(size, len(body))
        await push_manifest(ctx, owner, "library/web", "", body)
    op = manifests.describe_image_referrers
    answer = await call(ctx, op, **WHERE, reference="latest")
    assert sorted(each.artifact_type for each in answer.referrers) == ["a/sbom", "a/sbom", "a/signature"]
    assert (answer.total_count, answer.last, answer.referrers[0].size <= size) == (3, "", True)
    assert await call(ctx, op, **WHERE, reference=str(image)) == answer
    first = await call(ctx, op, **WHERE, reference="latest", limit=2)
    rest = await call(ctx, op, **WHERE, reference="latest", limit=2, last=first.last)
    assert [*first.referrers, *rest.referrers] == answer.referrers
    only = await call(ctx, op, **WHERE, reference="latest", artifact_type="a/sbom", limit=1, offset=1)
    assert (len(only.referrers), only.total_count) == (1, 2)
