"""Keeping private links up: each serving process looks every second what links there are and how they stand.

The address of a link is put on its interface by whichever process of a host comes first, again after a restart of the
host, and taken off when no link has it any more. What this process may not do, the link's status tells as the command
to run; it goes on as soon as that was done. A host that has no such interface leaves the link to one that has.

One host has a link, and writes now and then that it looks after it. When it has not for a while, or fails, another
host that has the interface takes the link over, unless some machine still answers at the address.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Protocol

import structlog

from roadstead.clients import interfaces
from roadstead.clients.interfaces import OnInterface
from roadstead.domain.links import SEEN_EVERY, NamedLink, cidrs_of, free_addresses, is_silent, private_names
from roadstead.domain.network import Addresses, parse_cidr
from roadstead.metadata import links
from roadstead.metadata.links import CREATING, FAILED, RUNNING, LeftOver, Link, Place
from roadstead.services.context import Context

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

# How long a new link waits for a host that has the interface.
_PATIENCE = timedelta(seconds=10)
# How many addresses more are looked at when another machine has the one that was taken.
_PROBED = 31


class Interfaces(Protocol):
    """This host's network interfaces."""

    def addresses(self) -> list[OnInterface]:
        """Every address on every interface."""
        ...

    def is_up(self, interface: str) -> bool:
        """Whether the interface is there and switched on."""
        ...

    def put(self, place: OnInterface) -> None:
        """The address is on the interface; raises OSError."""
        ...

    async def answering(self, asked: Collection[str]) -> set[str]:
        """Those of the addresses at which another machine answers."""
        ...

    def take_off(self, place: OnInterface) -> None:
        """The address is not on the interface; raises OSError."""
        ...


@dataclass(frozen=True, slots=True)
class Standing:
    """How a link stands on this host."""

    status: str
    reason: str = ""
    # The host that has the address; empty: none has.
    host: str = ""


