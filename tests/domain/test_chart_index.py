"""The index as a document: always that of its versions, in helm's order, whatever way they came and went."""

from __future__ import annotations

import gzip
import zlib

import msgspec
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from roadstead.domain.chart_index import ChartIndex, Key, key
from roadstead.domain.versions import Version

NAMES = st.sampled_from(["alpha", "al", "beta-chart"])
VERSIONS = st.builds(
    lambda minor, tail: f"1.{minor}.0{tail}", st.integers(0, 200), st.sampled_from(["", "-rc.1", "+b"])
)
CHANGES = st.lists(st.tuples(st.sampled_from(["put", "put", "put", "remove", "chart"]), NAMES, VERSIONS), max_size=60)


def at(name: str, version: str) -> Key:
    """Where the version stands."""
    return key(name, Version.parse(version).order)


def line(name: str, version: str) -> bytes:
    """The version's line."""
    return msgspec.json.encode({"name": name, "version": version})


def plainly(versions: set[tuple[str, str]]) -> dict[str, list[str]]:
    """What the index must say, built anew."""
    found: dict[str, list[str]] = {}
    for name, version in sorted(versions, key=lambda each: Version.parse(each[1]).order, reverse=True):
        found.setdefault(name, []).append(version)
    return found


def said(document: bytes) -> dict[str, list[str]]:
    """What the index says."""
    entries = msgspec.json.decode(document)["entries"]
    assert list(entries) == sorted(entries)
    return {name: [each["version"] for each in versions] for name, versions in entries.items()}


@settings(max_examples=60, deadline=None)
@given(CHANGES)
def test_index_is_that_of_its_versions_however_they_came(changes: list[tuple[str, str, str]]) -> None:
    index, versions = ChartIndex("now"), set[tuple[str, str]]()
    for what, name, version in changes:
        if what == "put":
            index.put(at(name, version), line(name, version))
            versions.add((name, version))
        elif what == "remove":
            index.remove(at(name, version))
            versions.discard((name, version))
        else:
            index.remove_chart(name)
            versions = {each for each in versions if each[0] != name}
    document = index.plain()
    assert said(document) == plainly(versions)
    assert gzip.decompress(index.gzipped()) == document
    assert index.names() == sorted({name for name, _ in versions})
    anew = ChartIndex("now")
    for name, version in sorted(versions):
        anew.put(at(name, version), line(name, version))
    assert anew.plain() == document
    plain, packed = index.only(lambda name: name != "al")
    assert said(plain) == plainly({each for each in versions if each[0] != "al"})
    assert gzip.decompress(packed) == plain


def test_document_is_yaml_and_gzip_is_one_member() -> None:
    index = ChartIndex("2026-11-24T00:00:00Z")
    for number in range(300):
        index.put(at("demo", f"0.{number}.0"), line("demo", f"0.{number}.0"))
    loaded = yaml.safe_load(index.plain())
    assert loaded["apiVersion"] == "v1"
    assert loaded["generated"] == "2026-11-24T00:00:00Z"
    assert [each["version"] for each in loaded["entries"]["demo"]][:2] == ["0.299.0", "0.298.0"]
    reader = zlib.decompressobj(31)
    assert reader.decompress(index.gzipped()) == index.plain()
    assert reader.eof and not reader.unused_data


def test_empty_index_is_one() -> None:
    assert yaml.safe_load(ChartIndex("now").plain()) == {
        "apiVersion": "v1",
        "entries": {},
        "generated": "now",
        "serverInfo": {},
    }


def test_a_change_compresses_one_leaf_anew() -> None:
    index = ChartIndex("now")
    for number in range(2000):
        index.put(at("demo", f"0.{number}.0"), line("demo", f"0.{number}.0"))
    index.gzipped()
    before = [part.deflated for part in index._parts()]
    index.put(at("demo", "0.2000.0"), line("demo", "0.2000.0"))
    after = index._parts()
    assert sum(part._deflated is None for part in after) <= 4
    assert len({*before} & {part._deflated for part in after}) >= len(before) - 4
