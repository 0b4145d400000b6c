"""What the policies of one account allow, compiled: deny beats allow, and nothing is allowed by default.

The first question about an action picks the statements that speak of it and lays their resources out by path, so
that a decision looks up the path and the few nodes above it, however many repositories and statements there are.
Only patterns with a wildcard inside are tried one by one. What decides is the first statement, in the order of the
policies, that denies; or else the first that allows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from roadstead.domain.conditions import Condition
from roadstead.domain.policy import UNNAMED, Circumstances, Decision, Paths, Resource
from roadstead.domain.policy_documents import Document, ResourcePattern, Statement
from roadstead.domain.wildcards import is_literal, matcher

# Bounds of what one account's rights remember: actions asked about, and decisions of each.
_ACTIONS = 256
_DECISIONS = 1024

Match = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class _Rule:
    """One resource pattern of one statement."""

    order: int
    decision: Decision
    pattern: ResourcePattern
    condition: Condition | None
    # None: any.
    service: Match | None
    region: Match | None
    account: Match | None

    def covers(self, resource: Resource) -> bool:
        """Whether the pattern's service, region and account are the resource's; the path has been looked up."""
        return (
            (self.region is None or bool(self.region(resource.region)))
            and (self.account is None or bool(self.account(f"uin/{resource.owner_uin}")))
            and (self.service is None or bool(self.service(resource.service)))
        )


@dataclass(slots=True)
class _Rules:
    """The rules of one effect for one action, by path."""

    everywhere: list[_Rule] = field(default_factory=list)
    at: dict[str, list[_Rule]] = field(default_factory=dict)
    # By the node that they cover with all below it.
    below: dict[str, list[_Rule]] = field(default_factory=dict)
    patterns: list[tuple[Match, _Rule]] = field(default_factory=list)

    def add(self, rule: _Rule) -> None:
        path = rule.pattern.path
        node = path.removesuffix("/*")
        if path == "*":
            self.everywhere.append(rule)
        elif is_literal(path):
            self.at.setdefault(path, []).append(rule)
        elif is_literal(node):
            self.below.setdefault(node, []).append(rule)
        else:
            self.patterns += [(matcher(glob), rule) for glob in globs(path)]

    def at_path(self, path: str) -> Iterator[_Rule]:
        """The rules whose pattern matches the path."""
        yield from self.everywhere
        yield from self.at.get(path, ())
        if self.below:
            end = len(path)
            while end > 0:
                yield from self.below.get(path[:end], ())
                end = path.rfind("/", 0, end)
        for matches, rule in self.patterns:
            if matches(path):
                yield rule

    def every(self) -> Iterator[_Rule]:
        yield from self.everywhere
        for rules in (*self.at.values(), *self.below.values()):
            yield from rules
        yield from (rule for _, rule in self.patterns)


@dataclass(slots=True)
class _ActionRules:
    """All rules that speak of one action."""

    denying: _Rules = field(default_factory=_Rules)
    allowing: _Rules = field(default_factory=_Rules)
    conditional: bool = False
    # Decisions already made; none is kept where conditions may turn out differently the next time.
    made: dict[Resource, Decision] = field(default_factory=dict)


def globs(path: str) -> tuple[str, ...]:
    """The patterns that a policy's path stands for: one that ends in `/*` covers the node before it too."""
    return (path.removesuffix("/*"), path) if path.endswith("/*") else (path,)


class CompiledRights:
    """The rights that named policies give."""

    def __init__(self, policies: Iterable[tuple[str, Document]]) -> None:
        self._statements = [
            (name, place, statement)
            for name, document in policies
            for place, statement in enumerate(document.statements)
        ]
        self._actions: dict[str, _ActionRules] = {}

    def decide(self, action: str, resource: Resource, circumstances: Circumstances) -> Decision:
        """Whether the action on the resource is allowed, and by which statement."""
        rules = self._actions.get(action) or self._compile(action)
        if rules.conditional:
            return _judge(rules, resource, circumstances)
        made = rules.made.get(resource)
        if made is None:
            if len(rules.made) >= _DECISIONS:
                rules.made.clear()
            made = rules.made[resource] = _judge(rules, resource, circumstances)
        return made

    def paths(self, action: str, area: Resource, circumstances: Circumstances) -> Paths:
        """On which paths the action can be allowed, and on which it is denied for certain."""
        rules = self._actions.get(action) or self._compile(action)
        found: list[list[str]] = []
        for side, unsure in ((rules.allowing, True), (rules.denying, False)):
            found.append(
                [
                    glob
                    for rule in side.every()
                    if _in_force(rule, circumstances) and _speaks_of(rule, area, unsure=unsure)
                    for glob in globs(rule.pattern.path)
                ]
            )
        return Paths(*(tuple(dict.fromkeys(side)) for side in found))

    def _compile(self, action: str) -> _ActionRules:
        rules = _ActionRules()
        name = action.lower()
        for order, (policy, place, statement) in enumerate(self._statements):
            if any(matcher(pattern)(name) for pattern in statement.actions):
                side = rules.allowing if statement.allows else rules.denying
                rules.conditional |= statement.condition is not None
                for rule in _rules(order, policy, place, statement):
                    side.add(rule)
        if len(self._actions) >= _ACTIONS:
            self._actions.clear()
        self._actions[action] = rules
        return rules


def _rules(order: int, policy: str, place: int, statement: Statement) -> Iterator[_Rule]:
    word = "allows" if statement.allows else "denies"
    reason = f"statement {place + 1} of the policy {policy} {word} it"
    decision = Decision(statement.allows, "policy", reason, policy, place)
    for pattern in statement.resources:
        service, region, account = (
            matcher(text) if text else None for text in (pattern.service, pattern.region, pattern.account)
        )
        yield _Rule(order, decision, pattern, statement.condition, service, region, account)


def _judge(rules: _ActionRules, resource: Resource, circumstances: Circumstances) -> Decision:
    denied, _ = _first(rules.denying, resource, circumstances)
    if denied is not None:
        return denied.decision
    allowed, unmet = _first(rules.allowing, resource, circumstances)
    if allowed is not None:
        return allowed.decision
    if unmet is None:
        return UNNAMED
    said = unmet.decision
    reason = (
        f"statement {said.statement + 1} of the policy {said.policy} would allow it, but its condition is not met"
    )
    return Decision(False, "policy", reason, said.policy, said.statement)


def _first(rules: _Rules, resource: Resource, circumstances: Circumstances) -> tuple[_Rule | None, _Rule | None]:
    """The first rule in force on the resource, and the first that only its condition keeps from being so."""
    found: _Rule | None = None
    unmet: _Rule | None = None
    for rule in rules.at_path(resource.path):
        if not rule.covers(resource):
            continue
        if not _in_force(rule, circumstances):
            unmet = rule if unmet is None or rule.order < unmet.order else unmet
        elif found is None or rule.order < found.order:
            found = rule
    return found, unmet


def _in_force(rule: _Rule, circumstances: Circumstances) -> bool:
    return rule.condition is None or rule.condition.holds(circumstances)


def _speaks_of(rule: _Rule, area: Resource, *, unsure: bool) -> bool:
    """Whether the rule covers resources of the area; `unsure` counts for an area whose region is not said."""
    if not area.region and rule.region is not None:
        return unsure
    return rule.covers(area)
