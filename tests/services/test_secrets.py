"""Secrets: encrypted where they must be used again, hashed where not."""

from __future__ import annotations

import os
from pathlib import Path

import argon2
import pytest
from cryptography.fernet import Fernet

from roadstead.config import Settings
from roadstead.errors import StartRefused
from roadstead.services.secrets import (
    SecretBox,
    password_hash,
    password_holds,
    random_id,
    random_secret,
    secret_hash,
)


def test_what_is_sealed_can_be_had_again_by_the_same_box_only() -> None:
    key = Fernet.generate_key().decode()
    sealed = SecretBox(key).seal(b"secret \x00\xff")
    assert b"secret" not in sealed
    assert SecretBox(key).unseal(sealed) == b"secret \x00\xff"
    for other, text in ((SecretBox(Fernet.generate_key().decode()), sealed), (SecretBox(key), sealed[:-1])):
        with pytest.raises(StartRefused, match="another key"):
            other.unseal(text)


@pytest.mark.parametrize("key", ["", "short", "x" * 44, "é" * 32, "A" * 42, "A" * 40 + "==="])
def test_a_key_that_is_none_names_its_setting(key: str) -> None:
    with pytest.raises(StartRefused, match="secret_key"):
        SecretBox(key)


def test_the_configured_key_is_used_and_no_file_made(tmp_path: Path) -> None:
    key = Fernet.generate_key().decode()
    box = SecretBox.open(Settings(data=str(tmp_path), secret_key=key))
    assert SecretBox(key).unseal(box.seal(b"x")) == b"x"
    assert list(tmp_path.iterdir()) == []


def test_without_one_a_key_file_is_made_once(tmp_path: Path) -> None:
    settings = Settings(data=str(tmp_path))
    sealed = SecretBox.open(settings).seal(b"x")
    assert SecretBox.open(settings).unseal(sealed) == b"x"
    (path,) = tmp_path.iterdir()
    assert (path.name, path.stat().st_mode & 0o777) == ("secret.key", 0o600)


def test_a_key_file_that_cannot_be_made_or_read_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "secret.key").mkdir()
    with pytest.raises(StartRefused, match=r"secret\.key"):
        SecretBox.open(Settings(data=str(tmp_path)))
    with pytest.raises(StartRefused, match=r"secret\.key"):
        SecretBox.open(Settings(data=str(tmp_path / "missing")))
    (tmp_path / "binary").mkdir()
    (tmp_path / "binary" / "secret.key").write_bytes(b"\xff\xfe")
    with pytest.raises(StartRefused, match=r"secret[._]key"):
        SecretBox.open(Settings(data=str(tmp_path / "binary")))


def test_what_a_crash_left_beside_the_key_does_not_stop_the_next_start(tmp_path: Path) -> None:
    """In a container every process has the same number, so the left-over file has the next one's name."""
    (tmp_path / f"secret.key.{os.getpid()}").write_text("half a k")
    SecretBox.open(Settings(data=str(tmp_path))).seal(b"x")


def test_random_things_are_of_their_length_and_never_alike() -> None:
    assert len({random_id(20) for _ in range(200)}) == len({random_secret() for _ in range(200)}) == 200
    assert {len(random_id(number)) for number in (8, 20, 32)} == {8, 20, 32}
    assert random_id(2000).isalnum() and random_id(2000).islower()
    assert len(random_secret()) == 43


def test_a_secret_is_known_by_its_hash() -> None:
    assert secret_hash("a") == secret_hash("a") != secret_hash("b")
    assert len(secret_hash("")) == 64


def test_a_password_is_hashed_with_salt() -> None:
    first, second = password_hash("sesame"), password_hash("sesame")
    assert first != second and first.startswith("$argon2id$")
    assert password_holds(first, "sesame") and password_holds(second, "sesame")
    for hashed in (first, "", "-", "$argon2id$v=19$nonsense"):
        assert not password_holds(hashed, "Sesame")


def test_the_hash_of_a_password_is_dear() -> None:
    """The tests' own hashes are not; this is what the product uses (RFC 9106 section 4, second choice)."""
    used = argon2.PasswordHasher()
    assert (used.type, used.time_cost, used.memory_cost, used.parallelism) == (argon2.Type.ID, 3, 65_536, 4)
