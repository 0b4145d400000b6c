"""Actions and resources as policies written for TCR spell them."""

from __future__ import annotations

import pytest

from roadstead.domain.policy import SCOPE_WORD, Action, Decision, Resource
from roadstead.domain.scope import ACTIONS


@pytest.mark.parametrize(
    ("action", "name", "word"),
    [
        (Action.PULL, "tcr:PullRepository", "pull"),
        (Action.PUSH, "tcr:PushRepository", "push"),
        (Action.CREATE, "tcr:CreateRepository", "push"),
        (Action.CREATE_NAMESPACE, "tcr:CreateNamespace", "push"),
        (Action.DELETE, "tcr:DeleteImage", "delete"),
        (Action.LIST, "tcr:DescribeRepositories", None),
    ],
)
def test_actions_and_the_words_of_token_scopes(action: Action, name: str, word: str | None) -> None:
    assert str(action) == name
    assert SCOPE_WORD.get(action) == word


def test_every_scope_word_is_one_that_tokens_can_carry() -> None:
    assert set(SCOPE_WORD.values()) == set(ACTIONS)


def test_a_resource_is_written_as_in_the_mission() -> None:
    resource = Resource("tcr", "local", "100001", "repository/tcr-1/prod/*")
    assert str(resource) == "qcs::tcr:local:uin/100001:repository/tcr-1/prod/*"


def test_a_decision_says_by_which_gate() -> None:
    decision = Decision(False, "policy", "no policy of the account allows it")
    assert not decision.allowed
    assert (decision.gate, decision.reason) == ("policy", "no policy of the account allows it")
