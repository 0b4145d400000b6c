"""What a password that a person chooses must be like: the console's, and those of service accounts.

The rules are the cloud's own: a console password has at least eight characters of all four kinds, a service account's
has eight to twenty with an upper-case letter, a lower-case letter and a digit.
"""

from __future__ import annotations

from roadstead.errors import InvalidInput

SHORTEST = 8
# Argon2 takes any length; what is longer than this was not meant as a password.
LONGEST = 128
SERVICE_LONGEST = 20


def check_password(password: str, name: str) -> None:
    """Returns when the password may protect the account of that name; raises InvalidInput, which names the rule."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise InvalidInput(f"a password has {SHORTEST} to {LONGEST} characters")
    missing = _missing(password)
    if all(character.isalnum() for character in password):
        missing.append("a special character")
    if missing:
        raise InvalidInput(f"the password needs {', '.join(missing)}")
    if len(name) > 2 and name.lower() in password.lower():
        raise InvalidInput("the password must not hold the user's name")
    _check_characters(password)


def check_service_password(password: str) -> None:
    """Returns when a service account may have the password; raises InvalidInput, which names the rule."""
    if not SHORTEST <= len(password) <= SERVICE_LONGEST:
        raise InvalidInput(f"a service account's password has {SHORTEST} to {SERVICE_LONGEST} characters")
    if missing := _missing(password):
        raise InvalidInput(f"the password needs {', '.join(missing)}")
    _check_characters(password)


def _missing(password: str) -> list[str]:
    kinds = {
        "an upper-case letter": any("A" <= character <= "Z" for character in password),
        "a lower-case letter": any("a" <= character <= "z" for character in password),
        "a digit": any("0" <= character <= "9" for character in password),
    }
    return [kind for kind, found in kinds.items() if not found]


def _check_characters(password: str) -> None:
    if not password.isprintable():
        raise InvalidInput("the password holds a character that nobody can type")
