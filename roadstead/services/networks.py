"""What an instance admits: its public entry, closed until opened, with its allowlist, and its loopback (mission 6).

A change holds from the next request on, in every process: each asks the instance's revision. Opening and Closing tell
clients of the cloud's API, which wait to see them, that it was made; a job makes the state final a moment later.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from roadstead.config import Settings, host_and_port
from roadstead.domain.network import PublicEntry, exposure, is_loopback, parse_cidr
from roadstead.errors import Conflict, NotFound, ParameterMissing
from roadstead.jobs.queue import job
from roadstead.metadata import instances
from roadstead.metadata.instances import AllowedNetwork
from roadstead.services.context import Context
from roadstead.services.fields import Cidr, RegistryId
from roadstead.services.operations import Call, Wire, operation

_INSTANCE = "instance/{registry_id}"
# Whoever asks for the state right after a change shall see that it is being made.
_SEEN_SECONDS = 1.0


class ManageExternalEndpoint(Wire, frozen=True, kw_only=True):
    """Create opens the public entry, Delete closes it."""

    registry_id: RegistryId
    operation: Annotated[Literal["Create", "Delete"], Meta(description="`Create` opens, `Delete` closes.")]


class InstanceOnly(Wire, frozen=True, kw_only=True):
    """Which instance."""

    registry_id: RegistryId


class EntryStatus(Wire, frozen=True, kw_only=True):
    """The state of the public entry."""

    status: Annotated[
        Literal["Closed", "Opening", "Opened", "Deleting"],
        Meta(
            description="`Closed`, `Opening`, `Opened` or, while it closes, `Deleting`. A change holds from the next "
            "request on: an entry admits as soon as it is `Opening` and refuses as soon as it is `Deleting`.",
            examples=["Opened"],
        ),
    ]
    reason: Annotated[
        str, Meta(description="What its owner should know of it, such as that it admits everybody.")
    ] = ""


LoopbackEnabled = Annotated[
    bool, Meta(description="Whether clients on the serving host's own loopback are let in to the instance.")
]


class ModifyLoopbackEntry(Wire, frozen=True, kw_only=True):
    """Whether the loopback entry shall be open."""

    registry_id: RegistryId
    enabled: LoopbackEnabled


class LoopbackEntry(Wire, frozen=True, kw_only=True):
    """The state of the loopback entry."""

    enabled: LoopbackEnabled
    reason: Annotated[
        str, Meta(description="Why nobody is let in though it is enabled; empty when that is not so.")
    ] = ""


Note = Annotated[str, Meta(description="Whose address it is, up to 200 characters.")]
PolicyIndex = Annotated[int, Meta(ge=0, description="Place of the entry in the list, from 0.")]
PolicyVersion = Annotated[str, Meta(description="Version of the whole list; it changes with the instance.")]


class CreateSecurityPolicy(Wire, frozen=True, kw_only=True):
    """One IPv4 or IPv6 address or CIDR that the public entry shall admit."""

    registry_id: RegistryId
    cidr_block: Cidr
    description: Note = ""


class ModifySecurityPolicy(Wire, frozen=True, kw_only=True):
    """What an entry of the allowlist shall be."""

    registry_id: RegistryId
    policy_index: PolicyIndex
    cidr_block: Cidr
    description: Note


class DeleteSecurityPolicy(Wire, frozen=True, kw_only=True):
    """Which entry of the allowlist: by its address, or else by its place."""

    registry_id: RegistryId
    cidr_block: Cidr | None = None
    policy_index: PolicyIndex | None = None
    policy_version: PolicyVersion = ""


class SecurityPolicy(Wire, frozen=True, kw_only=True):
    """One entry of the allowlist."""

    policy_index: PolicyIndex
    cidr_block: Cidr
    description: Note
    policy_version: PolicyVersion


class PolicyEntry(Wire, frozen=True, kw_only=True):
    """An entry that shall be added, or one that shall go: by its address, or else by its place."""

    cidr_block: Cidr | None = None
    description: Note = ""
    policy_index: PolicyIndex | None = None
    policy_version: PolicyVersion = ""


class SecurityPolicySet(Wire, frozen=True, kw_only=True):
    """Several entries of the allowlist."""

    registry_id: RegistryId
    security_group_policy_set: Annotated[list[PolicyEntry], Meta(description="The entries.", max_length=100)]


class SecurityPolicies(Wire, frozen=True, kw_only=True):
    """The whole allowlist."""

    security_policy_set: Annotated[list[SecurityPolicy], Meta(description="The entries, by address.")] = (
        msgspec.field(default_factory=list)
    )


@operation(resource=_INSTANCE, changes=True)
async def manage_external_endpoint(call: Call, request: ManageExternalEndpoint) -> InstanceOnly:
    """Open or close the public entry; an open entry admits only what its allowlist names."""
    was = PublicEntry(call.here.public_entry)
    state = was
    if (request.operation == "Create") is not was.admits:
        state = PublicEntry.CLOSING if was.admits else PublicEntry.OPENING
        await instances.modify(call.tx, call.here.id, public_entry=str(state))
        settling = SettleEntry(instance_id=call.here.id, state=str(state))
        await call.ctx.jobs.enqueue(call.tx, settle_entry, settling, now=call.now, delay=_SEEN_SECONDS)
    call.changed(EntryStatus(status=_word(was)), EntryStatus(status=_word(state)))
    return InstanceOnly(registry_id=call.here.registry_id)


@operation(resource=_INSTANCE, changes=False)
async def describe_external_endpoint_status(call: Call, request: InstanceOnly) -> EntryStatus:
    """Say whether the public entry is open."""
    state = PublicEntry(call.here.public_entry)
    reason = await _reason(call) if state.admits else ""
    return EntryStatus(status=_word(state), reason=reason)


def _word(state: PublicEntry) -> Literal["Closed", "Opening", "Opened", "Deleting"]:
    """The state as the cloud's API has it, which calls closing deleting."""
    match state:
        case PublicEntry.CLOSED:
            return "Closed"
        case PublicEntry.OPENING:
            return "Opening"
        case PublicEntry.OPENED:
            return "Opened"
    return "Deleting"


