"""What every condition has: codes for each door, a message, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

Detail = Mapping[str, object]


class AppError(Exception):
    """Something failed inside the server.

    Each condition that is foreseen is derived from this one and has its codes for every door. The message says what
    is wrong and what to do.
    """

    cloud: ClassVar[str] = "InternalError"
    oci: ClassVar[str] = "UNKNOWN"
    status: ClassVar[int] = 500
    # Whether the audit knows already that this refused a request.
    audited = False
    # Which of credential, policy, network and limit says no, when it is a refusal.
    gate: ClassVar[str] = ""
    # What whoever meets it can do, unless the detail says it more exactly.
    remedy: ClassVar[str] = "Try again; if it stays, the server's log tells the cause under the request id."

    def __init__(self, message: str, *, detail: Detail | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail

    @property
    def reason(self) -> str:
        """The message without the gate that it begins with."""
        gate, colon, rest = self.message.partition(": ")
        return rest if colon and gate in _GATES else self.message


_GATES = {"credential", "policy", "network", "limit", "token"}


def conditions(of: type[AppError] = AppError) -> dict[str, type[AppError]]:
    """The condition and all that are derived from it, by name."""
    found = {of.__name__: of}
    for kind in of.__subclasses__():
        found |= conditions(kind)
    return found
