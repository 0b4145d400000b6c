"""Refused attempts on their way into the audit: kept in memory for a second, then written beside requests.

A refusal costs its request no statement, and a database that is away fails none. Whoever knocks a thousand times
fills neither the memory nor the audit: of one kind of attempt the first few in each second get an entry of their own
and the others are counted on the last of these, and so for all attempts of one address. A crash loses what came
since the last second; what could not be kept is counted in the log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec
import structlog

from roadstead.domain.identity import Origin
from roadstead.errors import AccessDenied, AppError, EndedToken, LoginNeeded, NotAuthenticated, TooManyRequests
from roadstead.metadata import audit
from roadstead.metadata.audit import AuditEntry
from roadstead.metadata.database import Database

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

# Entries of their own within a second: of one kind of attempt, of one address, and of all.
_OF_A_KIND = 10
_OF_AN_ADDRESS = 50
_OF_ALL = 1000
_LONGEST = 500


@dataclass(slots=True)
class _Waiting:
    entry: AuditEntry
    more: int = 0

    def whole(self) -> AuditEntry:
        """The entry as it is written; its decision says how many more it stands for."""
        if not self.more:
            return self.entry
        said = msgspec.json.decode(self.entry.decision or "{}")
        return replace(self.entry, decision=_json({**said, "more": self.more}))


@dataclass(slots=True)
class _Kind:
    """Attempts that have something in common: how many have entries, and the last of these."""

    last: _Waiting
    count: int = 0


@dataclass(frozen=True, slots=True)
class Attempt:
    """What a door knows of a request that was refused."""

    origin: Origin
    now: datetime
    # Whom the request says it comes from; nobody has checked it when its credential was refused.
    operator: str = ""
    instance_id: int | None = None
    # What was asked for, where the refusal itself does not say: `http:GET` and the path.
    action: str = ""
    resource: str = ""


class Refusals:
    """The refused attempts of this process that are not written down yet."""

    def __init__(self) -> None:
        self._waiting: list[_Waiting] = []
        self._kinds: dict[tuple[object, ...], _Kind] = {}
        self._lost = 0

    def note(self, error: AppError, attempt: Attempt) -> None:
        """The attempt will be audited, unless it is no refusal that anybody need look into.

        A request without any credential is asked to log in, and a token that has ended or covers less is renewed by
        every client: that is how the protocol goes.
        """
        if error.audited or not _counts(error):
            return
        error.audited = True
        detail = error.detail or {}
        self.add(
            AuditEntry(
                instance_id=attempt.instance_id,
                occurred_at=attempt.now,
                operator=(attempt.operator or "anonymous")[:120],
                address=attempt.origin.address[:60],
                door=str(attempt.origin.door),
                request_id=attempt.origin.request_id,
                action=str(detail.get("action") or attempt.action)[:60],
                resource=str(detail.get("resource") or attempt.resource)[:_LONGEST],
                outcome="refused",
                data="",
                decision=decision_text(error),
            ),
            type(error),
        )

    def add(self, entry: AuditEntry, condition: type[AppError] = AccessDenied) -> None:
        """The entry will be written within a second, or counted on one like it."""
        place = (condition, entry.instance_id, entry.operator, entry.address, entry.action, entry.resource)
        kinds = ((place, _OF_A_KIND), ((entry.address,), _OF_AN_ADDRESS))
        for kind, most in kinds:
            found = self._kinds.get(kind)
            if found is not None and found.count >= most:
                found.last.more += 1
                return
        if len(self._waiting) >= _OF_ALL:
            self._lost += 1
            return
        waiting = _Waiting(entry)
        self._waiting.append(waiting)
        for kind, _ in kinds:
            found = self._kinds.setdefault(kind, _Kind(waiting))
            found.count += 1
            found.last = waiting

    async def write_down(self, database: Database) -> None:
        """What has waited is part of the audit; raises what the database raises, and the next call tries again."""
        if self._lost:
            _log.warning("refused attempts were too many to be audited", lost=self._lost)
            self._lost = 0
        if not self._waiting:
            return
        count = len(self._waiting)
        entries = [waiting.whole() for waiting in self._waiting]
        # What comes while these are being written is of the next second.
        self._kinds.clear()
        async with database.write(durable=False) as tx:
            await audit.add_entries(tx, entries)
        del self._waiting[:count]


def _counts(error: AppError) -> bool:
    if isinstance(error, NotAuthenticated):
        asked_anew = isinstance(error, LoginNeeded | EndedToken) or (error.detail or {}).get("gate") == "token"
        return not asked_anew
    return isinstance(error, AccessDenied | TooManyRequests)


def decision_text(error: AppError) -> str:
    """How the gates decided, as the audit keeps it: gate, action, resource, reason, policy and statement, message."""
    return _json({"gate": error.gate, **(error.detail or {}), "message": error.message})


def _json(value: Mapping[str, object]) -> str:
    return msgspec.json.encode(value).decode()
