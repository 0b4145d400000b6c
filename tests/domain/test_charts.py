"""Charts: what Chart.yaml may say, the artifact that a chart is, and its line in the index."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from roadstead.domain import charts, manifest
from roadstead.domain.archives import ArchiveLimits
from roadstead.domain.charts import check_place, index_line, read_chart, read_config, read_yaml
from roadstead.domain.reference import Digest
from roadstead.errors import ChartInvalid
from tests.factories.charts import chart, description, pack

LIMITS = ArchiveLimits()


def test_chart_is_read_with_all_that_describes_it() -> None:
    found = read_chart(
        chart(
            appVersion="1.16.0",
            maintainers=[{"name": "Ann", "email": "ann@example.org"}],
            dependencies=[
                {"name": "redis", "version": "^1", "repository": "https://example.org", "import-values": []}
            ],
            annotations={"category": "Database"},
            icon=None,
        ),
        LIMITS,
    )
    assert (found.metadata.name, found.version.text, found.file) == ("demo", "0.1.0", "demo-0.1.0.tgz")
    assert found.metadata.dependencies[0].repository == "https://example.org"
    assert read_config(found.config) == found.metadata


def test_dependencies_of_helm_2_are_in_a_file_of_their_own() -> None:
    needed = yaml.safe_dump({"dependencies": [{"name": "redis", "version": "1.0.0"}]})
    found = read_chart(chart(apiVersion="v1", files={"requirements.yaml": needed}), LIMITS)
    assert [each.name for each in found.metadata.dependencies] == ["redis"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"name": None}, "name is required"),
        ({"version": None}, "version is required"),
        ({"apiVersion": None}, "apiVersion is required"),
        ({"version": "latest"}, "semantic version"),
        ({"version": 1.5}, "version"),
        ({"appVersion": 1.16}, "appVersion"),
        ({"type": "other"}, "application or library"),
        ({"name": "../demo"}, "name .* is invalid"),
        ({"maintainers": "Ann"}, "maintainers"),
        ({"annotations": {"a": 1}}, "annotations"),
        ({"dependencies": [{"version": "1"}]}, "dependency has no name"),
    ],
)
def test_descriptions_that_helm_would_refuse_are_refused(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(ChartInvalid, match=reason):
        read_chart(pack({"Chart.yaml": yaml.safe_dump(description() | change)}), LIMITS)


@pytest.mark.parametrize("content", ["", "- a", "text", "a: [", "\x00", "a: &a [*a]", "? {a: b}\n: c"])
def test_descriptions_that_are_none_are_refused(content: str) -> None:
    with pytest.raises(ChartInvalid):
        read_chart(pack({"Chart.yaml": content}), LIMITS)


def test_archive_without_description_is_refused() -> None:
    with pytest.raises(ChartInvalid, match=r"Chart\.yaml file is missing"):
        read_chart(pack({"values.yaml": ""}), LIMITS)


def test_yaml_that_unfolds_without_end_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(ChartInvalid, match="unfolds"):
        read_yaml("\n".join(lines).encode(), "Chart.yaml")
    merged = ["m0: &m0 {k: v}"] + [f"m{n}: &m{n} {{<<: [{', '.join([f'*m{n - 1}'] * 9)}]}}" for n in range(1, 30)]
    with pytest.raises(ChartInvalid, match="unfolds"):
        read_yaml("\n".join(merged).encode(), "Chart.yaml")


@pytest.mark.parametrize("level", ["[", "{a: ", "- ", "? ", "a: [", "!!x [", "&a ["])
def test_yaml_too_deep_is_refused_before_it_is_built(level: str) -> None:
    """Building it would need more of the C stack than there is, and end the process."""
    with pytest.raises(ChartInvalid):
        read_yaml(level.encode() * 100_000, "Chart.yaml")
    with pytest.raises(ChartInvalid):
        read_yaml(b"a: 1\nb: " + level.encode() * 31 + b"x", "Chart.yaml")


def test_what_looks_like_a_date_is_a_text() -> None:
    assert read_yaml(b"a: 2026-11-24", "Chart.yaml") == {"a": "2026-11-24"}


@settings(max_examples=80)
@given(st.binary(max_size=200) | st.text("abn:&*-{}[]<'\"\n ?|>#!%@`", max_size=60).map(str.encode))
def test_any_yaml_is_read_or_refused(content: bytes) -> None:
    try:
        read_chart(pack({"Chart.yaml": content}), LIMITS)
    except ChartInvalid:
        return


def test_uploaded_chart_is_the_artifact_that_helm_makes() -> None:
    archive = chart(description="A chart", home="https://example.org")
    found = read_chart(archive, LIMITS)
    body = charts.document(found, archive, b"signed")
    assert body == charts.document(found, archive, b"signed")
    parsed = manifest.parse(body, "", 100)
    assert charts.is_chart(parsed)
    named = charts.parts(parsed)
    assert named.archive.digest == Digest.of(archive)
    assert named.provenance is not None and named.provenance.size == 6
    assert parsed.annotations["org.opencontainers.image.version"] == "0.1.0"
    assert charts.parts(manifest.parse(charts.document(found, archive, None), "", 100)).provenance is None


def test_manifest_without_an_archive_is_no_chart() -> None:
    found = read_chart(chart(), LIMITS)
    document = msgspec.json.decode(charts.document(found, b"", None))
    for layers in ([], document["layers"] + [{**document["layers"][0], "digest": str(Digest.of(b"x"))}]):
        body = msgspec.json.encode({**document, "layers": layers})
        with pytest.raises(ChartInvalid, match="one layer"):
            charts.parts(manifest.parse(body, "", 100))


def test_place_must_fit_the_description() -> None:
    found = read_chart(chart(version="1.2.3+b1"), LIMITS)
    check_place(found, "prod/team/demo", ("1.2.3_b1", "latest", "stable-ish"))
    with pytest.raises(ChartInvalid, match="named 'demo'"):
        check_place(found, "prod/other", ())
    with pytest.raises(ChartInvalid, match=r"cannot be pushed as 1\.2\.4"):
        check_place(found, "prod/demo", ("1.2.4",))


def test_line_of_the_index_is_yaml_too() -> None:
    odd = 'quote " colon: tab\t bell\x07 del\x7f bom\ufeff 𝄞 é \u2028'
    found = read_chart(pack({"Chart.yaml": yaml.safe_dump(description(description=odd))}), LIMITS)
    line = index_line(found, "sha256:abc", "2026-11-24T00:00:00Z")
    for loaded in (yaml.safe_load(line), yaml.load(line, Loader=yaml.CSafeLoader), msgspec.json.decode(line)):
        assert loaded["description"] == odd
        assert loaded["digest"] == "abc"
        assert loaded["urls"] == ["charts/demo-0.1.0.tgz"]
