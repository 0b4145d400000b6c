"""Fields that many requests and answers share: type, limits, description and example once, for every door."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

RegistryId = Annotated[
    str,
    Meta(description="Id of the instance, `tcr-` and eight letters and digits.", examples=["tcr-3k9d2m7x"]),
]
NamespaceName = Annotated[
    str,
    Meta(
        description="Name of the namespace: 2 to 30 lower-case letters, digits and the separators `.` `_` `-`, none "
        "of them at an end or beside another.",
        examples=["prod"],
    ),
]
RepositoryPath = Annotated[
    str,
    Meta(
        description="Name of the repository without its namespace; it may hold slashes.", examples=["shop/frontend"]
    ),
]
TagName = Annotated[str, Meta(description="The tag.", max_length=128, examples=["1.2.3"])]
ManifestDigest = Annotated[
    str,
    Meta(
        description="Digest of the manifest, `sha256:…` or `sha512:…`.",
        examples=["sha256:4c16f41d1c0ee40bdb3fff7c6c4ae71fdc0e4a1b9e2c3aee36bd55f0b36bd3bb"],
    ),
]
Cidr = Annotated[
    str,
    Meta(description="An IPv4 or IPv6 address or CIDR.", examples=["192.0.2.0/24"]),
]
