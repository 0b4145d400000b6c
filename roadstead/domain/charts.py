"""Helm charts as the registry reads them: Chart.yaml, the files of an archive, and the chart as an OCI artifact.

One chart version is one artifact: a manifest whose config is Chart.yaml as JSON and whose layers are the archive and,
when it is signed, its provenance file. Helm pushes exactly that with `oci://`; what is uploaded to the chart
repository becomes the same here. https://helm.sh/docs/topics/registries/#oci-artifacts and
https://helm.sh/docs/topics/charts/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import yaml
from msgspec import Struct

from roadstead.domain.archives import ArchiveLimits, File, read_archive
from roadstead.domain.manifest import OCI_MANIFEST, Manifest, Part
from roadstead.domain.reference import Digest
from roadstead.domain.versions import Version, of_tag
from roadstead.errors import ChartInvalid, ChartTooLarge

CONFIG_TYPE = "application/vnd.cncf.helm.config.v1+json"
ARCHIVE_TYPE = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
PROVENANCE_TYPE = "application/vnd.cncf.helm.chart.provenance.v1.prov"
# What helm pushed before it had a type of its own.
_ARCHIVE_TYPES = {ARCHIVE_TYPE, "application/tar+gzip"}
_CHART_FILE, _REQUIREMENTS, _VALUES, _SCHEMA = "Chart.yaml", "requirements.yaml", "values.yaml", "values.schema.json"
_READMES = {"readme.md", "readme.txt", "readme"}
_LARGEST_DESCRIPTION = 256 << 10
LARGEST_PROVENANCE = 1 << 20
# An alias of YAML can stand for much; so many values are more than any Chart.yaml has.
_MOST_VALUES = 20_000
_DEEPEST = 30
# Characters that JSON allows in a text and YAML does not.
_NOT_IN_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


class Maintainer(Struct, frozen=True, omit_defaults=True):
    """Who looks after a chart."""

    name: str = ""
    email: str = ""
    url: str = ""


class Dependency(Struct, frozen=True, omit_defaults=True):
    """A chart that a chart needs."""

    name: str
    version: str = ""
    repository: str = ""
    condition: str = ""
    tags: list[str] = msgspec.field(default_factory=list)
    enabled: bool = False
    import_values: list[Any] = msgspec.field(default_factory=list, name="import-values")
    alias: str = ""


class Metadata(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """Chart.yaml."""

    name: str
    home: str = ""
    sources: list[str] = msgspec.field(default_factory=list)
    version: str = ""
    description: str = ""
    keywords: list[str] = msgspec.field(default_factory=list)
    maintainers: list[Maintainer] = msgspec.field(default_factory=list)
    icon: str = ""
    api_version: str = ""
    condition: str = ""
    tags: str = ""
    app_version: str = ""
    deprecated: bool = False
    annotations: dict[str, str] = msgspec.field(default_factory=dict)
    kube_version: str = ""
    dependencies: list[Dependency] = msgspec.field(default_factory=list)
    type: str = ""


class _Requirements(Struct, frozen=True):
    dependencies: list[Dependency] = msgspec.field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Chart:
    """One version of a chart, checked."""

    metadata: Metadata
    version: Version

    @property
    def file(self) -> str:
        """The archive's name in the chart repository."""
        return f"{self.metadata.name}-{self.version.text}.tgz"

    @property
    def config(self) -> bytes:
        """Chart.yaml as the artifact's config has it."""
        return msgspec.json.encode(self.metadata)


class _Loader(yaml.CSafeLoader):
    """YAML as helm's own library reads it: what looks like a date is a text.

    Merge keys (`<<`) are not followed: a few lines of them unfold to billions of values.
    """


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":timestamp", ":value", ":merge"))]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def read_yaml(content: bytes, what: str) -> Any:
    """What the YAML document says, without nulls; raises ChartInvalid."""
    try:
        _check_shape(content, what)
        loaded = yaml.load(content, Loader=_Loader)  # noqa: S506  a safe loader, see above
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError) as error:
        raise ChartInvalid(f"cannot load {what}: {' '.join(str(error).split())[:300]}") from error
    return _plain(loaded, what, [0], 0)


def _check_shape(content: bytes, what: str) -> None:
    """Returns when the document is neither deep nor large; raises ChartInvalid.

    The library calls itself for each level that it builds, in C: a hundred thousand brackets would end the process.
    Its events come without that.
    """
    depth = 0
    for count, event in enumerate(yaml.parse(content, Loader=_Loader)):
        if isinstance(event, yaml.events.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.events.CollectionEndEvent):
            depth -= 1
        if depth > _DEEPEST or count > 2 * _MOST_VALUES:
            raise ChartInvalid(f"cannot load {what}: it holds or unfolds to more than a chart needs")


