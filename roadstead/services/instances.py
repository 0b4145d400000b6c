"""Instances as this process serves them, and the operations on what they admit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from roadstead.config import Settings
from roadstead.domain.links import cidrs_of
from roadstead.domain.network import Addresses, NetworkPolicy, Number, PublicEntry, numeric, parse_cidr
from roadstead.domain.rates import RateLimits, rate_limits
from roadstead.errors import InstanceNotRunning, InstanceUnknown
from roadstead.metadata import instances, links
from roadstead.metadata.database import Database, Tx
from roadstead.metadata.instances import Instance
from roadstead.metadata.links import Gate


@dataclass(frozen=True, slots=True)
class ServedInstance:
    """One instance with its compiled network policy, as of its revision."""

    row: Instance
    network: NetworkPolicy
    running: bool = True
    # Whether hosts that name no instance mean this one.
    default: bool = True
    # None where nothing is limited.
    limits: RateLimits | None = None

    @property
    def id(self) -> int:
        """The row's id."""
        return self.row.id


def not_running(row: Instance) -> InstanceNotRunning:
    """The condition that whoever wants something of an instance that is not running meets."""
    what = {
        "Pending": "is still being created; try again in a moment",
        "Deploying": "is still being created; try again in a moment",
        "FailedCreated": "could not be created; its owner can see why with: roadstead instance status",
        "Deleting": "is being deleted",
    }
    return InstanceNotRunning(
        f"the instance {row.name!r} {what.get(row.status, f'is {row.status}')}",
        detail={"instance": row.registry_id, "status": row.status},
    )


class InstanceDirectory:
    """Finds the instance of a host name.

    What it remembers may be older than the database; whoever reads an instance's revision along with a request
    calls `load` when it differs.
    """

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._suffix = "." + settings.base_domain.lower().strip(".")
        self._known: dict[str, ServedInstance] = {}
        # Which instances other host names mean.
        self.domains: Mapping[str, str] = {}
        # The version of the database as of which each was seen to be as it stands.
        self._current: dict[str, tuple[ServedInstance, int]] = {}

    def label(self, host: str) -> str:
        """The instance name that a Host header carries, or the default instance's."""
        name = _without_port(host).lower()
        if name.endswith(self._suffix):
            # In the networks that it is linked to an instance has a second name.
            label = name[: -len(self._suffix)].removesuffix("-vpc")
            if label and "." not in label:
                return label
        return self.domains.get(name) or self._settings.default_instance

    def known(self, label: str) -> ServedInstance | None:
        """The instance of that name if this process has met it."""
        return self._known.get(label)

    async def find(self, label: str) -> ServedInstance:
        """The instance of that name, or else the default one; raises InstanceUnknown when there is neither."""
        served = self._known.get(label)
        if served is not None:
            return served
        async with self._database.read() as tx:
            loaded = await self.load(tx, label)
        if loaded is None and label != self._settings.default_instance:
            return await self.find(self._settings.default_instance)
        if loaded is None:
            raise InstanceUnknown(f"there is no instance {label!r}")
        return loaded

    async def load(self, tx: Tx, label: str) -> ServedInstance | None:
        """The instance as the database has it now, remembered; None, and forgotten, when it is gone."""
        row = await instances.get(tx, name=label)
        if row is None:
            self._known.pop(label, None)
            self._current.pop(label, None)
            return None
        entries = await instances.allowed(tx, row.id)
        gates = await links.gates(tx)
        policy = NetworkPolicy.of(
            loopback=self._settings.network.loopback and row.loopback,
            opened=PublicEntry(row.public_entry).admits,
            networks=[parse_cidr(entry.cidr) for entry in entries],
            links=_links(gates, row.id),
        )
        own: dict[str, int] = msgspec.json.decode(row.rates)
        limits = rate_limits(msgspec.to_builtins(self._settings.rates), own)
        served = ServedInstance(row, policy, row.running, row.name == self._settings.default_instance, limits)
        self._known[label] = served
        return served

    def is_current(self, served: ServedInstance, version: int | None) -> bool:
        """Whether this is known to be how the instance stands in that version of the database."""
        known = self._current.get(served.row.name)
        return version is not None and known is not None and known[0] is served and known[1] == version

    def note_current(self, served: ServedInstance, version: int | None) -> None:
        """What was read after that version was asked for is how the instance stands in it."""
        if version is not None:
            self._current[served.row.name] = (served, version)


def _links(gates: Sequence[Gate], instance_id: int) -> dict[Number, Addresses | None]:
    """Whom the address of each link lets in to that instance."""
    found: dict[Number, Addresses | None] = {}
    for gate in gates:
        number = numeric(gate.address)
        if number is not None:
            mine = gate.instance_id == instance_id and gate.vpc_cidrs is not None
            found[number] = Addresses(cidrs_of(gate.vpc_cidrs or "")) if mine else None
    return found


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0].lstrip("[")
    return host.partition(":")[0]
