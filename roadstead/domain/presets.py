"""Policies that come with the product, and templates of those that one writes for a repository or more.

The presets are the cloud's own; the templates are the samples that its documentation prints, with the instance and
the names put in.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from roadstead.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Preset:
    """One policy that every deployment has."""

    name: str
    description: str
    document: str


def _document(*statements: Mapping[str, Any]) -> str:
    return json.dumps({"version": "2.0", "statement": list(statements)}, indent=2)


def _allow(actions: str | Sequence[str], resources: str | Sequence[str]) -> dict[str, Any]:
    return {
        "effect": "allow",
        "action": [actions] if isinstance(actions, str) else list(actions),
        "resource": resources if resources == "*" else [resources] if isinstance(resources, str) else list(resources),
    }


_READ = ("tcr:Describe*", "tcr:PullRepository*")

PRESETS = (
    Preset(
        "AdministratorAccess",
        "Everything, accounts and policies too",
        _document(_allow("*", "*")),
    ),
    Preset(
        "QcloudTCRFullAccess",
        "Read and write everything in the registry",
        _document(_allow("tcr:*", "*")),
    ),
    Preset(
        "QcloudTCRReadOnlyAccess",
        "See everything in the registry and pull from it",
        _document(_allow(_READ, "*")),
    ),
)


@dataclass(frozen=True, slots=True)
class Template:
    """A policy to be written for something: `levels` says for how much of INSTANCE/NAMESPACE/REPOSITORY."""

    name: str
    description: str
    levels: int


TEMPLATES = (
    Template("manage-instance", "Manage one instance; it gives no right to pull or push", 1),
    Template("read-instance", "See one instance and pull everything in it", 1),
    Template("manage-namespace", "Everything in one namespace", 2),
    Template("read-namespace", "See one namespace and pull everything in it", 2),
    Template("write-repository", "Pull from and push to one repository, which the first push creates", 3),
    Template("read-repository", "See one repository and pull from it", 3),
)


def from_template(name: str, registry_id: str, path: str = "") -> str:
    """The document of the template for an instance, or for the namespace or repository `path` in it.

    Raises InvalidInput when there is no such template, or the path names more or less than it is for.
    """
    template = next((each for each in TEMPLATES if each.name == name), None)
    if template is None:
        known = ", ".join(each.name for each in TEMPLATES)
        raise InvalidInput(f"there is no template {name[:60]!r}; there are {known}")
    levels = 1 if not path else 3 if "/" in path else 2
    if levels != template.levels:
        wanted = ("the instance alone", "a namespace", "a repository as NAMESPACE/REPOSITORY")[template.levels - 1]
        raise InvalidInput(f"the template {name} is for {wanted}, not for {path or 'the instance'!r}")
    instance = f"qcs::tcr:::instance/{registry_id}"
    below = f"qcs::tcr:::repository/{registry_id}/{f'{path}/' if path else ''}*"
    seen = _allow("tcr:DescribeInstance*", instance)
    statements = {
        "manage-instance": [_allow("tcr:*", instance)],
        "read-instance": [_allow(_READ, [instance, below])],
        "manage-namespace": [_allow("tcr:*", below), seen],
        "read-namespace": [_allow(_READ, below), seen],
        "write-repository": [
            _allow([*_READ, "tcr:PushRepository", "tcr:CreateRepository", "tcr:*HelmChart*"], below),
            seen,
        ],
        "read-repository": [_allow(_READ, below), seen],
    }
    return _document(*statements[name])
