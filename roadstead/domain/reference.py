"""Digests, repository names, tags: each parses or raises, so that a value in hand is a valid one.

Grammar: distribution-spec "Pulling manifests" and image-spec "Descriptor: Digests"; the shorter lengths of
namespace and repository names are the product's own (mission 2 and 3).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from roadstead.errors import (
    DigestInvalid,
    InstanceNameIllegal,
    InstanceNameReserved,
    ManifestInvalid,
    NameInvalid,
)

HEX_LENGTH = {"sha256": 64, "sha512": 128}

_WORD = r"[a-z0-9]+(?:[._-][a-z0-9]+)*"
_NAMESPACE = re.compile(_WORD)
_REPOSITORY = re.compile(rf"{_WORD}(?:/{_WORD})*")
_INSTANCE = re.compile(r"[a-z0-9][a-z0-9-]*[a-z0-9]")
# The product's own host names, now or later; what ends in `-vpc` is the private name of another instance.
_RESERVED = {
    *("admin", "charts", "console", "default", "docs", "healthz", "internal", "localhost", "login", "metrics"),
    *("public", "private", "registry", "roadstead", "service", "static", "status", "system", "token"),
}
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_HEX = re.compile(r"[a-f0-9]+")
_ALGORITHM = re.compile(r"[a-z0-9]+(?:[+._-][a-z0-9]+)*")


class Hasher(Protocol):
    """A running hash, as hashlib gives."""

    def update(self, data: bytes | memoryview, /) -> None: ...

    def hexdigest(self) -> str: ...

    def copy(self) -> Hasher: ...


@dataclass(frozen=True, slots=True)
class Digest:
    """The name of content: algorithm and lower-case hexadecimal."""

    algorithm: str
    hex: str

    @classmethod
    @lru_cache(maxsize=4096)
    def parse(cls, text: str) -> Digest:
        """The digest that `text` writes; raises DigestInvalid for any other text."""
        algorithm, colon, encoded = text.partition(":")
        if not colon or not _ALGORITHM.fullmatch(algorithm):
            raise DigestInvalid(f"{text[:200]!r} is not a digest; write it as sha256:<64 hexadecimal digits>")
        if algorithm not in HEX_LENGTH:
            raise DigestInvalid(
                f"digest algorithm {algorithm[:40]!r} is not supported; use {' or '.join(HEX_LENGTH)}"
            )
        if len(encoded) != HEX_LENGTH[algorithm] or not _HEX.fullmatch(encoded):
            raise DigestInvalid(
                f"a {algorithm} digest has {HEX_LENGTH[algorithm]} lower-case hexadecimal digits; "
                f"{text[:200]!r} has not"
            )
        return cls(algorithm, encoded)

    @classmethod
    def of(cls, data: bytes, algorithm: str = "sha256") -> Digest:
        """The digest of `data`."""
        return cls(algorithm, hashlib.new(algorithm, data).hexdigest())

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"


def hasher(algorithm: str) -> Hasher:
    """A new hash of a supported algorithm; raises DigestInvalid for any other."""
    if algorithm not in HEX_LENGTH:
        raise DigestInvalid(f"digest algorithm {algorithm[:40]!r} is not supported; use {' or '.join(HEX_LENGTH)}")
    return hashlib.new(algorithm)


def namespace_name(text: str) -> str:
    """`text`, if it is a legal namespace name: 2-30 of a-z 0-9 . _ -, no separator at an end or doubled."""
    if not 2 <= len(text) <= 30 or not _NAMESPACE.fullmatch(text):
        raise NameInvalid(
            f"{text[:60]!r} is not a namespace name: it has 2 to 30 lower-case letters, digits and single "
            "separators (. _ -), and starts and ends with a letter or digit"
        )
    return text


def instance_name(text: str) -> str:
    """`text`, if it may name an instance: 5-50 of a-z 0-9 -, a letter or digit at both ends, and not reserved.

    It is the first label of a host name. Raises InstanceNameIllegal or InstanceNameReserved.
    """
    if not 5 <= len(text) <= 50 or not _INSTANCE.fullmatch(text):
        raise InstanceNameIllegal(
            f"{text[:60]!r} is not an instance name: it has 5 to 50 lower-case letters, digits and '-', and starts "
            "and ends with a letter or digit"
        )
    if text in _RESERVED or text.endswith("-vpc"):
        raise InstanceNameReserved(f"the instance name {text!r} is reserved")
    return text


@dataclass(frozen=True, slots=True)
class RepositoryName:
    """A repository inside an instance: its namespace and its name within it."""

    namespace: str
    name: str

    @classmethod
    @lru_cache(maxsize=4096)
    def parse(cls, text: str) -> RepositoryName:
        """The repository that `namespace/name` writes; raises NameInvalid and says what is wrong."""
        namespace, slash, name = text.partition("/")
        if not slash or not name:
            raise NameInvalid(
                f"{text[:100]!r} names no namespace: write it as NAMESPACE/REPOSITORY, for example prod/web"
            )
        return cls(namespace_name(namespace), repository_name(name))

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def repository_name(text: str) -> str:
    """`text`, if it is a legal repository name within a namespace."""
    if not 2 <= len(text) <= 200 or not _REPOSITORY.fullmatch(text):
        raise NameInvalid(
            f"{text[:220]!r} is not a repository name: it has 2 to 200 lower-case letters, digits, "
            "single separators (. _ -) and levels (/), and starts and ends with a letter or digit"
        )
    return text


def is_tag(text: str) -> bool:
    """Whether `text` may name a tag."""
    return _TAG.fullmatch(text) is not None


def tag_name(text: str) -> str:
    """`text`, if it is a legal tag; raises ManifestInvalid otherwise."""
    if not is_tag(text):
        raise ManifestInvalid(
            f"{text[:140]!r} is not a tag: it has up to 128 letters, digits, . _ - and does not start with . or -"
        )
    return text
