"""Manifests: each document that is accepted with what it names, and each that is refused with what is said."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadstead.domain import manifest as documents
from roadstead.domain.manifest import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Manifest,
    Part,
    accepts,
    child_for,
    parse,
    platforms,
)
from roadstead.domain.reference import Digest
from roadstead.errors import ManifestInvalid
from tests.factories.pushes import CONFIG, EMPTY, LAYER, descriptor, document, encode, index

SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+json"
SIGNED1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
SIGNATURE = "application/vnd.example.signature"

config = descriptor(b"{config}", CONFIG)
layer = descriptor(b"one")
other = descriptor(b"two")
empty = descriptor(b"{}", EMPTY)


def part(of: dict[str, Any]) -> Part:
    return Part(Digest.parse(of["digest"]), of["size"], of["mediaType"])


def read(body: bytes, content_type: str = "") -> Manifest:
    return parse(body, content_type, 100)


def without(body: bytes, *names: str, **changed: Any) -> bytes:
    found = json.loads(body)
    for name in names:
        del found[name]
    return encode({**found, **changed})


IMAGE = document(config, layer, other)
INDEX = index(
    descriptor(IMAGE, OCI_MANIFEST, platform={"os": "linux", "architecture": "amd64"}),
    descriptor(b"arm", OCI_MANIFEST, platform={"os": "linux", "architecture": "arm64", "variant": "v8"}),
)


class TestAccepted:
    def test_an_image(self) -> None:
        found = read(IMAGE)
        assert found == Manifest(
            media_type=OCI_MANIFEST,
            artifact_type=None,
            config=part(config),
            blobs=(part(config), part(layer), part(other)),
            members=(),
            subject=None,
            annotations={},
        )
        assert found.referrer_type == CONFIG

    def test_a_docker_image(self) -> None:
        body = document(descriptor(b"{}", DOCKER_CONFIG), descriptor(b"a", DOCKER_LAYER), media_type=DOCKER_MANIFEST)
        found = read(body, DOCKER_MANIFEST)
        assert found.media_type == DOCKER_MANIFEST
        assert [each.media_type for each in found.blobs] == [DOCKER_CONFIG, DOCKER_LAYER]

    @pytest.mark.parametrize("media_type", [OCI_INDEX, DOCKER_LIST])
    def test_an_index_of_several_platforms(self, media_type: str) -> None:
        found = read(without(INDEX, mediaType=media_type), media_type)
        assert (found.media_type, found.config, found.blobs) == (media_type, None, ())
        assert [each.platform for each in found.members] == ["linux/amd64", "linux/arm64/v8"]
        assert found.members[0].digest == Digest.of(IMAGE)
        assert found.referrer_type is None

    def test_an_empty_index(self) -> None:
        assert read(index()).members == ()

    def test_an_image_without_layers(self) -> None:
        assert read(document(config)).blobs == (part(config),)

    def test_an_artifact_with_a_type_and_a_subject(self) -> None:
        subject = descriptor(IMAGE, OCI_MANIFEST)
        found = read(document(empty, empty, artifactType=SIGNATURE, subject=subject, annotations={"by": "me"}))
        assert (found.artifact_type, found.referrer_type) == (SIGNATURE, SIGNATURE)
        assert found.subject == Digest.of(IMAGE)
        assert found.annotations == {"by": "me"}
        assert found.blobs == (part(empty),), "an empty config that is also the only layer is one blob"

    def test_an_index_with_a_type_and_a_subject(self) -> None:
        found = read(index(artifactType=SIGNATURE, subject=descriptor(IMAGE, OCI_MANIFEST)))
        assert (found.referrer_type, found.subject) == (SIGNATURE, Digest.of(IMAGE))

    def test_an_empty_artifact_type_is_none(self) -> None:
        found = read(document(config, artifactType=""))
        assert (found.artifact_type, found.referrer_type) == (None, CONFIG)

    @pytest.mark.parametrize(
        "media_type",
        [
            "application/vnd.oci.image.layer.nondistributable.v1.tar",
            "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
            "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
            "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        ],
    )
    def test_layers_kept_elsewhere_need_not_be_here(self, media_type: str) -> None:
        foreign = descriptor(b"windows", media_type, urls=["https://example.test/windows"])
        assert read(document(config, foreign, layer)).blobs == (part(config), part(layer))

    def test_a_layer_named_twice_is_one_blob(self) -> None:
        assert read(document(config, layer, layer)).blobs == (part(config), part(layer))

    def test_a_layer_that_is_the_config_is_the_config(self) -> None:
        """What must be there must not become a layer, which may be missing."""
        twin = {**config, "mediaType": LAYER}
        found = read(document(config, twin))
        assert found.blobs == (found.config,)
        assert found.blobs[0] is found.config

    def test_sha512(self) -> None:
        strong = descriptor(b"one", algorithm="sha512")
        assert read(document(config, strong)).blobs[1].digest == Digest.of(b"one", "sha512")

    def test_fields_that_nobody_knows_are_left_alone(self) -> None:
        assert read(without(IMAGE, history=[1, {"a": None}], data="")) == read(IMAGE)

    def test_null_is_as_good_as_missing(self) -> None:
        assert read(without(IMAGE, subject=None, annotations=None, manifests=None, artifactType=None)) == read(IMAGE)


class TestMediaType:
    @pytest.mark.parametrize(
        ("body", "content_type", "found"),
        [
            (IMAGE, OCI_MANIFEST, OCI_MANIFEST),
            (IMAGE, "", OCI_MANIFEST),
            (IMAGE, "application/json", OCI_MANIFEST),
            (IMAGE, OCI_MANIFEST.upper() + "; charset=utf-8", OCI_MANIFEST),
            # Without a mediaType of its own (image-spec allows that), it is what it was pushed as ...
            (without(IMAGE, "mediaType"), OCI_MANIFEST, OCI_MANIFEST),
            (without(IMAGE, "mediaType"), DOCKER_MANIFEST, DOCKER_MANIFEST),
            (without(INDEX, "mediaType"), DOCKER_LIST, DOCKER_LIST),
            # ... or else what its fields tell.
            (without(IMAGE, "mediaType"), "", OCI_MANIFEST),
            (without(INDEX, "mediaType"), "", OCI_INDEX),
            (without(IMAGE, "mediaType"), "text/plain", OCI_MANIFEST),
        ],
    )
    def test_what_a_document_is(self, body: bytes, content_type: str, found: str) -> None:
        assert read(body, content_type).media_type == found

    @pytest.mark.parametrize(
        ("body", "content_type", "says"),
        [
            (IMAGE, OCI_INDEX, "was pushed with Content-Type"),
            (IMAGE, DOCKER_MANIFEST, "was pushed with Content-Type"),
            (INDEX, OCI_MANIFEST, "was pushed with Content-Type"),
            (without(IMAGE, mediaType="application/vnd.example+json"), "", "not a manifest type"),
            (without(IMAGE, mediaType=CONFIG), "", "not a manifest type"),
            (without(IMAGE, "mediaType"), OCI_INDEX, "needs the list manifests"),
            (without(INDEX, "mediaType"), OCI_MANIFEST, "needs config"),
        ],
    )
    def test_contradictions(self, body: bytes, content_type: str, says: str) -> None:
        with pytest.raises(ManifestInvalid, match=says):
            read(body, content_type)


class TestRefused:
    @pytest.mark.parametrize(
        ("body", "content_type"),
        [
            (encode({"schemaVersion": 1, "name": "a", "fsLayers": [], "history": []}), ""),
            (encode({"schemaVersion": 1}), SCHEMA1),
            (without(IMAGE, "mediaType"), SCHEMA1),
            (IMAGE, SIGNED1),
            (IMAGE, SIGNED1 + "; charset=utf-8"),
        ],
    )
    def test_docker_schema_1_is_told_what_to_do(self, body: bytes, content_type: str) -> None:
        with pytest.raises(ManifestInvalid, match=r"schema 1 is not supported.*current client"):
            read(body, content_type)

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b" ",
            b"null",
            b"[]",
            b"2",
            b'"text"',
            b"{",
            b"\xff\xfe",
            b"{}{}",
            IMAGE[:-1],
            IMAGE + b"x",
            b"\xef\xbb\xbf" + IMAGE,
            IMAGE.replace(CONFIG.encode(), b"\xff"),
            b"[" * 100_000,
            b'{"config":' * 100_000,
            b'{"schemaVersion":2,"x":' + b"[" * 100_000,
            without(IMAGE, schemaVersion="2"),
            without(IMAGE, config=[]),
            without(IMAGE, layers={}),
            without(IMAGE, layers=[None]),
            without(IMAGE, annotations={"a": 1}),
            without(IMAGE, annotations=[]),
            without(IMAGE, subject="sha256:0"),
            without(IMAGE, config={**config, "size": "7"}),
            without(IMAGE, config={**config, "size": 7.5}),
            without(IMAGE, config={"digest": config["digest"], "size": 1}),
            without(IMAGE, config={"mediaType": CONFIG, "size": 1}),
            without(IMAGE, config={"mediaType": CONFIG, "digest": config["digest"]}),
        ],
    )
    def test_what_does_not_parse(self, body: bytes) -> None:
        with pytest.raises(ManifestInvalid, match="does not parse") as caught:
            read(body)
        assert len(caught.value.message) < 500

    @pytest.mark.parametrize(
        ("body", "says"),
        [
            (without(IMAGE, "schemaVersion"), "schemaVersion must be 2"),
            (without(IMAGE, schemaVersion=3), "schemaVersion must be 2"),
            (encode({}), "schemaVersion must be 2"),
            (without(IMAGE, "config"), "needs config"),
            (without(IMAGE, "layers"), "needs the list layers"),
            (without(IMAGE, layers=None), "needs the list layers"),
            (without(INDEX, "manifests"), "needs the list manifests"),
            # One digest, two meanings: clients of each kind would see different things (CVE-2021-41190).
            (without(IMAGE, manifests=[]), "mixes two kinds"),
            (without(INDEX, layers=[]), "mixes two kinds"),
            (without(INDEX, config=config), "mixes two kinds"),
            (without(INDEX, "mediaType", config=config), "mixes two kinds"),
            (without(IMAGE, config={**config, "size": -1}), r"config\.size must not be negative"),
            (without(IMAGE, config={**config, "mediaType": ""}), r"config\.mediaType must not be empty"),
            (without(IMAGE, config={**config, "digest": "sha256:0"}), r"config\.digest: .*64 lower-case"),
            (without(IMAGE, layers=[layer, {**layer, "digest": "md5:0"}]), r"layers\[1\]\.digest: .*not supported"),
            (without(INDEX, manifests=[{**layer, "digest": "latest"}]), r"manifests\[0\]\.digest: .*not a digest"),
            (without(IMAGE, subject={**layer, "digest": ""}), r"subject\.digest"),
            (without(IMAGE, layers=[{**layer, "size": 1 << 63}]), "add up"),
            (without(IMAGE, layers=[{**layer, "size": 10**40}]), "add up"),
            (index(*[{**layer, "size": (1 << 62)}] * 2), "add up"),
            (document(config, layer, {**layer, "size": 9}), "two sizes"),
            (document(config, {**config, "size": 9}), "two sizes"),
            (document(config, artifactType="a\0b"), "artifactType must not hold control"),
            (document({**config, "mediaType": "a\nb"}), r"config\.mediaType must not hold control"),
            (index({**layer, "platform": {"os": "\0"}}), r"manifests\[0\]\.platform must not hold control"),
        ],
    )
    def test_what_is_not_right(self, body: bytes, says: str) -> None:
        with pytest.raises(ManifestInvalid, match=says) as caught:
            read(body)
        assert len(caught.value.message) < 500

    def test_too_many_parts(self) -> None:
        assert len(parse(document(config, *[layer] * 100), "", 100).blobs) == 2
        for body in (document(config, *[layer] * 101), index(*[layer] * 101)):
            with pytest.raises(ManifestInvalid, match="101 parts; this registry takes up to 100"):
                parse(body, "", 100)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
fields = ["schemaVersion", "mediaType", "config", "layers", "manifests", "subject", "annotations", "artifactType"]
descriptors = st.fixed_dictionaries(
    {},
    optional={
        "mediaType": st.sampled_from([CONFIG, LAYER, "", "\0"]) | json_values,
        "digest": st.sampled_from([layer["digest"], "sha512:0", ""]) | json_values,
        "size": st.integers() | json_values,
        "platform": st.fixed_dictionaries({"os": st.text(max_size=3)}) | json_values,
    },
)


@given(
    st.binary(max_size=60)
    | st.dictionaries(
        st.sampled_from(fields),
        st.sampled_from([2, OCI_INDEX, OCI_MANIFEST, config, [layer]])
        | descriptors
        | st.lists(descriptors, max_size=3)
        | json_values,
    ).map(encode),
    st.sampled_from(["", OCI_INDEX, OCI_MANIFEST, "x"]),
)
def test_any_body_is_accepted_or_refused_as_a_manifest(body: bytes, content_type: str) -> None:
    try:
        found = parse(body, content_type, 10)
    except ManifestInvalid:
        return
    assert (found.config is None) == (found.media_type in documents.INDEX_TYPES)
    total = sum(each.size for each in (*found.blobs, *found.members))
    assert total < 1 << 63
    assert found.config is None or found.blobs[0] is found.config
    assert len({each.digest for each in found.blobs}) == len(found.blobs)


class TestPlatforms:
    @pytest.mark.parametrize(
        ("members", "shown"),
        [
            ([], ""),
            ([{"os": "linux", "architecture": "amd64"}], "linux/amd64"),
            (
                [{"os": "linux", "architecture": "amd64"}, {"os": "windows", "architecture": "amd64"}],
                "linux/amd64,windows/amd64",
            ),
            ([{"os": "linux", "architecture": "arm", "variant": "v7"}] * 2, "linux/arm/v7"),
            # buildx marks its attestations so.
            ([{"os": "linux", "architecture": "s390x"}, {"os": "unknown", "architecture": "unknown"}], "linux/s390x"),
            ([None, {}, {"os": "linux"}], "linux"),
        ],
    )
    def test_of_an_index(self, members: list[dict[str, str] | None], shown: str) -> None:
        found = read(index(*({**layer, "platform": platform} for platform in members)))
        assert platforms(found) == shown

    def test_of_an_image_are_for_its_config_to_say(self) -> None:
        assert platforms(read(IMAGE)) == ""

    def test_the_member_for_a_platform(self) -> None:
        assert child_for(INDEX, "linux/amd64") == str(Digest.of(IMAGE))
        assert child_for(INDEX, "linux/arm64/v8") == str(Digest.of(b"arm"))
        assert child_for(INDEX, "linux/arm64") is None
        assert child_for(index(), "linux/amd64") is None


@pytest.mark.parametrize(
    ("header", "media_type", "admitted"),
    [
        ("", OCI_INDEX, True),
        ("*/*", OCI_INDEX, True),
        ("application/*", OCI_INDEX, True),
        (OCI_INDEX, OCI_INDEX, True),
        (OCI_INDEX.upper(), OCI_INDEX, True),
        (f"{OCI_MANIFEST}, {OCI_INDEX};q=0.5", OCI_INDEX, True),
        (f"{OCI_MANIFEST},{DOCKER_MANIFEST}", OCI_INDEX, False),
        ("text/*", OCI_INDEX, False),
        (OCI_INDEX + "x", OCI_INDEX, False),
        (f"{OCI_MANIFEST}, {OCI_INDEX};q=0", OCI_INDEX, False),
        (f"*/*, {OCI_INDEX}; q=0.0", OCI_INDEX, False),
        (f"*/*;q=0, {OCI_INDEX};q=0.01", OCI_INDEX, True),
        (f"{OCI_INDEX};version=1;q=0.001", OCI_INDEX, True),
    ],
)
def test_the_accept_header(header: str, media_type: str, admitted: bool) -> None:
    assert accepts(header, media_type) is admitted
