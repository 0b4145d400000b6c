"""Secrets: encrypted where they must be used again, hashed where not."""

from __future__ import annotations

import base64
import hashlib
import os
import secrets as random
import string
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from cryptography.fernet import Fernet, InvalidToken

from roadstead.config import Settings
from roadstead.errors import StartRefused

_ALPHABET = b"abcdefghijklmnopqrstuvwxyz0123456789"
# A random byte stands for a letter. The last four of 256 are passed over, so that no letter comes more often.
_LETTERS = (_ALPHABET * 8)[:256]
_PASSED_OVER = bytes(range(len(_ALPHABET) * 7, 256))


class SecretBox:
    """Encrypts stored secrets with the deployment's key."""

    def __init__(self, key: str) -> None:
        try:
            self._fernet = Fernet(key)
        except ValueError as error:
            raise StartRefused("secret_key must be 32 bytes in URL-safe base64") from error

    @classmethod
    def open(cls, settings: Settings) -> SecretBox:
        """The box of the configured key, or of the key file of the data folder, made at the first start.

        Raises StartRefused when there is no such key.
        """
        if settings.secret_key:
            return cls(settings.secret_key)
        path = settings.folder / "secret.key"
        try:
            return cls(_key_file(path))
        except (OSError, UnicodeDecodeError) as error:
            raise StartRefused(f"cannot use the key file {path}: {error}") from error

    def seal(self, secret: bytes) -> bytes:
        """The secret, encrypted."""
        return self._fernet.encrypt(secret)

    def unseal(self, sealed: bytes) -> bytes:
        """The secret again; raises StartRefused when it was sealed with another key."""
        try:
            return self._fernet.decrypt(sealed)
        except InvalidToken as error:
            raise StartRefused(
                "stored secrets were encrypted with another key: restore secret.key or the setting secret_key"
            ) from error

    def opened(self, sealed: bytes) -> bytes | None:
        """What a client has kept sealed for us; None when it was not sealed here, or has been touched."""
        try:
            return self._fernet.decrypt(sealed)
        except InvalidToken:
            return None


def _key_file(path: Path) -> str:
    if not path.exists():
        temporary = path.with_name(f"{path.name}.{random_id(8)}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(Fernet.generate_key())
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)  # the first of two starting processes wins
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
    return path.read_text()


def random_id(length: int) -> str:
    """A random name of lower-case letters and digits."""
    letters = b""
    while len(letters) < length:
        letters += random.token_bytes(length + 8).translate(_LETTERS, _PASSED_OVER)
    return letters[:length].decode()


def random_secret() -> str:
    """A secret of 256 random bits in URL-safe base64."""
    return base64.urlsafe_b64encode(random.token_bytes(32)).rstrip(b"=").decode()


def random_letters(letters: str, length: int) -> str:
    """So many of the letters, each as likely as the others."""
    return "".join(random.choice(letters) for _ in range(length))


def random_password(length: int = 32, special: str = "") -> str:
    """A random password with an upper-case and a lower-case letter, a digit, and one of `special` if given."""
    kinds = [kind for kind in (string.ascii_uppercase, string.ascii_lowercase, string.digits, special) if kind]
    every = "".join(kinds)
    while True:
        made = "".join(random.choice(every) for _ in range(length))
        if all(set(kind) & set(made) for kind in kinds):
            return made


def secret_hash(secret: str) -> str:
    """The hash under which a random secret is kept: 256 random bits need no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


def password_hash(password: str) -> str:
    """The argon2id hash under which a password is kept."""
    return PasswordHasher().hash(password)


def password_holds(hashed: str, password: str) -> bool:
    """Whether the password is the one that was hashed."""
    try:
        return PasswordHasher().verify(hashed, password)
    except (Argon2Error, InvalidHashError):
        return False
