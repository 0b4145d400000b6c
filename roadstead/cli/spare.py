"""Modules that serving never uses, but other packages import, are kept out of the serving processes.

Each process would hold them for as long as it serves. `spare` is called where nothing but serving will follow; should
something of a stand-in be used after all, the real module is imported then.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

# The module, and where those of its names are that its importer binds at once; other names are looked up when used.
_SPARED: Mapping[str, Mapping[str, str]] = {
    # SQLAlchemy looks there for drivers that other packages bring. With it come zipfile and email.
    "importlib.metadata": {},
    # uvicorn could set up logging with it; the application does that. With it come socketserver and the handlers.
    "logging.config": {},
    # uvicorn's command line. With it come click, the reloader and multiprocessing.
    "uvicorn.main": {"Server": "uvicorn.server", "main": "", "run": ""},
}


def spare() -> None:
    """Importing one of those modules costs nothing in this process from now on."""
    # structlog can draw exceptions with it, and does without where it is missing.
    sys.modules.setdefault("rich", None)  # type: ignore[arg-type]
    for name, bound in _SPARED.items():
        if name not in sys.modules:
            sys.modules[name] = _StandIn(name, bound)
            package, _, last = name.rpartition(".")
            if package in sys.modules:  # as importing it does
                setattr(sys.modules[package], last, sys.modules[name])


class _StandIn(ModuleType):
    """Stands for a module until one of its names is used."""

    def __init__(self, name: str, bound: Mapping[str, str]) -> None:
        super().__init__(name)
        self._bound = bound

    def __getattr__(self, wanted: str) -> Any:
        if wanted.startswith("__"):  # the import system asks for these
            raise AttributeError(wanted)
        place = self._bound.get(wanted)
        if place is None:
            return getattr(self._real(), wanted)
        if place:
            return getattr(importlib.import_module(place), wanted)

        def called(*arguments: Any, **options: Any) -> Any:
            return getattr(self._real(), wanted)(*arguments, **options)

        return called

    def _real(self) -> ModuleType:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return importlib.import_module(self.__name__)