def _plain(value: Any, what: str, count: list[int], depth: int) -> Any:
    """The value without nulls; raises ChartInvalid for a document that unfolds to far more than it writes."""
    count[0] += 1
    if count[0] > _MOST_VALUES or depth > _DEEPEST:
        raise ChartInvalid(f"cannot load {what}: it holds or unfolds to more than a chart needs")
    if isinstance(value, dict):
        return {str(k): _plain(v, what, count, depth + 1) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_plain(each, what, count, depth + 1) for each in value]
    return value


def read_chart(archive: bytes, limits: ArchiveLimits) -> Chart:
    """The chart that the archive holds; raises ChartInvalid when helm could not install it."""
    files = read_archive(archive, limits, {_CHART_FILE, _REQUIREMENTS}.__contains__)
    described = files.get(_CHART_FILE)
    if described is None or described.content is None:
        raise ChartInvalid("Chart.yaml file is missing")
    return _chart(described.content, files)


def _chart(content: bytes, files: Mapping[str, File]) -> Chart:
    if len(content) > _LARGEST_DESCRIPTION:
        raise ChartTooLarge(f"Chart.yaml is larger than {_LARGEST_DESCRIPTION} bytes")
    metadata = _metadata(read_yaml(content, _CHART_FILE), _CHART_FILE)
    needed = files.get(_REQUIREMENTS)
    # Charts of helm 2 name what they need in a file of its own.
    if metadata.api_version == "v1" and needed is not None and needed.content is not None:
        if needed.size > _LARGEST_DESCRIPTION:
            raise ChartTooLarge(f"{_REQUIREMENTS} is larger than {_LARGEST_DESCRIPTION} bytes")
        found = _converted(read_yaml(needed.content, _REQUIREMENTS) or {}, _Requirements, _REQUIREMENTS)
        metadata = msgspec.structs.replace(metadata, dependencies=found.dependencies)
    return Chart(metadata, Version.parse(metadata.version))


def read_config(content: bytes) -> Metadata:
    """Chart.yaml as an artifact's config has it; raises ChartInvalid."""
    try:
        loaded = msgspec.json.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ChartInvalid(f"the config of the chart does not parse: {error}") from error
    return _metadata(_plain(loaded, "the config of the chart", [0], 0), "the config of the chart")


def _converted(value: Any, kind: type[Any], what: str) -> Any:
    try:
        return msgspec.convert(value, kind, strict=True)
    except msgspec.ValidationError as error:
        raise ChartInvalid(f"cannot load {what}: {error}") from error


def _metadata(value: Any, what: str) -> Metadata:
    """The description, checked as helm checks it."""
    if not isinstance(value, dict) or not value:
        raise ChartInvalid(f"cannot load {what}: it is empty or no mapping")
    if isinstance(value.get("dependencies"), list) and not all(
        isinstance(each, dict) and each.get("name") for each in value["dependencies"]
    ):
        raise ChartInvalid(f"validation: {what}: a dependency has no name")
    for required in ("apiVersion", "name", "version"):
        if not value.get(required):
            raise ChartInvalid(f"validation: chart.metadata.{required} is required")
    found: Metadata = _converted(value, Metadata, what)
    if "/" in found.name or "\\" in found.name or not found.name.isprintable():
        raise ChartInvalid(f"validation: chart.metadata.name {found.name[:100]!r} is invalid")
    if found.type not in {"", "application", "library"}:
        raise ChartInvalid("validation: chart.metadata.type must be application or library")
    return found


@dataclass(frozen=True, slots=True)
class Parts:
    """Which blobs of a manifest are the chart's config, archive and provenance file."""

    config: Part
    archive: Part
    provenance: Part | None


def is_chart(manifest: Manifest) -> bool:
    """Whether the manifest is that of a chart."""
    return manifest.referrer_type == CONFIG_TYPE and manifest.config is not None


def parts(manifest: Manifest) -> Parts:
    """The parts of a chart's manifest; raises ChartInvalid when it has no archive, or several."""
    archives = [part for part in manifest.blobs if part.media_type in _ARCHIVE_TYPES]
    signed = [part for part in manifest.blobs if part.media_type == PROVENANCE_TYPE]
    if manifest.config is None or len(archives) != 1 or len(signed) > 1:
        raise ChartInvalid("a chart has one config, one layer with its archive and at most one with its provenance")
    return Parts(manifest.config, archives[0], signed[0] if signed else None)


def check_config(config: Metadata, chart: Chart) -> None:
    """Returns when the artifact's config is of the chart that its archive holds; raises ChartInvalid."""
    held = chart.metadata
    if (config.name, config.version) != (held.name, held.version):
        raise ChartInvalid(
            f"the config says {config.name[:100]} {config.version[:100]}, Chart.yaml in the archive "
            f"{held.name[:100]} {held.version}: they must be the same"
        )


