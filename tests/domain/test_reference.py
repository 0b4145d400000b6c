"""The grammar of names and digests: a table of each rule, and the rule said once more in plain words."""

from __future__ import annotations

import hashlib
import string
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from roadstead.domain.reference import (
    Digest,
    RepositoryName,
    hasher,
    is_tag,
    namespace_name,
    repository_name,
    tag_name,
)
from roadstead.errors import AppError, DigestInvalid, ManifestInvalid, NameInvalid

ALPHANUMERIC = string.ascii_lowercase + string.digits
SHA256 = "sha256:" + "0123456789abcdef" * 4
SHA512 = "sha512:" + "0123456789abcdef" * 8


def well_formed(text: str, separators: str, shortest: int, longest: int) -> bool:
    """Mission 2 and 3, without regular expressions: no separator at an end, never two in a row."""
    allowed = set(ALPHANUMERIC + separators)
    ends_well = bool(text) and text[0] not in separators and text[-1] not in separators
    doubled = any(a in separators and b in separators for a, b in pairwise(text))
    return shortest <= len(text) <= longest and set(text) <= allowed and ends_well and not doubled


def accepted(check: object, text: str) -> bool:
    try:
        value = check(text)  # type: ignore[operator]
    except NameInvalid:
        return False
    assert value == text
    return True


words = st.text(ALPHANUMERIC + "._-", max_size=35)
paths = st.text("ab0._-/", max_size=12) | st.text(ALPHANUMERIC + "._-/", max_size=210)


@pytest.mark.parametrize("name", ["ab", "a1", "00", "a.b", "a-b_c.d", "x" * 30, "1" + "-a" * 14])
def test_legal_namespace_names(name: str) -> None:
    assert namespace_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "a", "x" * 31, "A1", "a..b", "a__b", "a-_b", ".ab", "ab.", "-ab", "ab_", "a b", "a/b", "é1", "ab\n", "a\0b"],
)
def test_illegal_namespace_names(name: str) -> None:
    with pytest.raises(NameInvalid, match="2 to 30"):
        namespace_name(name)


@given(words | st.text(max_size=5))
@example("ab\n")
@example("a" * 30)
@example("a" * 31)
def test_a_namespace_name_is_what_the_mission_says(text: str) -> None:
    assert accepted(namespace_name, text) == well_formed(text, "._-", 2, 30)


@pytest.mark.parametrize("name", ["ab", "a/b", "sub1/sub2/repo", "a.b/c-d/e_f", "x" * 200, "a/" * 99 + "bc"])
def test_legal_repository_names(name: str) -> None:
    assert repository_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "a", "x" * 201, "a//b", "/ab", "ab/", "a/-b", "a-/b", "a/./b", "../ab", "a/..", "Ab", "a:b", "ab\n"]
)
def test_illegal_repository_names(name: str) -> None:
    with pytest.raises(NameInvalid, match="2 to 200"):
        repository_name(name)


@given(paths | st.text(max_size=5))
def test_a_repository_name_is_what_the_mission_says(text: str) -> None:
    assert accepted(repository_name, text) == well_formed(text, "._-/", 2, 200)


@given(words, paths)
def test_a_full_name_is_a_namespace_and_a_repository(namespace: str, name: str) -> None:
    text = f"{namespace}/{name}"
    legal = well_formed(namespace, "._-", 2, 30) and well_formed(name, "._-/", 2, 200)
    try:
        parsed = RepositoryName.parse(text)
    except NameInvalid:
        assert not legal
    else:
        assert legal
        assert (parsed.namespace, parsed.name, str(parsed)) == (namespace, name, text)


@pytest.mark.parametrize("text", ["web", "library", "web/", "/web", ""])
def test_a_name_without_a_namespace_is_told_how_to_write_it(text: str) -> None:
    with pytest.raises(NameInvalid):
        RepositoryName.parse(text)
    with pytest.raises(NameInvalid, match="NAMESPACE/REPOSITORY"):
        RepositoryName.parse("web")


