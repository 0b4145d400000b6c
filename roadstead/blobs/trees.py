"""The folder of the local store: keys as files, changes that are whole or not at all and outlive a power failure.

Everything here waits for the disk and is called from the store's threads. Several processes may work in one folder:
nothing is locked, each change is one rename, and a folder that another process removes meanwhile is made again.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from roadstead.blobs.store import Entry, valid_key

_UNFINISHED = "tmp"
# Longer than the moments between a file's making and its lock, and between its closing and its new name.
_LEFTOVER_SECONDS = 60


class FileTree:
    """The files below one folder."""

    def __init__(self, folder: Path) -> None:
        """Nothing on the disk is touched yet."""
        self.folder = folder
        self.unfinished = folder / _UNFINISHED
        self._durable: set[Path] = set()

    def path(self, key: str) -> Path:
        """The file of `key`. Raises ValueError for what is no key or would lie among the unfinished files."""
        if key.startswith(f"{_UNFINISHED}/"):
            raise ValueError(f"{key!r} lies among the unfinished files of the store")
        return self.folder / valid_key(key)

    def new_path(self) -> Path:
        """Where an unfinished file can be made."""
        return self.unfinished / secrets.token_hex(16)

    def prepare(self) -> None:
        """There is a folder for unfinished files."""
        self.unfinished.mkdir(parents=True, exist_ok=True)

    def rename(self, source: Path, target: Path) -> None:
        """`source` is now called `target`; the name is not sure to outlive a power failure."""
        self._rename(source, target, durably=False)

    def write(self, data: bytes, target: Path) -> None:
        """`target` holds `data`, and both it and its name are flushed."""
        path = self.new_path()
        try:
            _fill(path, data)
        except FileNotFoundError:
            self.prepare()
            _fill(path, data)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        self._rename(path, target)
        self._flush_name(target)

    def assemble(self, parts: Sequence[Path], target: Path) -> None:
        """`target` holds the parts in order and its name is flushed; the parts are gone."""
        if len(parts) == 1:
            self._rename(parts[0], target)
        elif parts:
            self._join(parts, target)
        else:
            self.write(b"", target)
        for folder in {part.parent for part in parts} - {target.parent}:
            self._remove_empty(folder)
        # The parts' folder is not flushed: should a power failure bring an old name back, the collector removes it.
        self._flush_name(target)

    def delete(self, path: Path) -> None:
        """`path` is gone, and the folders that it leaves empty."""
        with suppress(FileNotFoundError):
            path.unlink()
            self._remove_empty(path.parent)

    def scan(self, folder: Path, start: str) -> tuple[list[Entry], list[Path]]:
        """The keys right in `folder` and the folders in it, as far as their names begin with `start`."""
        entries: list[Entry] = []
        folders: list[Path] = []
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as found:
            for each in found:
                path = folder / each.name
                if not each.name.startswith(start) or path == self.unfinished:
                    continue
                if each.is_dir(follow_symlinks=False):
                    folders.append(path)
                    continue
                with suppress(FileNotFoundError):
                    entries.append(Entry(path.relative_to(self.folder).as_posix(), each.stat().st_size))
        return entries, folders

    def check(self) -> None:
        """The folder exists and can be written, and what killed processes left unfinished is gone.

        Whoever fills a file holds its lock, which the kernel takes from a process that ends.
        """
        self.prepare()
        _flush_folder(self.folder.parent)
        probe = self.new_path()
        try:
            probe.write_bytes(b"roadstead")
        finally:
            probe.unlink(missing_ok=True)
        oldest = time.time() - _LEFTOVER_SECONDS
        for path in self.unfinished.iterdir():
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < oldest and not _is_locked(path):
                    path.unlink()

    def _join(self, parts: Sequence[Path], target: Path) -> None:
        """The later parts are copied onto the first, which no reader or retry can see meanwhile.

        A crash in the middle leaves the first part missing, never longer than it was.
        """
        sizes = [part.stat().st_size for part in parts]
        whole = self.new_path()
        with parts[0].open("rb") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            parts[0].rename(whole)
            try:
                _append(whole, parts[1:], sizes)
                self._rename(whole, target)
            except BaseException:
                os.truncate(whole, sizes[0])
                self.rename(whole, parts[0])
                raise
        for part in parts[1:]:
            part.unlink(missing_ok=True)

    def _flush_name(self, target: Path) -> None:
        # A deletion may have removed the target's folder meanwhile, and with it what would have to last.
        with suppress(FileNotFoundError):
            _flush_folder(target.parent)

    def _rename(self, source: Path, target: Path, *, durably: bool = True) -> None:
        while True:
            try:
                if durably:
                    self._make_folder(target.parent, durably)
                source.replace(target)
            except FileNotFoundError:
                if not source.exists():
                    raise
            else:
                return
            # The target's folder is not there yet, or a deletion has just emptied and removed it or one above.
            self._durable.difference_update(target.parents)
            with suppress(FileNotFoundError):
                self._make_folder(target.parent, durably)

    def _make_folder(self, folder: Path, durably: bool) -> None:
        """`folder` exists. `durably`: its own name is flushed, once in a process, since folders seldom change."""
        if folder in self._durable:
            return
        if folder == self.folder:
            folder.mkdir(parents=True, exist_ok=True)
            return
        self._make_folder(folder.parent, durably)
        with suppress(FileExistsError):
            folder.mkdir()
        if durably:
            _flush_folder(folder.parent)
            self._durable.add(folder)

    def _remove_empty(self, folder: Path) -> bool:
        """Whether `folder` was empty and is gone, as are those above that it left empty, except the first level."""
        removed = False
        while self.folder not in (folder, folder.parent):
            self._durable.discard(folder)
            try:
                folder.rmdir()
            except OSError:
                break
            folder, removed = folder.parent, True
        return removed


def create(path: Path) -> int:
    """The descriptor of the new, empty file `path`, for reading and writing; it holds the file's lock."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


def _fill(path: Path, data: bytes) -> None:
    """`path` is a new file of these bytes, which are on the medium."""
    file = create(path)
    try:
        written = 0
        while written < len(data):
            written += os.write(file, memoryview(data)[written:])
        os.fdatasync(file)
    finally:
        os.close(file)


def _is_locked(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _append(whole: Path, parts: Sequence[Path], sizes: Sequence[int]) -> None:
    """The bytes of `parts` follow those in `whole`, on the medium; `sizes` are those of the whole and the parts."""
    with whole.open("r+b") as target:
        offset = sizes[0]
        for part, size in zip(parts, sizes[1:], strict=True):
            with part.open("rb") as source:
                _copy(source.fileno(), target.fileno(), size, offset)
            offset += size
        os.fdatasync(target.fileno())


def _copy(source: int, target: int, size: int, offset: int) -> None:
    done = 0
    while done < size:
        count = os.copy_file_range(source, target, size - done, done, offset + done)
        if not count:
            raise OSError(errno.EIO, "a part of an upload is shorter than it was")
        done += count


def _flush_folder(folder: Path) -> None:
    """The names in `folder` are on the medium."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
