"""Documents: what CAM writes is read, and whatever is wrong is refused with its place."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadstead.domain.policy_documents import ANYTHING, MOST_CHARACTERS, ResourcePattern, parse
from roadstead.errors import PolicyInvalid
from tests.domain.policy_strategies import documents

GOOD = {"effect": "allow", "action": "tcr:*", "resource": "*"}


def written(statement: Any) -> str:
    return json.dumps({"version": "2.0", "statement": statement})


def test_one_statement_may_stand_alone_or_in_a_list() -> None:
    assert parse(written(GOOD)) == parse(written([GOOD]))


def test_what_a_statement_says() -> None:
    found = parse(
        written(
            {
                "effect": "deny",
                "action": ["tcr:PullRepository", "name/tcr:Describe*", "*"],
                "resource": [
                    "qcs::tcr:ap-guangzhou:uin/100:repository/tcr-1/a:b/**",
                    "qcs:id/0:tcr:*:*:instance/*",
                    "*",
                ],
            }
        )
    ).statements[0]
    assert not found.allows and found.condition is None
    assert found.actions == ("tcr:pullrepository", "tcr:describe*", "*")
    assert found.resources == (
        ResourcePattern("tcr", "ap-guangzhou", "uin/100", "repository/tcr-1/a:b/*"),
        ResourcePattern("tcr", "", "", "instance/*"),
        ANYTHING,
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "the policy is not JSON"),
        ("[" * 5000, "the policy is not JSON"),
        ("[]", "the policy: a JSON object"),
        ('{"statement": []}', 'version: it must be "2.0", not None'),
        ('{"version": "1.0", "statement": []}', "version: it must be"),
        ('{"version": "2.0"}', "statement: it is missing"),
        ('{"version": "2.0", "statement": []}', "statement: the list is empty"),
        ('{"version": "2.0", "Statement": []}', "the policy: the field 'Statement' is unknown"),
        (written("all"), "statement: a JSON object"),
        (written([GOOD, {}]), "statement[1].effect: it is missing"),
        (written([{**GOOD, "effect": "Allow"}]), "statement[0].effect: it is allow or deny, not 'Allow'"),
        (written({**GOOD, "effect": {}}), "statement.effect: it is allow or deny"),
        (written([{**GOOD, "action": []}]), "statement[0].action: the list is empty"),
        (written([{**GOOD, "action": ["tcr:*", 7]}]), "statement[0].action[1]: a text belongs here, not 7"),
        (written({**GOOD, "action": "PullRepository"}), "statement.action: 'PullRepository' is not an action"),
        (written({**GOOD, "action": "permid/280649"}), "is not an action"),
        (written({**GOOD, "resource": None}), "statement.resource: a text belongs here"),
        (written({**GOOD, "resource": "instance/*"}), "statement.resource: 'instance/*' is not a resource"),
        (written({**GOOD, "resource": "arn::tcr:::instance/*"}), "is not a resource"),
        (written({**GOOD, "resource": "qcs::tcr:::"}), "leaves its path empty"),
        (written({**GOOD, "resource": "qcs:::::instance/*"}), "leaves its service empty"),
        (written({**GOOD, "resource": "qcs:7:tcr:::instance/*"}), "the project '7' must be left empty"),
        (written({**GOOD, "resource": "qcs::tcr::100:instance/*"}), "the account '100' is written uin/NUMBER"),
        (written({**GOOD, "principal": "*"}), "statement: the field 'principal' is unknown; whom a policy is for"),
        (written({**GOOD, "condition": {"x": {}}}), "statement.condition.x: the operator 'x' is unknown"),
    ],
)
def test_a_refusal_says_where_and_what(text: str, said: str) -> None:
    with pytest.raises(PolicyInvalid) as caught:
        parse(text)
    assert said in caught.value.message


def test_a_document_has_a_bound() -> None:
    with pytest.raises(PolicyInvalid, match="characters"):
        parse(written({**GOOD, "action": ["tcr:" + "a" * MOST_CHARACTERS]}))


@given(documents)
def test_what_is_written_rightly_is_read(text: str) -> None:
    assert parse(text).statements


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["version", "statement", "effect", "action", "resource", "condition", "x"]), inner
            )
        ),
        max_leaves=12,
    )
)
def test_nothing_else_is_ever_raised(value: Any) -> None:
    for text in (json.dumps(value), written(value), written({**GOOD, "condition": value})):
        try:
            parse(text)
        except PolicyInvalid as error:
            assert error.message