def test_a_long_wrong_name_does_not_fill_the_message() -> None:
    for check in (namespace_name, repository_name, RepositoryName.parse):
        with pytest.raises(NameInvalid) as caught:
            check("?" * 100_000)
        assert len(caught.value.message) < 500


@pytest.mark.parametrize("tag", ["a", "A", "_", "1.2.3", "v1.0-rc.1_x", "latest", "x" * 128, "_-.", "0"])
def test_legal_tags(tag: str) -> None:
    assert is_tag(tag)
    assert tag_name(tag) == tag


@pytest.mark.parametrize("tag", ["", ".a", "-a", "x" * 129, "a b", "a/b", "a:b", "a+b", "ä", "a\n", "a\0"])
def test_illegal_tags(tag: str) -> None:
    assert not is_tag(tag)
    with pytest.raises(ManifestInvalid, match="not a tag") as caught:
        tag_name(tag * 1000)
    assert len(caught.value.message) < 1000


@given(st.text(max_size=4) | st.text(string.ascii_letters + string.digits + "._-", max_size=130))
def test_a_tag_is_what_the_specification_says(text: str) -> None:
    legal = set(text) <= set(string.ascii_letters + string.digits + "._-")
    assert is_tag(text) == (legal and 1 <= len(text) <= 128 and text[0] not in ".-")


@pytest.mark.parametrize("text", [SHA256, SHA512])
def test_legal_digests(text: str) -> None:
    digest = Digest.parse(text)
    assert str(digest) == text
    assert f"{digest.algorithm}:{digest.hex}" == text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not a digest"),
        ("sha256", "not a digest"),
        (":" + "0" * 64, "not a digest"),
        ("SHA256:" + "0" * 64, "not a digest"),
        ("sha256 :" + "0" * 64, "not a digest"),
        ("md5:" + "0" * 32, "not supported"),
        ("sha384:" + "0" * 96, "not supported"),
        ("sha256+b64u:" + "0" * 43, "not supported"),
        ("sha256:", "64 lower-case"),
        ("sha256:" + "0" * 63, "64 lower-case"),
        ("sha256:" + "0" * 65, "64 lower-case"),
        ("sha256:" + "A" * 64, "64 lower-case"),
        ("sha256:" + "g" * 64, "64 lower-case"),
        ("sha256:" + "0" * 63 + "\n", "64 lower-case"),
        ("sha512:" + "0" * 64, "128 lower-case"),
        ("sha256:../../../etc/passwd" + "0" * 42, "64 lower-case"),
    ],
)
def test_illegal_digests(text: str, says: str) -> None:
    with pytest.raises(DigestInvalid, match=says):
        Digest.parse(text)


@given(st.binary(), st.sampled_from(["sha256", "sha512"]))
def test_a_digest_of_content_parses_to_itself(data: bytes, algorithm: str) -> None:
    digest = Digest.of(data, algorithm)
    assert digest.hex == hashlib.new(algorithm, data).hexdigest()
    assert Digest.parse(str(digest)) == digest
    running = hasher(algorithm)
    running.update(data)
    assert running.hexdigest() == digest.hex


@given(st.text())
def test_any_other_text_is_refused_as_a_digest(text: str) -> None:
    with pytest.raises(DigestInvalid):
        Digest.parse(text)


@pytest.mark.parametrize("algorithm", ["", "md5", "sha1", "SHA256", "shake_128", "x" * 10_000])
def test_only_the_two_algorithms_hash(algorithm: str) -> None:
    with pytest.raises(DigestInvalid, match="use sha256 or sha512") as caught:
        hasher(algorithm)
    assert len(caught.value.message) < 200


def test_what_is_refused_once_is_refused_again() -> None:
    """Parsed values are remembered; refusals must not be forgotten."""
    for _ in range(2):
        with pytest.raises(AppError):
            Digest.parse("sha256:0")
        with pytest.raises(AppError):
            RepositoryName.parse("a")
