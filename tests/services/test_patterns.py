"""Patterns tried out: what they mean now, of what the caller may see."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from roadstead.domain.policy_documents import parse
from roadstead.domain.rights import CompiledRights
from roadstead.errors import NamespaceUnknown, PatternInvalid
from roadstead.services import patterns
from roadstead.services.context import Context
from tests.factories.accounts import owner_asker, sub_caller
from tests.factories.calls import call, call_as
from tests.factories.pushes import push_image


@pytest.fixture
async def filled(ctx: Context) -> Context:
    asker = await owner_asker(ctx)
    for repository, tag in (("shop/web", "1.0"), ("shop/web", "release-2"), ("shop/deep/api", "1.0"), ("tool", "x")):
        await push_image(ctx, asker, f"library/{repository}", tag)
    return ctx


@pytest.mark.parametrize(
    ("condition", "meant"),
    [
        ("", {"library/shop/deep/api": ["1.0"], "library/shop/web": ["1.0", "release-2"], "library/tool": ["x"]}),
        ("shop/*", {"library/shop/web": ["1.0", "release-2"]}),
        ("shop/**:1.*", {"library/shop/deep/api": ["1.0"], "library/shop/web": ["1.0"]}),
        ("{tool,other}", {"library/tool": ["x"]}),
        ("nothing", {}),
    ],
)
async def test_a_condition_means_what_it_says(filled: Context, condition: str, meant: dict[str, list[str]]) -> None:
    answer = await call(filled, patterns.test_condition, condition=condition)
    assert {each.name: each.tags for each in answer.repositories} == meant
    assert (answer.matched, answer.looked_at) == (len(meant), 3)


async def test_only_what_may_be_seen_is_told(filled: Context) -> None:
    statement = {"effect": "allow", "action": ["tcr:*"], "resource": ["qcs::tcr:::repository/*/library/tool"]}
    document = parse(json.dumps({"version": "2.0", "statement": [statement]}))
    caller = replace(await sub_caller(filled, "somebody"), rights=CompiledRights([("given", document)]))
    answer = await call_as(filled, caller, patterns.test_condition, condition="**")
    assert [each.name for each in answer.repositories] == ["library/tool"]
    assert answer.looked_at == 1
    nobody = await call_as(filled, await sub_caller(filled, "another"), patterns.test_condition)
    assert (nobody.matched, nobody.looked_at) == (0, 0)


async def test_what_is_wrong_is_told(filled: Context) -> None:
    with pytest.raises(PatternInvalid):
        await call(filled, patterns.test_condition, condition="shop/[")
    with pytest.raises(NamespaceUnknown):
        await call(filled, patterns.test_condition, namespace="missing")