async def _reason(call: Call) -> str:
    """What stands against what an open entry is thought to do; empty when nothing does."""
    settings = call.ctx.settings
    if not _reachable(settings):
        return f"this server listens on {settings.listen} only, where no other host can reach it"
    rows = await instances.allowed(call.tx, call.here.id)
    return exposure(parse_cidr(row.cidr) for row in rows)


@operation(resource=_INSTANCE, changes=True)
async def modify_loopback_entry(call: Call, request: ModifyLoopbackEntry) -> LoopbackEntry:
    """Open or close the loopback entry, by which clients on the serving host itself come in."""
    await instances.modify(call.tx, call.here.id, loopback=request.enabled)
    after = _loopback(call, enabled=request.enabled)
    call.changed(_loopback(call, enabled=call.here.loopback), after)
    return after


@operation(resource=_INSTANCE, changes=False)
async def describe_loopback_entry(call: Call, request: InstanceOnly) -> LoopbackEntry:
    """Say whether the loopback entry is open."""
    return _loopback(call, enabled=call.here.loopback)


def _loopback(call: Call, *, enabled: bool) -> LoopbackEntry:
    closed = enabled and not call.ctx.settings.network.loopback
    return LoopbackEntry(
        enabled=enabled,
        reason="the setting network.loopback is off, which closes it for all instances" if closed else "",
    )


def _reachable(settings: Settings) -> bool:
    """Whether clients on other hosts can come: to an address that is listened on, or by way of a named proxy."""
    listened = [host_and_port(text)[0] for text in (settings.listen, settings.tls.listen) if text]
    itself = all(host == "localhost" or is_loopback(host) for host in listened)
    return not itself or bool(settings.network.proxies or settings.network.proxy_protocol)


class SettleEntry(msgspec.Struct, frozen=True):
    """Whose public entry is in which state."""

    instance_id: int
    state: str


@job(queue="networks")
async def settle_entry(ctx: Context, arguments: SettleEntry) -> None:
    """The entry that was opening is open, the one that was closing closed, unless it was changed since."""
    async with ctx.database.write() as tx:
        row = await instances.by_id(tx, arguments.instance_id, lock=True)
        if row is not None and row.public_entry == arguments.state:
            settled = PublicEntry(row.public_entry).settled
            await instances.modify(tx, row.id, public_entry=str(settled))


@operation(resource=_INSTANCE, changes=True, raises=(Conflict,))
async def create_security_policy(call: Call, request: CreateSecurityPolicy) -> InstanceOnly:
    """Add an address or CIDR to the allowlist of the public entry."""
    async with _changing(call):
        await _allow(call, request.cidr_block, request.description)
    return InstanceOnly(registry_id=call.here.registry_id)


