"""`python -m benchmarks.networks`: what one check of the network costs, by the length of the allowlist."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from roadstead.domain.network import Addresses, Cidr, NetworkPolicy, Number

_ASKED = 20_000
_ROUNDS = 9
# Of a deployment with a private link, so that the address a connection came to is looked at too.
_LOCAL = "203.0.113.5"
_LINKS = {Number(4, int(IPv4Address("10.0.0.9"))): Addresses([IPv4Network("10.0.0.0/16")])}


def main() -> None:
    """A line for each length of the list has been printed."""
    print(f"{'CIDRs':>7}  {'known, IPv4':>11}  {'new, IPv4':>9}  {'known, IPv6':>11}  {'new, IPv6':>9}   us a check")
    choose = random.Random(7)
    for count in (0, 1, 10, 100, 1000, 10_000):
        policy = NetworkPolicy.of(loopback=True, opened=True, networks=_networks(choose, count), links=_LINKS)
        costs = []
        for clients in (_clients(choose, IPv4Address), _clients(choose, IPv6Address)):
            costs += [_cost(policy, clients[:100] * (_ASKED // 100)), _cost(policy, clients)]
        print(f"{count:>7}  {costs[0]:>11.2f}  {costs[1]:>9.2f}  {costs[2]:>11.2f}  {costs[3]:>9.2f}")


def _networks(choose: random.Random, count: int) -> list[Cidr]:
    """So many networks of all lengths, half of them of each kind."""
    found: list[Cidr] = []
    for place in range(count):
        if place % 2:
            found.append(IPv6Network((choose.getrandbits(128), choose.randint(32, 128)), strict=False))
        else:
            found.append(IPv4Network((choose.getrandbits(32), choose.randint(16, 32)), strict=False))
    return found


def _clients(choose: random.Random, kind: type[IPv4Address | IPv6Address]) -> list[str]:
    """Addresses that have nothing in common, more than are remembered."""
    return [str(kind(choose.getrandbits(32 if kind is IPv4Address else 128))) for _ in range(_ASKED)]


def _cost(policy: NetworkPolicy, clients: Sequence[str]) -> float:
    seconds = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        for client in clients:
            policy.verdict(client, _LOCAL)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds) / len(clients) * 1e6


if __name__ == "__main__":
    main()
