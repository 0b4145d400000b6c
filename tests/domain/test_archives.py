"""The reader of packed charts: whatever comes, it gives files of one base directory or refuses with a reason."""

from __future__ import annotations

import gzip
import io
import tarfile

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from roadstead.domain.archives import ArchiveLimits, read_archive
from roadstead.errors import ChartInvalid, ChartTooLarge
from tests.factories.charts import chart, pack, pack_entries

LIMITS = ArchiveLimits(content_bytes=4 << 20, file_bytes=2 << 20, entries=50, ratio=100)


def read(data: bytes) -> dict[str, bytes | None]:
    """All files of the archive."""
    return {path: file.content for path, file in read_archive(data, LIMITS, lambda _: True).items()}


def test_files_are_given_by_their_path_in_the_base_directory() -> None:
    long = "templates/" + "x" * 180 + ".yaml"
    assert read(pack({"Chart.yaml": "a", "empty": "", long: "b" * 700, "charts/ü.txt": "c"})) == {
        "Chart.yaml": b"a",
        "empty": b"",
        long: b"b" * 700,
        "charts/ü.txt": b"c",
    }


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_form_of_tar_is_read(form: int) -> None:
    name = "demo/" + "d" * 60 + "/" + "f" * 60
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", format=form) as tar:
        directory = tarfile.TarInfo("demo")
        directory.type = tarfile.DIRTYPE
        tar.addfile(directory)
        file = tarfile.TarInfo(name)
        file.size = 3
        tar.addfile(file, io.BytesIO(b"abc"))
    assert read(packed.getvalue()) == {name.removeprefix("demo/"): b"abc"}


def test_content_that_nobody_asked_for_is_passed_over() -> None:
    found = read_archive(pack({"a": "1" * 2000, "b": "2"}), LIMITS, {"b"}.__contains__)
    assert [(file.size, file.content) for file in found.values()] == [(2000, None), (1, b"2")]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("/etc/passwd", "absolute paths"),
        ("demo/../../etc/passwd", "references parent directory"),
        ("../demo/Chart.yaml", "references parent directory"),
        ("demo\\..\\x", "references parent directory"),
        ("Chart.yaml", "chart yaml not in base directory"),
        ("stray.txt", "outside the base directory"),
        ("other/Chart.yaml", "outside the base directory"),
        ("C:/windows", "illegally named"),
        ("demo/c:/windows", "illegally named"),
        ("demo/bell\x07", "illegally named"),
        ("demo/values.yaml", "twice"),
    ],
)
def test_entries_that_lead_elsewhere_are_refused(name: str, reason: str) -> None:
    entries: list[tuple[str, bytes | str]] = [("demo/Chart.yaml", "a"), ("demo/values.yaml", ""), (name, "x")]
    with pytest.raises(ChartInvalid, match=reason):
        read(pack_entries(entries))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_what_is_no_file_is_refused(kind: bytes) -> None:
    with pytest.raises(ChartInvalid, match=r"link|neither file nor directory"):
        read(pack_entries([("demo/values.yaml", "")], type=kind, linkname="/etc/passwd"))


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({f"f{number}": "" for number in range(51)}, "more than 50 entries"),
        ({"big": bytes(2 * (1 << 20) + 1)}, "larger than the maximum file size"),
        ({f"f{number}": bytes(1 << 20) for number in range(5)}, "maximum size|bomb"),
    ],
)
def test_limits_hold(files: dict[str, bytes | str], reason: str) -> None:
    with pytest.raises(ChartTooLarge, match=reason):
        read(pack(files))


def test_bomb_is_refused_before_it_has_unpacked() -> None:
    bomb = gzip.compress(bytes(64 << 20), 9)
    with pytest.raises(ChartInvalid):
        read_archive(bomb, ArchiveLimits(content_bytes=1 << 40), lambda _: True)


def test_what_follows_the_last_entry_is_limited_too() -> None:
    whole = gzip.decompress(pack({"a": "1"})) + bytes(64 << 20)
    with pytest.raises(ChartTooLarge):
        read(gzip.compress(whole))


@pytest.mark.parametrize(
    "data",
    [b"", b"no archive", gzip.compress(b"no tar" * 200, mtime=0), chart()[:-20], chart()[:60], chart() + b"more"],
)
def test_damaged_archives_are_refused(data: bytes) -> None:
    with pytest.raises(ChartInvalid):
        read(data)


def test_damage_is_found_by_the_checksum() -> None:
    data = bytearray(chart())
    data[-6] ^= 0xFF
    with pytest.raises(ChartInvalid, match="damaged"):
        read(bytes(data))


WHOLE = gzip.decompress(chart(files={"README.md": "read me", "templates/" + "t" * 120: "x" * 600}))


@settings(max_examples=150)
@given(st.integers(0, len(WHOLE) - 1), st.binary(min_size=1, max_size=12), st.integers(0, 3))
@example(124, b"77777777777\0", 0)
@example(124, b"\x80\0\0\0\0\0\0\1\0\0\0\0", 0)
@example(156, b"L", 0)
@example(156, b"S", 0)
def test_altered_archives_are_read_or_refused_and_nothing_else(at: int, change: bytes, sums: int) -> None:
    """Fuzzing: bytes of the tar archive are overwritten, and most header checksums put right again."""
    altered = bytearray(WHOLE)
    altered[at : at + len(change)] = change
    altered = altered[: len(WHOLE)]
    if sums:
        block = at // 512 * 512
        altered[block + 148 : block + 156] = b" " * 8
        altered[block + 148 : block + 156] = b"%06o\0 " % sum(altered[block : block + 512])
    try:
        found = read(gzip.compress(bytes(altered), 1))
    except ChartInvalid:
        return
    for path, content in found.items():
        assert content is not None and len(content) <= len(WHOLE)
        assert not path.startswith("/") and ".." not in path.split("/")


@settings(max_examples=100)
@given(st.integers(0, len(chart()) - 1), st.binary(min_size=1, max_size=6))
def test_altered_gzip_is_read_or_refused_and_nothing_else(at: int, change: bytes) -> None:
    data = bytearray(chart())
    data[at : at + len(change)] = change
    try:
        read(bytes(data))
    except ChartInvalid:
        return
