"""`python -m benchmarks.decisions`: what one permission decision costs, by how many repositories policies name."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from roadstead.domain.policy import Action, Circumstances, Resource
from roadstead.domain.policy_documents import parse
from roadstead.domain.rights import CompiledRights

_HERE = Circumstances("10.1.2.3", datetime(2026, 11, 23, tzinfo=UTC), "200000000001")
_OFFICE = {"ip_equal": {"qcs:ip": ["10.0.0.0/8"]}}
_ASKED = 20_000


def main() -> None:
    """A line for each kind and number of policies has been printed."""
    print(f"{'repositories':>12}  {'remembered':>11}  {'asked anew':>11}  {'on conditions':>13}   us a decision")
    for count in (1, 10, 100, 1000, 10_000):
        plain, conditional = _rights(count, {}), _rights(count, _OFFICE)
        few = [_resource(place % min(count, 100)) for place in range(_ASKED)]
        # More than are remembered, so that each one is made anew.
        many = [_resource(place) for place in range(_ASKED)]
        costs = (_cost(plain, few), _cost(plain, many), _cost(conditional, few))
        print(f"{count:>12}  {costs[0]:>11.2f}  {costs[1]:>11.2f}  {costs[2]:>13.2f}")


def _rights(count: int, condition: dict[str, object]) -> CompiledRights:
    """Rights to pull so many repositories, a hundred to a policy, except for what is denied everywhere."""
    statements: list[dict[str, object]] = [
        {"effect": "deny", "action": "tcr:Delete*", "resource": "*", "condition": condition},
        {"effect": "deny", "action": "tcr:Pull*", "resource": "qcs::tcr:::repository/*/secret-*"},
    ]
    policies = [("denials", parse(json.dumps({"version": "2.0", "statement": statements})))]
    for start in range(0, count, 100):
        paths = [f"qcs::tcr:::repository/tcr-12345678/team/app-{place}/*" for place in range(start, start + 100)]
        allowed = {"effect": "allow", "action": ["tcr:Pull*", "tcr:Describe*"], "resource": paths[: count - start]}
        text = json.dumps({"version": "2.0", "statement": [{**allowed, "condition": condition}]})
        policies.append((f"policy-{start}", parse(text)))
    return CompiledRights(policies)


def _resource(place: int) -> Resource:
    return Resource("tcr", "local", "100000000001", f"repository/tcr-12345678/team/app-{place}")


def _cost(rights: CompiledRights, resources: Sequence[Resource]) -> float:
    rights.decide(Action.PULL, resources[0], _HERE)
    started = time.perf_counter()
    for resource in resources:
        rights.decide(Action.PULL, resource, _HERE)
    return (time.perf_counter() - started) / len(resources) * 1e6


if __name__ == "__main__":
    main()
