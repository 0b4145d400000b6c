"""Presets and templates: each parses, and allows what its description says and no more."""

from __future__ import annotations

import pytest

from roadstead.domain.policy_documents import parse
from roadstead.domain.presets import PRESETS, TEMPLATES, from_template
from roadstead.domain.rights import CompiledRights
from roadstead.errors import InvalidInput
from tests.domain.test_rights import may

PATHS = {1: "", 2: "team", 3: "team/app"}
APP, OTHER, ELSEWHERE = "repository/tcr-1/team/app", "repository/tcr-1/team/other", "repository/tcr-1/rest/app"


@pytest.mark.parametrize("name", [each.name for each in PRESETS])
def test_a_preset_parses(name: str) -> None:
    preset = next(each for each in PRESETS if each.name == name)
    found = CompiledRights([(name, parse(preset.document))])
    assert may(found, "tcr:PullRepository", APP)
    assert may(found, "tcr:PushRepository", APP) is (name != "QcloudTCRReadOnlyAccess")
    assert may(found, "cam:CreatePolicy", "policyid/*") is (name == "AdministratorAccess")


@pytest.mark.parametrize(
    ("name", "pulls", "pushes"),
    [
        ("manage-instance", [], []),
        ("read-instance", [APP, OTHER, ELSEWHERE], []),
        ("manage-namespace", [APP, OTHER], [APP, OTHER]),
        ("read-namespace", [APP, OTHER], []),
        ("write-repository", [APP], [APP]),
        ("read-repository", [APP], []),
    ],
)
def test_a_template_gives_what_it_says(name: str, pulls: list[str], pushes: list[str]) -> None:
    template = next(each for each in TEMPLATES if each.name == name)
    text = from_template(name, "tcr-1", PATHS[template.levels])
    found = CompiledRights([(name, parse(text))])
    for action, paths in (
        ("tcr:PullRepository", pulls),
        ("tcr:PushRepository", pushes),
        ("tcr:CreateRepository", pushes),
    ):
        assert [path for path in (APP, OTHER, ELSEWHERE) if may(found, action, path)] == paths
    assert may(found, "tcr:DescribeInstances", "instance/tcr-1")
    assert not may(found, "tcr:DescribeInstances", "instance/tcr-2")
    assert not may(found, "tcr:DeleteInstance", "instance/tcr-1") or name == "manage-instance"


def test_every_template_is_tried() -> None:
    assert len(TEMPLATES) == 6


@pytest.mark.parametrize(
    ("name", "path"), [("read-repository", "team"), ("read-instance", "a/b"), ("read-namespace", ""), ("x", "")]
)
def test_a_template_for_something_else_is_refused(name: str, path: str) -> None:
    with pytest.raises(InvalidInput):
        from_template(name, "tcr-1", path)
