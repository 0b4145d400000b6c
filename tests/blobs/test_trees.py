"""Assembling in a folder: what a crash or a failure in the middle leaves is either whole or recognisably absent."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from roadstead.blobs.trees import FileTree


@pytest.fixture
def tree(tmp_path: Path) -> FileTree:
    made = FileTree(tmp_path / "storage")
    made.check()
    return made


def add(tree: FileTree, key: str, data: bytes) -> Path:
    """The file of `key` with `data` in it."""
    path = tree.path(key)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


class _Crash(BaseException):
    """The process ends here."""


def test_parts_are_whole_again_after_a_failure(tree: FileTree, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [add(tree, f"uploads/u/{number}", bytes([number]) * 1000) for number in range(3)]
    target = add(tree, "blobs/a", b"before")
    copy = os.copy_file_range

    def fails_at_the_last(source: int, to: int, count: int, *offsets: int) -> int:
        if offsets[1] >= 2000:
            raise OSError(errno.ENOSPC, "full")
        return copy(source, to, count, *offsets)

    monkeypatch.setattr(os, "copy_file_range", fails_at_the_last)
    with pytest.raises(OSError, match="full"):
        tree.assemble(parts, target)
    assert target.read_bytes() == b"before"
    assert [part.read_bytes() for part in parts] == [bytes([number]) * 1000 for number in range(3)]
    assert [*tree.unfinished.iterdir()] == []
    monkeypatch.undo()
    tree.assemble(parts, target)
    assert target.read_bytes() == b"".join(bytes([number]) * 1000 for number in range(3))


def test_a_copy_in_steps_is_complete(tree: FileTree, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [add(tree, f"uploads/u/{number}", os.urandom(1000)) for number in range(3)]
    data = b"".join(part.read_bytes() for part in parts)
    copy = os.copy_file_range
    monkeypatch.setattr(
        os, "copy_file_range", lambda source, to, count, *offsets: copy(source, to, min(count, 7), *offsets)
    )
    tree.assemble(parts, tree.path("blobs/a"))
    assert tree.path("blobs/a").read_bytes() == data


def test_a_part_that_got_shorter_is_noticed(tree: FileTree, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [add(tree, f"uploads/u/{number}", b"part") for number in range(2)]
    monkeypatch.setattr(os, "copy_file_range", lambda *_: 0)
    with pytest.raises(OSError, match="shorter"):
        tree.assemble(parts, tree.path("blobs/a"))
    assert not tree.path("blobs/a").exists()


def test_a_crash_in_the_middle_leaves_no_part_longer_than_it_was(
    tree: FileTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = [add(tree, f"uploads/u/{number}", b"part") for number in range(2)]

    def crash(*_: object) -> None:
        raise _Crash

    monkeypatch.setattr(os, "fdatasync", crash)
    monkeypatch.setattr(os, "truncate", crash)
    with pytest.raises(_Crash):
        tree.assemble(parts, tree.path("blobs/a"))
    monkeypatch.undo()
    # As after kill -9: the same request again must not make a blob of other bytes.
    with pytest.raises(FileNotFoundError):
        tree.assemble(parts, tree.path("blobs/a"))
    assert not tree.path("blobs/a").exists()


def test_a_folder_removed_under_a_rename_is_made_again(tree: FileTree, monkeypatch: pytest.MonkeyPatch) -> None:
    tree.assemble([add(tree, "uploads/u/1", b"first")], tree.path("blobs/ab/1"))
    replace, removed = Path.replace, False

    def meanwhile(self: Path, target: Path) -> Path:
        nonlocal removed
        if not removed:
            removed = True
            tree.path("blobs/ab/1").unlink()
            tree.path("blobs/ab/1").parent.rmdir()
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", meanwhile)
    tree.assemble([add(tree, "uploads/u/2", b"second")], tree.path("blobs/ab/2"))
    assert tree.path("blobs/ab/2").read_bytes() == b"second"


def test_other_processes_may_remove_a_folder_first(tree: FileTree, monkeypatch: pytest.MonkeyPatch) -> None:
    part = add(tree, "uploads/u/1", b"x")
    rename = tree._rename

    def then_removed(source: Path, target: Path) -> None:
        rename(source, target)
        source.parent.rmdir()

    monkeypatch.setattr(tree, "_rename", then_removed)
    tree.assemble([part], tree.path("blobs/a"))
    assert tree.path("blobs/a").read_bytes() == b"x"


def test_the_folder_itself_and_its_first_level_stay(tree: FileTree) -> None:
    tree.delete(add(tree, "top", b"x"))
    tree.delete(add(tree, "blobs/a", b"x"))
    tree.delete(add(tree, "uploads/deep/er/1", b"x"))
    assert sorted(path.name for path in tree.folder.rglob("*")) == ["blobs", "tmp", "uploads"]
