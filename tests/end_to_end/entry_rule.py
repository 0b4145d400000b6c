"""The plain rule of who gets in, written a second time, and the asking by which hosts of a laboratory try it."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address, ip_network
from itertools import cycle, groupby, product

from tests.requirements import needs
from tests.servers.laboratory import Host, Laboratory

# Those first that are not asked for anything of the instance, by which a process could notice a change.
DOORS = ("/", "/api/v1/x", "/chartrepo/library/index.yaml", "/service/token", "/v2/", "/v2/library/x/tags/list")

# What clients say of themselves: to be in the office, on the registry's own host, in a network with a private link,
# to have asked for another instance.
FORGED = (
    (),
    ("X-Forwarded-For: 10.50.1.2",),
    ("X-Forwarded-For: 127.0.0.1, 10.61.1.2, 127.0.0.2", "X-Forwarded-Host: localhost"),
    ("Forwarded: for=127.0.0.1;by=127.0.0.2", "X-Real-IP: 10.50.1.2"),
)
# How many addresses are asked through nginx too: it comes to the registry by loopback from each of them.
_BEHIND = 3


class Way(StrEnum):
    """How a request comes to the registry."""

    DIRECT = "direct"
    # Through nginx on the registry's host, at the address that the settings name, or at one that they do not.
    NAMED = "named"
    UNNAMED = "unnamed"


@dataclass(frozen=True)
class Request:
    """What is asked: the address of the registry's host, its port, the path, and what the client forges."""

    target: str
    way: Way
    port: int
    door: str
    forged: tuple[str, ...]


@dataclass
class Said:
    """What the owner has said, as the plain rule reads it."""

    vpcs: Mapping[str, Sequence[str]]
    allowed: dict[str, set[str]]
    opened: set[str] = field(default_factory=set)
    # Instances whose loopback entry is closed.
    closed_to_itself: set[str] = field(default_factory=set)
    # The instance and the VPC of each link, by its address.
    linked: dict[str, tuple[str, str]] = field(default_factory=dict)

    def admits(self, client: str, request: Request, instance: str) -> bool:
        """Whether the client gets in to the instance: what it says of itself never lets it in."""

        def within(*cidrs: str) -> bool:
            nets = [ip_network(each) for each in cidrs]
            return any(ip_address(client) in net for net in nets if net.version == ip_address(client).version)

        itself = ip_address(client).is_loopback
        if request.way is Way.UNNAMED or (itself and request.way is Way.DIRECT and request.forged):
            return False
        # Nginx comes to the registry by loopback, whichever address it was asked at.
        if request.target in self.linked and request.way is Way.DIRECT:
            whose, vpc = self.linked[request.target]
            return whose == instance and within(*self.vpcs[vpc])
        if itself:
            return instance not in self.closed_to_itself
        return instance in self.opened and within(*self.allowed[instance])


def requests_of(targets: Sequence[str], ports: Mapping[Way, int]) -> list[Request]:
    """Every door of each target as it is, each target with some forgery, and the first through nginx with each."""

    def asked(way: Way, target: str, forged: tuple[str, ...], door: str = "/v2/") -> Request:
        return Request(target, way, ports[way], door, forged)

    found = [asked(Way.DIRECT, target, (), door) for target in targets for door in DOORS]
    found += [asked(Way.DIRECT, target, forged) for target, forged in zip(targets, cycle(FORGED[1:]), strict=False)]
    behind = product((Way.NAMED, Way.UNNAMED), targets[:_BEHIND], FORGED)
    found += [asked(way, target, forged) for way, target, forged in behind]
    # Alike forgeries stand together.
    return sorted(found, key=lambda each: each.forged)


def requests_from(lab: Laboratory, host: Host, instance: str, requests: Sequence[Request]) -> dict[Request, int]:
    """What the host was answered for the instance, by their statuses; 0 for no answer."""
    asking: list[str] = []
    for forged, alike in groupby(requests, lambda each: each.forged):
        quiet = ["-s", "-g", "-m", "10", "-w", "%{http_code}\n", "-H", f"Host: {instance}.registry.test:5000"]
        headers = [word for header in forged for word in ("-H", header)]
        asking += [*(["--next"] if asking else []), *quiet, *headers]
        asking += [word for each in alike for word in ("-o", "/dev/null", _url(each))]
    command = [*lab.inside(host.name), needs("curl"), *asking]
    told = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    assert len(told) == len(requests), told
    return dict(zip(requests, map(int, told), strict=True))


def _url(request: Request) -> str:
    host = f"[{request.target}]" if ":" in request.target else request.target
    return f"http://{host}:{request.port}{request.door}"
