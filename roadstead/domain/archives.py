"""A reader for packed charts that trusts nothing in them: a gzip file with a tar archive inside (helm's `.tgz`).

It reads forward once and keeps only what is asked for. What the archive unpacks to, the number of its entries, the
size of each and how much more comes out than went in are limited; links, devices, absolute paths, `..` and a second
entry of the same name are refused, as is content outside of one base directory. Python's own tar reader follows
far more of the format's history than a chart needs, so the few headers that occur are read here.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from roadstead.errors import ChartInvalid, ChartTooLarge

_BLOCK = 512
_PIECE = 64 << 10
_FED = 16 << 10
_GZIP = 31
_REGULAR = {b"0", b"\0", b"7"}
_DIRECTORY = b"5"
_PAX, _PAX_GLOBAL, _LONG_NAME = b"x", b"g", b"L"
_LINKS = {b"1", b"2", b"K"}
_LONGEST_NAME = 1024
_LARGEST_HEADER = 64 << 10
# Below this a ratio says nothing: a few kilobytes of blanks pack to almost nothing.
_RATIO_FROM = 1 << 20
_DRIVE = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """What an archive may be; helm itself refuses more than the same content and file sizes."""

    content_bytes: int = 100 << 20
    file_bytes: int = 5 << 20
    entries: int = 10_000
    # How many bytes may come out of one.
    ratio: int = 200


@dataclass(frozen=True, slots=True)
class File:
    """One file of an archive; `content` is None when nobody asked for it."""

    path: str
    size: int
    content: bytes | None


class _Unpacked:
    """The bytes that a gzip file unpacks to, read forward, counted and checked."""

    def __init__(self, data: bytes, limits: ArchiveLimits) -> None:
        self._data = data
        self._limits = limits
        self._total = 0
        self._pieces = self._inflate()
        self._piece = b""
        self._at = 0

    def _inflate(self) -> Iterator[bytes]:
        member = zlib.decompressobj(_GZIP)
        rest = b""
        for start in range(0, len(self._data), _FED):
            rest += self._data[start : start + _FED]
            while rest:
                if member.eof:  # a gzip file may be several, one after the other
                    member = zlib.decompressobj(_GZIP)
                piece = member.decompress(rest, _PIECE)
                rest = member.unused_data if member.eof else member.unconsumed_tail
                self._count(len(piece))
                if piece:
                    yield piece
        while not member.eof:
            piece = member.decompress(b"", _PIECE)
            if not piece:
                raise _cut_off()
            self._count(len(piece))
            yield piece

    def _count(self, more: int) -> None:
        self._total += more
        most, ratio = self._limits.content_bytes, self._limits.ratio
        if self._total > most:
            raise ChartTooLarge(f"decompressed chart is larger than the maximum size {most} bytes")
        if self._total > _RATIO_FROM and self._total > ratio * len(self._data):
            raise ChartTooLarge(f"the archive unpacks to more than {ratio} times its size: it looks like a bomb")

    def read(self, size: int) -> bytes:
        """The next `size` bytes; fewer at the end."""
        pieces: list[bytes] = []
        while size > 0:
            if self._at >= len(self._piece):
                self._piece, self._at = next(self._pieces, b""), 0
                if not self._piece:
                    break
            taken = self._piece[self._at : self._at + size]
            self._at += len(taken)
            size -= len(taken)
            pieces.append(taken)
        return b"".join(pieces)

    def exactly(self, size: int) -> bytes:
        """The next `size` bytes; raises ChartInvalid when there are not so many."""
        found = self.read(size)
        if len(found) < size:
            raise _cut_off()
        return found

    def skip(self, size: int) -> None:
        """The next `size` bytes are passed over."""
        while size > 0:
            size -= len(self.exactly(min(size, _PIECE)))

    def drain(self) -> None:
        """All bytes were unpacked, so that checksums and limits hold for the whole."""
        for _ in self._pieces:
            pass


def _cut_off() -> ChartInvalid:
    return ChartInvalid("the archive ends in the middle: it was cut off or damaged")


@dataclass(frozen=True, slots=True)
class _Header:
    name: str
    kind: bytes
    size: int


def read_archive(data: bytes, limits: ArchiveLimits, wanted: Callable[[str], bool]) -> dict[str, File]:
    """Every file of the archive by its path inside the base directory, with content where `wanted` says so.

    Raises ChartInvalid, or ChartTooLarge, with a reason in helm's words where helm has some.
    """
    try:
        return _read(_Unpacked(data, limits), limits, wanted)
    except zlib.error as error:
        raise ChartInvalid(f"the chart is not a gzip archive, or is damaged: {error}") from error


def _read(stream: _Unpacked, limits: ArchiveLimits, wanted: Callable[[str], bool]) -> dict[str, File]:
    files: dict[str, File] = {}
    bases: set[str] = set()
    for count, header in enumerate(_headers(stream, limits), 1):
        if count > limits.entries:
            raise ChartTooLarge(f"the archive has more than {limits.entries} entries")
        base, path = _place(header.name)
        if header.kind == _DIRECTORY:
            stream.skip(_padded(header.size))
            continue
        if not path:
            raise ChartInvalid(f"chart illegally contains content outside the base directory: {base[:200]!r}")
        bases.add(base)
        if len(bases) > 1:
            raise ChartInvalid(
                f"chart illegally contains content outside the base directory: it has {' and '.join(sorted(bases))}"
            )
        if path in files:
            raise ChartInvalid(f"the archive holds {path!r} twice")
        content = None
        if wanted(path):
            content = stream.exactly(header.size)
            stream.skip(_padded(header.size) - header.size)
        else:
            stream.skip(_padded(header.size))
        files[path] = File(path, header.size, content)
    stream.drain()
    return files


def _headers(stream: _Unpacked, limits: ArchiveLimits) -> Iterator[_Header]:
    """The headers of files and directories, one by one; the caller reads or skips the content of each."""
    name: str | None = None
    entries = 0
    while (block := stream.read(_BLOCK)) and block.count(0) != len(block):
        entries += 1
        if entries > 2 * limits.entries:
            raise ChartTooLarge(f"the archive has more than {limits.entries} entries")
        header = _header(block)
        if header.kind in {_PAX, _PAX_GLOBAL, _LONG_NAME}:
            said = _said(stream, header)
            name = said if header.kind != _PAX_GLOBAL and said is not None else name
            continue
        if header.kind in _LINKS:
            raise ChartInvalid(f"the archive holds the link {header.name[:200]!r}; a chart has none")
        if header.kind not in _REGULAR and header.kind != _DIRECTORY:
            raise ChartInvalid(f"the archive holds {header.name[:200]!r}, which is neither file nor directory")
        if header.size > limits.file_bytes:
            raise ChartTooLarge(
                f"decompressed chart file {header.name[:200]!r} is larger than the maximum file size "
                f"{limits.file_bytes} bytes"
            )
        yield _Header(header.name if name is None else name, header.kind, header.size)
        name = None


def _header(block: bytes) -> _Header:
    if len(block) < _BLOCK:
        raise _cut_off()
    told = _octal(block[148:156])
    if told != sum(block) - sum(block[148:156]) + 8 * 0x20:
        raise ChartInvalid("the archive is no tar archive: a header has the wrong checksum")
    name = block[:100].split(b"\0", 1)[0]
    if block[257:263] == b"ustar\0" and (prefix := block[345:500].split(b"\0", 1)[0]):
        name = prefix + b"/" + name
    return _Header(_text(name), block[156:157], _octal(block[124:136]))


def _octal(digits: bytes) -> int:
    text = digits.strip(b" \0")
    if not re.fullmatch(rb"[0-7]*", text):
        raise ChartInvalid("the archive is no tar archive, or one with numbers that no chart needs")
    return int(text or b"0", 8)


def _text(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError as error:
        raise ChartInvalid(f"the archive holds a name that is not UTF-8: {name[:200]!r}") from error


def _said(stream: _Unpacked, header: _Header) -> str | None:
    """The name that an extended header gives to the next entry; None when it gives none."""
    if header.size > _LARGEST_HEADER:
        raise ChartTooLarge("the archive has a header that is larger than any chart needs")
    content = stream.exactly(header.size)
    stream.skip(_padded(header.size) - header.size)
    if header.kind == _LONG_NAME:
        return _text(content.split(b"\0", 1)[0])
    records = dict(_records(content))
    if "size" in records or any(key.startswith("GNU.sparse") for key in records):
        raise ChartInvalid("the archive has a header that changes the size of a file; a chart needs none")
    return records.get("path")


def _records(content: bytes) -> Iterator[tuple[str, str]]:
    """The records of a pax header: `LENGTH KEY=VALUE`, a line each."""
    while content:
        length, blank, _ = content.partition(b" ")
        if not blank or not length.isdigit() or not len(length) + 1 < int(length[:9]) <= len(content):
            raise ChartInvalid("the archive has a damaged extended header")
        record, content = content[len(length) + 1 : int(length)], content[int(length) :]
        key, _, value = record.removesuffix(b"\n").partition(b"=")
        yield _text(key), _text(value)


def _place(name: str) -> tuple[str, str]:
    """The base directory of an entry and its path inside; raises ChartInvalid for what leads anywhere else."""
    if len(name) > _LONGEST_NAME or not name.isprintable():
        raise ChartInvalid(f"chart contains illegally named files: {name[:200]!r}")
    plain = name.replace("\\", "/")
    if plain.startswith("/"):
        raise ChartInvalid(f"chart illegally contains absolute paths: {name[:200]!r}")
    base, _, inside = plain.partition("/")
    parts = [part for part in inside.split("/") if part not in {"", "."}]
    if base == ".." or ".." in parts:
        raise ChartInvalid(f"chart illegally references parent directory: {name[:200]!r}")
    if not base or any(_DRIVE.match(part) for part in (base, *parts[:1])):
        raise ChartInvalid(f"chart contains illegally named files: {name[:200]!r}")
    if base == "Chart.yaml" and not inside:
        raise ChartInvalid("chart yaml not in base directory")
    return base, "/".join(parts)


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK
