"""Where a trigger delivers to: addresses and headers that users write, and what of them is let through."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from roadstead.errors import RuleInvalid

MOST_TARGETS = 10
MOST_HEADERS = 20
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]{0,4096}")
_OURS = {
    *("host", "content-length", "content-type", "transfer-encoding", "connection", "upgrade", "te", "trailer"),
    *("expect", "accept-encoding", "user-agent", "keep-alive", "proxy-authorization", "proxy-connection"),
}
OWN_PREFIX = "x-roadstead-"


class Receiver(msgspec.Struct, frozen=True, kw_only=True):
    """One address, and the headers that go with each request."""

    address: str
    # As they were written: a name and its values, for who manages triggers by program compares them.
    headers: Sequence[tuple[str, Sequence[str]]] = ()

    def sent_headers(self) -> Mapping[str, str]:
        """The headers as they go out; consoles write one without a name when none was meant."""
        found: dict[str, str] = {}
        for name, values in self.headers:
            if name:
                found[name] = ", ".join(values)
        return found


def check_receivers(receivers: Sequence[Receiver]) -> None:
    """Returns when there are as many as may be and their headers can be sent; raises RuleInvalid."""
    if not 1 <= len(receivers) <= MOST_TARGETS:
        raise RuleInvalid(f"Targets: 1 to {MOST_TARGETS} addresses, not {len(receivers)}")
    for receiver in receivers:
        if not receiver.address:
            raise RuleInvalid("Targets.Address: non zero value required")
        if len(receiver.address) > 2000:
            raise RuleInvalid("Targets.Address: up to 2000 characters")
        if len(receiver.headers) > MOST_HEADERS:
            raise RuleInvalid(f"Targets.Headers: up to {MOST_HEADERS}")
        for name, values in receiver.headers:
            _check_header(name, values)


def _check_header(name: str, values: Sequence[str]) -> None:
    if name and not _NAME.fullmatch(name):
        raise RuleInvalid(f"Targets.Headers: {name[:60]!r} is no name of a header")
    if name.lower() in _OURS or name.lower().startswith(OWN_PREFIX):
        raise RuleInvalid(f"Targets.Headers: {name[:60]} is set by the server")
    if not all(_VALUE.fullmatch(value) for value in values):
        raise RuleInvalid(f"Targets.Headers: a value of {name[:60]!r} holds characters that a header does not have")


_TRIGGER_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def check_trigger_name(name: str) -> None:
    """Returns when a trigger may have the name; raises RuleInvalid."""
    if not name:
        raise RuleInvalid("Name: non zero value required")
    if not _TRIGGER_NAME.fullmatch(name):
        raise RuleInvalid(
            "Name: 1 to 64 lower-case letters, digits and `.` `_` `-`, a letter or digit at the beginning"
        )
