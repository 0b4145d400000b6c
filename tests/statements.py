"""Statements are compiled once for all tests of a worker.

Each test has a database of its own, so an engine of its own, and SQLAlchemy keeps what it has compiled by engine
and dialect object: a third of what tests take would go into compiling the same statements again. Here dialects of one
kind count as one, and their engines keep what they have compiled in one place.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import Engine
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.util import LRUCache

_MANY = 5000


def share_compiled() -> None:
    """Engines that are made from now on share what they compile."""
    kept: LRUCache[Any, Any] = LRUCache(_MANY)
    make = Engine.__init__

    def init(self: Engine, *arguments: Any, **options: Any) -> None:
        make(self, *arguments, **options)
        self._compiled_cache = kept

    DefaultDialect.__eq__ = lambda self, other: type(self) is type(other)  # type: ignore[method-assign, assignment]
    DefaultDialect.__hash__ = lambda self: hash(type(self))  # type: ignore[method-assign, assignment]
    Engine.__init__ = init  # type: ignore[method-assign]