def check_place(chart: Chart, repository: str, tags: tuple[str, ...]) -> None:
    """Returns when the chart may stand in the repository under those tags; raises ChartInvalid.

    A tag that is no version, such as `latest`, may stand for any version. One that is a version must be the chart's.
    """
    if repository.rpartition("/")[2] != chart.metadata.name:
        raise ChartInvalid(
            f"the chart is named {chart.metadata.name[:100]!r} in its Chart.yaml: "
            f"it cannot be pushed to {repository}, whose last part must be that name"
        )
    for tag in tags:
        if tag != chart.version.tag and of_tag(tag) is not None:
            raise ChartInvalid(
                f"the chart has version {chart.version.text} in its Chart.yaml: it cannot be pushed as {tag}"
            )


def document(chart: Chart, archive: bytes, provenance: bytes | None) -> bytes:
    """The manifest of an uploaded chart: the same bytes for the same chart."""
    layers = [_descriptor(archive, ARCHIVE_TYPE)]
    if provenance is not None:
        layers.append(_descriptor(provenance, PROVENANCE_TYPE))
    metadata = chart.metadata
    annotations = {
        "org.opencontainers.image.description": metadata.description,
        "org.opencontainers.image.title": metadata.name,
        "org.opencontainers.image.version": metadata.version,
        "org.opencontainers.image.url": metadata.home,
        "org.opencontainers.image.source": metadata.sources[0] if metadata.sources else "",
    }
    return msgspec.json.encode(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": _descriptor(chart.config, CONFIG_TYPE),
            "layers": layers,
            "annotations": {key: value for key, value in annotations.items() if value},
        }
    )


def _descriptor(data: bytes, media_type: str) -> dict[str, object]:
    return {"mediaType": media_type, "digest": str(Digest.of(data)), "size": len(data)}


_SIGNED = re.compile(r"^ {1,8}(\S{1,300}): sha256:([0-9a-f]{64})\s*$", re.MULTILINE)


def signed_files(provenance: bytes) -> dict[str, str]:
    """The files that a provenance file vouches for, with their digests; raises ChartInvalid when it is none.

    Whether the signature holds is for those to say who have the key: `helm verify`.
    """
    if not provenance.lstrip().startswith(b"-----BEGIN PGP SIGNED MESSAGE-----"):
        raise ChartInvalid("the provenance file is no PGP signed message")
    try:
        found = dict(_SIGNED.findall(provenance.decode()))
    except UnicodeDecodeError as error:
        raise ChartInvalid("the provenance file is not UTF-8") from error
    if not found:
        raise ChartInvalid("the provenance file names no file and digest")
    return found


def check_provenance(provenance: bytes, chart: Chart, digest: Digest) -> None:
    """Returns when the provenance file vouches for that archive of the chart; raises ChartInvalid."""
    signed = signed_files(provenance)
    if signed.get(chart.file) != digest.hex:
        named = ", ".join(f"{file[:100]} with sha256:{sha256}" for file, sha256 in list(signed.items())[:3])
        raise ChartInvalid(
            f"the provenance file does not vouch for {chart.file[:200]} with {digest}, but for {named}: "
            "sign the package that is pushed (helm package --sign)"
        )


def index_line(chart: Chart, digest: str, created: str) -> bytes:
    """The version's line in the index; `digest` is that of the archive, as `sha256:…`."""
    entry = msgspec.to_builtins(chart.metadata)
    entry |= {"created": created, "digest": digest.removeprefix("sha256:"), "urls": [f"charts/{chart.file}"]}
    text = msgspec.json.encode(entry, order="sorted").decode()
    return _NOT_IN_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode()


@dataclass(frozen=True, slots=True)
class Contents:
    """What a chart's archive holds, with the files that details show."""

    files: dict[str, File]

    def text(self, path: str) -> str:
        """The file as text; empty when there is none."""
        found = self.files.get(path)
        return "" if found is None or found.content is None else found.content.decode(errors="replace")

    @property
    def readme(self) -> str:
        """The file that says what the chart is."""
        return next((self.text(path) for path in self.files if path.lower() in _READMES), "")

    @property
    def values(self) -> str:
        """The default values."""
        return self.text(_VALUES)

    @property
    def schema(self) -> str:
        """What values must fit, JSON Schema."""
        return self.text(_SCHEMA)


def is_shown(path: str) -> bool:
    """Whether details of a chart show the file's content."""
    return path in {_CHART_FILE, _VALUES, _SCHEMA} or path.lower() in _READMES


def is_compared(path: str) -> bool:
    """Whether the difference of two versions shows the file: Chart.yaml, values, their schema and templates."""
    return path in {_CHART_FILE, _VALUES, _SCHEMA} or path.startswith(("templates/", "crds/"))


def flattened(values: str) -> dict[str, Any]:
    """The default values by their paths, as `image.tag`; empty when they do not parse."""
    try:
        loaded = read_yaml(values.encode(), _VALUES)
    except ChartInvalid:
        return {}
    found: dict[str, Any] = {}

    def walk(value: Any, path: str) -> None:
        if isinstance(value, dict) and value:
            for name, each in value.items():
                walk(each, f"{path}.{name}" if path else name)
        elif path:
            found[path] = value

    walk(loaded, "")
    return found