class LinkKeeper:
    """What one process knows of the links, and what it does for them."""

    def __init__(self, host: Interfaces = interfaces, name: str | None = None) -> None:
        self._host = host
        self._name = name or socket.gethostname()[:64]
        self._links: Sequence[Link] = ()
        self._named: Sequence[NamedLink] = ()
        self._told: dict[str, str] = {}
        # Addresses of links that were seen to be nobody's before they were put on.
        self._nobodys: set[str] = set()
        self._others: set[str] = set()
        # What was on this host's interfaces the last time and was no link's.
        self._own: set[str] = set()

    @property
    def addresses(self) -> Sequence[str]:
        """The addresses of the links that this process knows."""
        return [link.address for link in self._links]

    @property
    def named(self) -> Sequence[NamedLink]:
        """The links as names lead to them."""
        return self._named

    async def keep(self, ctx: Context) -> None:
        """The links stand as far as this host can help it, and their status says how."""
        # Before the links are read: what a process puts on for a link after this is known to be one's.
        standing = _there(self._host)
        async with ctx.database.read() as tx:
            self._links = await links.links(tx)
            left = await links.left_over(tx)
        if ctx.settings.network.links:
            for place in left:
                await self._give_back(ctx, place)
            if self._links:
                await self._keep_all(ctx)
            known = {*self.addresses, *(each.address for each in left)}
            self._own = {each.address for each in standing} - known
        base = ctx.settings.base_domain
        self._named = [
            NamedLink(
                link.address,
                Addresses(cidrs_of(link.vpc_cidrs)),
                private_names(link.instance_name, base, named=link.named, named_vpc=link.named_vpc),
            )
            for link in self._links
        ]

    async def _give_back(self, ctx: Context, place: LeftOver) -> None:
        """The address that no link has any more is off this host's interface, and free when no other host has it."""
        if _is_there(place, _there(self._host)):
            if not self._take_off(place.interface, place.address):
                return
        elif not self._is_ours(place.host) and not await self._answers_nowhere(place.interface, place.address):
            return
        async with ctx.database.write() as tx:
            await links.begin_change(tx)
            await links.forget(tx, place.address)

    def _is_ours(self, host: str) -> bool:
        """Whether that host is this one, or none yet."""
        return host in {"", self._name}

    def _take_off(self, interface: str, address: str) -> bool:
        """Whether the address is off the interface; if not, the log says what to do."""
        for each in _there(self._host):
            # Who put it on by hand may have given it another prefix.
            if (each.interface, each.address) != (interface, address):
                continue
            try:
                self._host.take_off(each)
            except OSError as error:
                self._tell(address, f"{error.strerror}; run: ip addr del {address}/{each.prefix} dev {interface}")
                return False
        return True

    async def _answers_nowhere(self, interface: str, address: str) -> bool:
        """Whether this host can ask for the address on that interface, and no machine has it."""
        return self._host.is_up(interface) and address not in await self._host.answering([address])

    async def _keep_all(self, ctx: Context) -> None:
        there, now = set(self._host.addresses()), ctx.clock()
        for link in self._links:
            if self._is_ours(link.host):
                await self._keep_ours(ctx, link, there)
            elif link.status == RUNNING and not is_silent(link.seen_at, link.created_at, now):
                # It was this host's, or another was quicker; two with one address would be heard by turns.
                if _is_there(link, there):
                    self._take_off(link.interface, link.address)
            else:
                await self._take_over(ctx, link, there)
        ours = [each.seen_at for each in self._links if each.host == self._name]
        if any(seen is None or now - seen >= SEEN_EVERY for seen in ours):
            async with ctx.database.write(durable=False) as tx:
                await links.look_after(tx, self._name, now, before=now - SEEN_EVERY)

    async def _keep_ours(self, ctx: Context, link: Link, there: set[OnInterface]) -> None:
        """The link that no other host has stands as far as this one can help it, and its status says how."""
        if not link.host and not await self._is_nobodys(ctx, link, there):
            return
        standing = self._stand(link, there, late=ctx.clock() - link.created_at > _PATIENCE)
        if standing is not None:
            await self._say(ctx, link, standing)

    async def _take_over(self, ctx: Context, link: Link, there: set[OnInterface]) -> None:
        """The link of a host that is gone, or fails, is this one's, if this one can serve it."""
        if not _is_there(link, there) and not await self._answers_nowhere(link.interface, link.address):
            return
        standing = self._stand(link, there, late=False)
        if standing is not None and standing.status == RUNNING:
            _log.warning("a private link is taken over", address=link.address, was=link.host, reason=link.reason)
            await self._say(ctx, link, standing)

    async def _say(self, ctx: Context, link: Link, standing: Standing) -> None:
        """The link's status says how it stands, unless another host has it by now."""
        if standing == Standing(link.status, link.reason, link.host):
            return
        told = {"status": standing.status, "reason": standing.reason, "host": standing.host}
        async with ctx.database.write() as tx:
            await links.tell_link(tx, link, now=ctx.clock(), **told)
        if standing.reason:
            self._tell(link.address, standing.reason)

    async def _is_nobodys(self, ctx: Context, link: Link, there: set[OnInterface]) -> bool:
        """Whether nobody has the new link's address; where a machine has, or this host, the link is given another."""
        own = link.address in self._own
        here = any(each.address == link.address for each in there)
        if not own and (here or link.address in self._nobodys or not self._host.is_up(link.interface)):
            return True
        cidr = parse_cidr(link.cidr)
        async with ctx.database.read() as tx:
            taken = await links.taken(tx) | {each.address for each in there} | self._others
        others = list(islice(free_addresses(cidr, taken), _PROBED))
        answering = await self._host.answering([link.address, *others])
        self._others |= answering
        if own:
            answering.add(link.address)
        if link.address not in answering:
            self._nobodys.add(link.address)
            return True
        free = next((each for each in others if each not in answering), None)
        if free is None:
            await self._say(ctx, link, Standing(FAILED, f"other machines have {link.address} and what is near it"))
            return False
        _log.info("a machine has the address of a new private link", address=link.address, taken=free)
        async with ctx.database.write() as tx:
            await links.begin_change(tx)
            await links.move_link(tx, link, Place(free, cidr.prefixlen, link.interface))
        self._nobodys.add(free)
        return False

    def _stand(self, link: Link, there: set[OnInterface], *, late: bool) -> Standing | None:
        """How the link stands here, its address put on if need be; None where that is another host's to say."""
        place = OnInterface(link.interface, link.address, parse_cidr(link.cidr).prefixlen)
        if not any(each.interface == link.interface for each in there) and not self._host.is_up(link.interface):
            return self._without_interface(link, late=late)
        if not _is_there(link, there) and (problem := self._put(place)):
            status = CREATING if link.status == CREATING else FAILED
            return Standing(status, problem, self._name)
        if not self._host.is_up(link.interface):
            return Standing(
                FAILED, f"the interface {link.interface} is down; run: ip link set {link.interface} up", self._name
            )
        return Standing(RUNNING, "", self._name)

    def _without_interface(self, link: Link, *, late: bool) -> Standing | None:
        reason = f"no serving host has the interface {link.interface}, or it is down"
        if link.host == self._name or (not link.host and late):
            return Standing(FAILED, reason)
        return None

    def _put(self, place: OnInterface) -> str:
        """Why the address is not on the interface, and what to do; empty when it is."""
        command = f"ip addr add {place.address}/{place.prefix} dev {place.interface}"
        try:
            self._host.put(place)
        except OSError as error:
            if error.errno in {errno.EPERM, errno.EACCES}:
                return f"this server may not put the address on the interface; run: {command}"
            return f"{error.strerror or error}; run: {command}"
        _log.info("a private link's address was put on", address=place.address, interface=place.interface)
        return ""

    def _tell(self, address: str, reason: str) -> None:
        """The log says so, once."""
        if self._told.get(address) != reason:
            self._told[address] = reason
            _log.warning("a private link does not stand as it should", address=address, reason=reason)


def _is_there(place: Link | LeftOver, there: Collection[OnInterface]) -> bool:
    """Whether the address is on its interface, with whichever prefix."""
    return any((each.interface, each.address) == (place.interface, place.address) for each in there)


def _there(host: Interfaces) -> list[OnInterface]:
    """Every address on every interface, or none where the kernel does not say."""
    try:
        return host.addresses()
    except OSError:
        return []
