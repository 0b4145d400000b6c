"""The rates of an instance's own: how much its addresses, credentials and all its clients may use in a second."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from roadstead.domain.rates import Who, rate_limits
from roadstead.metadata import instances
from roadstead.services.fields import RegistryId
from roadstead.services.operations import Call, Wire, operation

_LEAST_BYTES = 16 << 10

# What goes by the setting again.
_BY_SETTING = -1

OwnRequests = Annotated[
    Annotated[int, Meta(ge=_BY_SETTING, le=1_000_000)] | None,
    Meta(description="Requests a second; 0: no limit, -1: as the setting says, left out: as it was."),
]
OwnBytes = Annotated[
    Annotated[int, Meta(ge=_BY_SETTING, le=1 << 40)] | None,
    Meta(
        description="Bytes a second that transfers move, at least 16384; 0: no limit, -1: as the setting says, "
        "left out: as it was."
    ),
]


class DescribeInstanceRates(Wire, frozen=True, kw_only=True):
    """Which instance."""

    registry_id: RegistryId


class ModifyInstanceRates(Wire, frozen=True, kw_only=True):
    """Which rates shall be otherwise."""

    registry_id: RegistryId
    address_requests: OwnRequests = None
    address_bytes: OwnBytes = None
    credential_requests: OwnRequests = None
    credential_bytes: OwnBytes = None
    instance_requests: OwnRequests = None
    instance_bytes: OwnBytes = None


class RateRow(Wire, frozen=True, kw_only=True):
    """What may be used together in a second."""

    who: Annotated[Who, Meta(description="Whose use is counted together: of an address, a credential, or all.")]
    requests: Annotated[int, Meta(description="Requests a second; 0: no limit.")]
    bytes: Annotated[int, Meta(description="Bytes a second that transfers move; 0: no limit.")]
    own: Annotated[bool, Meta(description="Whether either is the instance's own, not the setting's.")]


class InstanceRates(Wire, frozen=True, kw_only=True):
    """The rates that hold at an instance."""

    registry_id: RegistryId
    rates: Annotated[list[RateRow], Meta(description="One for each kind of use.")]


@operation(resource="instance/{registry_id}", changes=False)
async def describe_instance_rates(call: Call, request: DescribeInstanceRates) -> InstanceRates:
    """Show how much the clients of an instance may use in a second."""
    return _told(call, call.here.rates)


@operation(resource="instance/{registry_id}", changes=True)
async def modify_instance_rates(call: Call, request: ModifyInstanceRates) -> InstanceRates:
    """Change how much the clients of an instance may use in a second; new requests go by it at once."""
    own: dict[str, int] = msgspec.json.decode(call.here.rates)
    for name in (f"{who}_{what}" for who in Who for what in ("requests", "bytes")):
        value = getattr(request, name)
        if value == _BY_SETTING:
            own.pop(name, None)
        elif value is not None:
            own[name] = max(value, _LEAST_BYTES) if value and name.endswith("_bytes") else value
    text = msgspec.json.encode(own, order="sorted").decode()
    await instances.modify(call.tx, call.here.id, rates=text)
    before, after = _told(call, call.here.rates), _told(call, text)
    call.changed(before, after)
    return after


def _told(call: Call, text: str) -> InstanceRates:
    own: dict[str, int] = msgspec.json.decode(text)
    limits = rate_limits(msgspec.to_builtins(call.ctx.settings.rates), own)
    rows = []
    for who in Who:
        rate = limits.rates.get(who) if limits is not None else None
        rows.append(
            RateRow(
                who=who,
                requests=rate.requests if rate is not None else 0,
                bytes=rate.bytes if rate is not None else 0,
                own=f"{who}_requests" in own or f"{who}_bytes" in own,
            )
        )
    return InstanceRates(registry_id=call.here.registry_id, rates=rows)
