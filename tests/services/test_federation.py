"""Session tokens and who one is."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from urllib.parse import quote

import pytest
import sqlalchemy as sa

from roadstead.domain.identity import CredentialKind
from roadstead.domain.narrowing import narrowed
from roadstead.domain.policy import EVERYTHING, NOTHING, Circumstances, Resource
from roadstead.errors import AccessDenied, InvalidInput, PolicyInvalid
from roadstead.metadata.schema.access import temporary_keys
from roadstead.metadata.schema.delivery import audit_entries
from roadstead.services import federation, gc
from roadstead.services.context import Context
from roadstead.services.secrets import secret_hash
from tests.factories.accounts import owner_caller, sub_caller
from tests.factories.calls import call, call_as
from tests.jobs.bench import FakeClock


async def test_a_temporary_key_is_kept_without_its_token(ctx: Context) -> None:
    made = await call(ctx, federation.get_federation_token, name="ci", duration_seconds=600)
    assert made.expiration == ctx.clock() + timedelta(seconds=600)
    assert made.expired_time == int(made.expiration.timestamp())
    async with ctx.database.read() as tx:
        row = await tx.one(sa.select(temporary_keys))
        told = str(await tx.all(sa.select(audit_entries)))
    assert row is not None
    assert row.secret_id == made.credentials.tmp_secret_id
    assert row.token_hash == secret_hash(made.credentials.token)
    assert ctx.secrets.unseal(row.secret_key).decode() == made.credentials.tmp_secret_key
    assert (row.policy, row.ends_at) == ("", made.expiration)
    assert "sts:GetFederationToken" in told
    assert made.credentials.token not in told and made.credentials.tmp_secret_key not in told


async def test_it_is_gone_some_time_after_its_end(ctx: Context, clock: FakeClock) -> None:
    await call(ctx, federation.get_federation_token, name="ci", duration_seconds=600)
    for seconds, left in ((600, 1), (1, 0)):
        clock.turn(seconds=seconds)
        await gc.collect(ctx)
        async with ctx.database.read() as tx:
            assert await tx.scalar(sa.select(sa.func.count()).select_from(temporary_keys)) == left


async def test_it_makes_no_others(ctx: Context) -> None:
    caller = replace(await owner_caller(ctx), kind=CredentialKind.TEMPORARY_KEY)
    with pytest.raises(AccessDenied, match="session token"):
        await call_as(ctx, caller, federation.get_federation_token, name="ci")


POLICY = (
    '{"version":"2.0","statement":[{"effect":"allow","action":"tcr:Describe*",'
    '"resource":"qcs::tcr:::repository/tcr-1/prod/*"}]}'
)


@pytest.mark.parametrize("sent", [POLICY, quote(POLICY)])
async def test_it_is_narrowed_by_its_policy(ctx: Context, sent: str) -> None:
    await call(ctx, federation.get_federation_token, name="ci", policy=sent)
    async with ctx.database.read() as tx:
        kept = await tx.scalar(sa.select(temporary_keys.c.policy))
    assert kept == POLICY
    rights = narrowed(EVERYTHING, kept)
    here = Circumstances("192.0.2.1", ctx.clock())
    for action, path, allowed in (
        ("tcr:DescribeImages", "repository/tcr-1/prod/web", True),
        ("tcr:DescribeImages", "repository/tcr-1/test/web", False),
        ("tcr:DeleteImage", "repository/tcr-1/prod/web", False),
    ):
        wanted = Resource("tcr", "local", "100", path)
        assert rights.decide(action, wanted, here).allowed is allowed
        assert not narrowed(NOTHING, kept).decide(action, wanted, here).allowed
    assert narrowed(EVERYTHING, "") is EVERYTHING


@pytest.mark.parametrize("policy", ["x", "{}", "%7B", "%", "null", '{"version":"2.0","statement":[]}'])
async def test_a_policy_that_is_none(ctx: Context, policy: str) -> None:
    with pytest.raises(PolicyInvalid):
        await call(ctx, federation.get_federation_token, name="ci", policy=policy)


@pytest.mark.parametrize("name", ["", "a b", "x" * 65, "é", "a/b", "a\n"])
async def test_a_name_that_is_none(ctx: Context, name: str) -> None:
    with pytest.raises(InvalidInput, match="Name"):
        await call(ctx, federation.get_federation_token, name=name)


async def test_everybody_may_know_who_he_is(ctx: Context) -> None:
    owner = await owner_caller(ctx)
    shown = await call(ctx, federation.get_caller_identity)
    assert (shown.type, shown.user_id, shown.account_id) == ("RootAccount", owner.uin, owner.uin)
    sub = await sub_caller(ctx)
    shown = await call_as(ctx, sub, federation.get_caller_identity)
    assert (shown.type, shown.user_id, shown.account_id) == ("CAMUser", sub.uin, owner.uin)
    assert shown.arn == f"qcs::cam::uin/{owner.uin}:uin/{sub.uin}"