@operation(resource=_INSTANCE, changes=True, raises=(Conflict, ParameterMissing))
async def create_multiple_security_policy(call: Call, request: SecurityPolicySet) -> InstanceOnly:
    """Add several addresses or CIDRs to the allowlist of the public entry, or none of them."""
    async with _changing(call):
        for entry in request.security_group_policy_set:
            if entry.cidr_block is None:
                raise ParameterMissing("the field SecurityGroupPolicySet.CidrBlock is missing")
            await _allow(call, entry.cidr_block, entry.description)
    return InstanceOnly(registry_id=call.here.registry_id)


@operation(resource=_INSTANCE, changes=True, raises=(Conflict, NotFound))
async def modify_security_policy(call: Call, request: ModifySecurityPolicy) -> InstanceOnly:
    """Replace an entry of the allowlist of the public entry."""
    rows = await instances.allowed(call.tx, call.here.id)
    async with _changing(call):
        await instances.disallow(call.tx, call.here.id, _named(rows, None, request.policy_index).cidr)
        await _allow(call, request.cidr_block, request.description)
    return InstanceOnly(registry_id=call.here.registry_id)


@operation(resource=_INSTANCE, changes=True, raises=(Conflict, NotFound))
async def delete_security_policy(call: Call, request: DeleteSecurityPolicy) -> InstanceOnly:
    """Remove an address or CIDR from the allowlist of the public entry."""
    entry = PolicyEntry(
        cidr_block=request.cidr_block, policy_index=request.policy_index, policy_version=request.policy_version
    )
    async with _changing(call):
        await _disallow(call, [entry])
    return InstanceOnly(registry_id=call.here.registry_id)


@operation(resource=_INSTANCE, changes=True, raises=(Conflict, NotFound))
async def delete_multiple_security_policy(call: Call, request: SecurityPolicySet) -> InstanceOnly:
    """Remove several addresses or CIDRs from the allowlist of the public entry, or none of them."""
    async with _changing(call):
        await _disallow(call, request.security_group_policy_set)
    return InstanceOnly(registry_id=call.here.registry_id)


@operation(resource=_INSTANCE, changes=False)
async def describe_security_policies(call: Call, request: InstanceOnly) -> SecurityPolicies:
    """List the allowlist of the public entry."""
    return _shown(await instances.allowed(call.tx, call.here.id), call.here.revision)


def _shown(rows: Sequence[AllowedNetwork], revision: int) -> SecurityPolicies:
    return SecurityPolicies(
        security_policy_set=[
            SecurityPolicy(
                policy_index=place, cidr_block=row.cidr, description=row.note, policy_version=str(revision)
            )
            for place, row in enumerate(rows)
        ]
    )


@asynccontextmanager
async def _changing(call: Call) -> AsyncIterator[None]:
    """The block changes the allowlist, and the audit shows it as it was before and after."""
    before = await describe_security_policies.body(call, InstanceOnly(registry_id=call.here.registry_id))
    yield
    after = await instances.by_id(call.tx, call.here.id)
    revision = after.revision if after is not None else call.here.revision
    call.changed(before, _shown(await instances.allowed(call.tx, call.here.id), revision))


async def _allow(call: Call, cidr: str, note: str) -> None:
    """The network is on the allowlist as it was written: who manages it by program compares the text."""
    network = parse_cidr(cidr)
    rows = await instances.allowed(call.tx, call.here.id)
    if any(parse_cidr(row.cidr) == network for row in rows):
        raise Conflict(f"{network} is on the allowlist already")
    await instances.allow(call.tx, call.here.id, cidr.strip(), note[:200], call.now)


async def _disallow(call: Call, entries: Sequence[PolicyEntry]) -> None:
    """The entries are gone; places count in the list as it was before."""
    rows = await instances.allowed(call.tx, call.here.id)
    version = str(call.here.revision)
    for entry in entries:
        if entry.cidr_block is None and entry.policy_version not in {"", version}:
            raise Conflict(
                f"the allowlist has the version {version}, not {entry.policy_version[:20]!r}; list it again"
            )
        found = _named(rows, entry.cidr_block, entry.policy_index)
        await instances.disallow(call.tx, call.here.id, found.cidr)


def _named(rows: Sequence[AllowedNetwork], cidr: str | None, place: int | None) -> AllowedNetwork:
    """The entry that the address names, or else the place; raises NotFound."""
    if cidr is not None:
        network = parse_cidr(cidr)
        found = next((row for row in rows if parse_cidr(row.cidr) == network), None)
        if found is None:
            raise NotFound(f"{network} is not on the allowlist")
        return found
    if place is None:
        raise ParameterMissing("the field CidrBlock is missing: say which entry is meant, or its PolicyIndex")
    if place >= len(rows):
        raise NotFound(f"the allowlist has {len(rows)} entries and none at the place {place}")
    return rows[place]
