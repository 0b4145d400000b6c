"""Narrowed rights: both must allow."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from roadstead.domain.narrowing import Narrowed
from roadstead.domain.policy import EVERYTHING, NOTHING, Circumstances, Resource, Rights
from roadstead.domain.policy_documents import parse
from roadstead.domain.reach import Reach
from roadstead.domain.rights import CompiledRights

PULL = "tcr:PullRepository"
WANTED = Resource("tcr", "local", "100", "repository/tcr-1/prod/web")
HERE = Circumstances("192.0.2.1", datetime(2026, 11, 23, tzinfo=UTC))


def rights(*statements: tuple[str, str]) -> Rights:
    """Rights by one policy of (effect, path)."""
    listed = [{"effect": effect, "action": PULL, "resource": f"qcs::tcr:::{path}"} for effect, path in statements]
    return CompiledRights([("p", parse(json.dumps({"version": "2.0", "statement": listed})))])


WEB, PROD = rights(("allow", "repository/tcr-1/prod/web")), rights(("allow", "repository/tcr-1/prod/*"))
NOT_WEB = rights(("allow", "repository/tcr-1/*"), ("deny", "repository/tcr-1/prod/web"))


@pytest.mark.parametrize("account", [EVERYTHING, NOTHING, WEB, PROD, NOT_WEB])
@pytest.mark.parametrize("token", [EVERYTHING, NOTHING, WEB, PROD, NOT_WEB])
def test_both_must_allow(account: Rights, token: Rights) -> None:
    narrowed = Narrowed(account, token)
    reach = Reach.of(narrowed, PULL, WANTED._replace(path=""), HERE)
    for path in ("prod/web", "prod/api", "prod", "test/web"):
        wanted = WANTED._replace(path=f"repository/tcr-1/{path}")
        by_account, by_token = (each.decide(PULL, wanted, HERE).allowed for each in (account, token))
        decision = narrowed.decide(PULL, wanted, HERE)
        assert decision.allowed is (by_account and by_token)
        if by_account and not by_token:
            assert "session token" in decision.reason
        # What may be seen is let through by the conditions of a list.
        if decision.allowed:
            shown = reach.names("repository/tcr-1/")
            names = shown.shown
            assert path in names.exact or any(path.startswith(start) for start in names.starts)
            assert path not in shown.hidden.exact
