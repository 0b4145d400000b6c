"""Fields that many requests share: type, limits and description once, for every door and its documents."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

RegistryId = Annotated[str, Meta(description="Id of the instance, `tcr-` and eight letters and digits.")]
NamespaceName = Annotated[
    str,
    Meta(
        description="Name of the namespace: 2 to 30 lower-case letters, digits and the separators `.` `_` `-`, none "
        "of them at an end or beside another."
    ),
]
RepositoryPath = Annotated[
    str, Meta(description="Name of the repository without its namespace; it may hold slashes.")
]
TagName = Annotated[str, Meta(description="The tag.", max_length=128)]
ManifestDigest = Annotated[str, Meta(description="Digest of the manifest, `sha256:…` or `sha512:…`.")]
