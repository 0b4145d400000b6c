"""The `index.yaml` of a chart repository, kept ready while versions come and go.

The document is JSON, which is YAML too: helm reads ten thousand versions of it in a third of the time. Each version
is one line that was rendered when it was pushed. The lines lie in leaves of up to 128, in the order of the document,
and each leaf keeps its bytes and their compressed form. A change touches one leaf; the document is the leaves
joined. Compressed leaves can be joined as well, because each ends on a full flush, where deflate starts afresh
(RFC 1951, RFC 1952): so the gzip answer of a namespace with ten thousand versions costs one leaf's compression.
"""

from __future__ import annotations

import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

_LEAF = 128
_LEVEL = 6
_HEAD = b'{"apiVersion":"v1","entries":{'
_GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
# An empty last block, in deflate's fixed code.
_LAST_BLOCK = b"\x03\x00"
# Orders become keys that sort the other way round, because the newest version stands first.
_INVERTED = bytes(255 - byte for byte in range(256))

Key = tuple[str, bytes]


def key(name: str, order: str) -> Key:
    """Where a version stands: by name, the highest version first."""
    return name, order.encode().translate(_INVERTED) + b"\xff"


@dataclass(slots=True)
class _Packed:
    """Some bytes of the document, once plain and once compressed so that it can be joined."""

    plain: bytes
    _deflated: bytes | None = None

    @property
    def deflated(self) -> bytes:
        if self._deflated is None:
            packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
            self._deflated = packer.compress(self.plain) + packer.flush(zlib.Z_FULL_FLUSH)
        return self._deflated


@dataclass(slots=True)
class _Leaf:
    """Some neighbouring lines, and what they look like after the name that stands before them."""

    keys: list[Key]
    lines: list[bytes]
    _after: str | None = None
    _packed: _Packed | None = None

    def packed(self, after: str | None) -> _Packed:
        """The leaf's bytes, where the line before it is of the chart `after` (None: it is the first)."""
        if self._packed is None or self._after != after:
            self._after, self._packed = after, _Packed(b"".join(self._told(after)))
        return self._packed

    def _told(self, before: str | None) -> Iterator[bytes]:
        yield from _told(zip((name for name, _ in self.keys), self.lines, strict=True), before)

    def changed(self) -> None:
        """The bytes are not those of the lines any more."""
        self._packed = None


def _told(lines: Iterable[tuple[str, bytes]], before: str | None) -> Iterator[bytes]:
    """The lines with what stands between them, after a line of the chart `before`."""
    for name, line in lines:
        if name == before:
            yield b",\n"
        else:
            yield b'\n"%b":[\n' % name.encode() if before is None else b'\n],\n"%b":[\n' % name.encode()
        yield line
        before = name


def _tail(last: str | None, generated: str) -> bytes:
    return (b"" if last is None else b"\n]\n") + b'},"generated":"%b","serverInfo":{}}\n' % generated.encode()


@dataclass(slots=True)
class ChartIndex:
    """The versions of one chart repository. `generated` is when the last of them came or went."""

    generated: str = ""
    _leaves: list[_Leaf] = field(default_factory=list)
    # The first key of each leaf, in order.
    _firsts: list[Key] = field(default_factory=list)
    _bytes: int = 0

    @property
    def size(self) -> int:
        """About how many bytes the index keeps in memory: lines, leaves, the document and what is compressed."""
        return self._bytes * 7 // 2

    def put(self, at: Key, line: bytes) -> None:
        """The version is in the index, with that line."""
        leaf = self._leaf(at)
        self._bytes += len(line)
        if leaf is None:
            self._insert(0, _Leaf([at], [line]))
            return
        place = bisect_left(leaf.keys, at)
        if place < len(leaf.keys) and leaf.keys[place] == at:
            self._bytes -= len(leaf.lines[place])
            leaf.lines[place] = line
        else:
            leaf.keys.insert(place, at)
            leaf.lines.insert(place, line)
        self._settle(leaf)

    def remove(self, at: Key) -> None:
        """The version is not in the index."""
        leaf = self._leaf(at)
        if leaf is None or at not in leaf.keys:
            return
        place = leaf.keys.index(at)
        self._bytes -= len(leaf.lines[place])
        del leaf.keys[place], leaf.lines[place]
        self._settle(leaf)

    def remove_chart(self, name: str) -> None:
        """No version of the chart is in the index."""
        for at in [key for leaf in self._leaves for key in leaf.keys if key[0] == name]:
            self.remove(at)

    def _leaf(self, at: Key) -> _Leaf | None:
        if not self._leaves:
            return None
        return self._leaves[max(0, bisect_right(self._firsts, at) - 1)]

    def _insert(self, place: int, leaf: _Leaf) -> None:
        self._leaves.insert(place, leaf)
        self._firsts.insert(place, leaf.keys[0])

    def _settle(self, leaf: _Leaf) -> None:
        """A changed leaf is neither empty nor too long."""
        leaf.changed()
        place = next(place for place, each in enumerate(self._leaves) if each is leaf)
        del self._leaves[place], self._firsts[place]
        if len(leaf.keys) > _LEAF:
            half = len(leaf.keys) // 2
            self._insert(place, _Leaf(leaf.keys[half:], leaf.lines[half:]))
            del leaf.keys[half:], leaf.lines[half:]
        if leaf.keys:
            self._insert(place, leaf)

    def names(self) -> list[str]:
        """The charts, by name."""
        return list(dict.fromkeys(name for leaf in self._leaves for name, _ in leaf.keys))

    def plain(self) -> bytes:
        """The document."""
        return b"".join(part.plain for part in self._parts())

    def gzipped(self) -> bytes:
        """The document as a gzip file."""
        return _gzip(self._parts())

    def only(self, shown: Callable[[str], bool]) -> tuple[bytes, bytes]:
        """The document of those charts alone that may be shown, plain and as a gzip file."""
        lines = [
            (name, line)
            for leaf in self._leaves
            for (name, _), line in zip(leaf.keys, leaf.lines, strict=True)
            if shown(name)
        ]
        last = lines[-1][0] if lines else None
        whole = _Packed(b"".join([_HEAD, *_told(lines, None), _tail(last, self.generated)]))
        return whole.plain, _gzip([whole])

    def _parts(self) -> list[_Packed]:
        parts = [_Packed(_HEAD)]
        before: str | None = None
        for leaf in self._leaves:
            parts.append(leaf.packed(before))
            before = leaf.keys[-1][0]
        return [*parts, _Packed(_tail(before, self.generated))]


def _gzip(parts: Iterable[_Packed]) -> bytes:
    checksum, size, written = 0, 0, [_GZIP_HEAD]
    for part in parts:
        checksum = zlib.crc32(part.plain, checksum)
        size += len(part.plain)
        written.append(part.deflated)
    trailer = checksum.to_bytes(4, "little") + (size & 0xFFFFFFFF).to_bytes(4, "little")
    return b"".join([*written, _LAST_BLOCK, trailer])
