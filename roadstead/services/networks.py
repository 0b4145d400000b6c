"""What an instance admits: its public entry, closed until opened, and the allowlist of that entry (mission 6)."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from roadstead.domain.network import PublicEntry, parse_cidr
from roadstead.errors import Conflict, NotFound
from roadstead.metadata import instances
from roadstead.services.fields import Cidr, RegistryId
from roadstead.services.operations import Call, Wire, operation

_INSTANCE = "instance/{registry_id}"


class ManageExternalEndpoint(Wire, frozen=True, kw_only=True):
    """Create opens the public entry, Delete closes it."""

    registry_id: RegistryId
    operation: Annotated[Literal["Create", "Delete"], Meta(description="`Create` opens, `Delete` closes.")]


class InstanceOnly(Wire, frozen=True, kw_only=True):
    """Which instance."""

    registry_id: RegistryId


class EntryStatus(Wire, frozen=True, kw_only=True):
    """The state of the public entry."""

    status: Annotated[str, Meta(description="State of the entry.", examples=["Opened"])]
    reason: Annotated[str, Meta(description="Why it is so, when something went wrong.")] = ""


class CreateSecurityPolicy(Wire, frozen=True, kw_only=True):
    """One IPv4 or IPv6 address or CIDR that the public entry shall admit."""

    registry_id: RegistryId
    cidr_block: Cidr
    description: Annotated[str, Meta(description="Whose address it is, up to 200 characters.")] = ""


class DeleteSecurityPolicy(Wire, frozen=True, kw_only=True):
    """Which entry of the allowlist."""

    registry_id: RegistryId
    cidr_block: Cidr


class SecurityPolicy(Wire, frozen=True, kw_only=True):
    """One entry of the allowlist."""

    policy_index: Annotated[int, Meta(description="Place in the list, from 0.")]
    cidr_block: Cidr
    description: Annotated[str, Meta(description="Whose address it is.")]


class SecurityPolicies(Wire, frozen=True, kw_only=True):
    """The whole allowlist."""

    security_policy_set: Annotated[list[SecurityPolicy], Meta(description="The entries, by address.")] = (
        msgspec.field(default_factory=list)
    )


@operation(resource=_INSTANCE, changes=True)
async def manage_external_endpoint(call: Call, request: ManageExternalEndpoint) -> InstanceOnly:
    """Open or close the public entry; an open entry admits only what its allowlist names."""
    state = PublicEntry.OPENED if request.operation == "Create" else PublicEntry.CLOSED
    await instances.modify(call.tx, call.here.id, public_entry=str(state))
    return InstanceOnly(registry_id=call.here.registry_id)


@operation(resource=_INSTANCE, changes=False)
async def describe_external_endpoint_status(call: Call, request: InstanceOnly) -> EntryStatus:
    """Say whether the public entry is open."""
    return EntryStatus(status=call.here.public_entry)


@operation(resource=_INSTANCE, changes=True, raises=(Conflict,))
async def create_security_policy(call: Call, request: CreateSecurityPolicy) -> InstanceOnly:
    """Add an address or CIDR to the allowlist of the public entry."""
    cidr = str(parse_cidr(request.cidr_block))
    if not await instances.allow(call.tx, call.here.id, cidr, request.description[:200], call.now):
        raise Conflict(f"{cidr} is on the allowlist already")
    return InstanceOnly(registry_id=call.here.registry_id)


@operation(resource=_INSTANCE, changes=True, raises=(NotFound,))
async def delete_security_policy(call: Call, request: DeleteSecurityPolicy) -> InstanceOnly:
    """Remove an address or CIDR from the allowlist of the public entry."""
    cidr = str(parse_cidr(request.cidr_block))
    if not await instances.disallow(call.tx, call.here.id, cidr):
        raise NotFound(f"{cidr} is not on the allowlist")
    return InstanceOnly(registry_id=call.here.registry_id)


@operation(resource=_INSTANCE, changes=False)
async def describe_security_policies(call: Call, request: InstanceOnly) -> SecurityPolicies:
    """List the allowlist of the public entry."""
    rows = await instances.allowed(call.tx, call.here.id)
    return SecurityPolicies(
        security_policy_set=[
            SecurityPolicy(policy_index=place, cidr_block=row.cidr, description=row.note)
            for place, row in enumerate(rows)
        ]
    )
