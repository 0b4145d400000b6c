"""API keys: two active at most, shown once, and managed only by whoever may."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from roadstead.domain.identity import Caller, CredentialKind
from roadstead.domain.policy import NOTHING, Circumstances, Decision, Paths, Resource
from roadstead.errors import AccessDenied, AccountUnknown, LimitReached, NotFound
from roadstead.metadata.schema.access import api_keys
from roadstead.services import access_keys, users
from roadstead.services.context import Context
from tests.factories.accounts import owner_caller
from tests.factories.calls import call, call_as


class Only:
    """Rights to some actions on some paths."""

    def __init__(self, *allowed: tuple[str, str]) -> None:
        self._allowed = allowed

    def decide(self, action: str, resource: Resource, circumstances: Circumstances) -> Decision:
        return Decision((action, resource.path) in self._allowed, "policy", "it is on the list or not")

    def paths(self, action: str, area: Resource, circumstances: Circumstances) -> Paths:
        return NOTHING.paths(action, area, circumstances)


async def alice(ctx: Context, *allowed: tuple[str, str]) -> Caller:
    """A user who may do only that."""
    made = await call(ctx, users.add_user, name="alice")
    return replace(
        await owner_caller(ctx),
        account_id=made.uid,
        uin=str(made.uin),
        kind=CredentialKind.API_KEY,
        rights=Only(*allowed),
    )


async def test_a_key_is_shown_once_and_kept_encrypted(ctx: Context) -> None:
    made = (await call(ctx, access_keys.create_access_key)).access_key
    assert made.status == "Active" and made.create_time == ctx.clock()
    listed = await call(ctx, access_keys.list_access_keys)
    assert made.access_key_id in [each.access_key_id for each in listed.access_keys]
    assert made.secret_access_key not in msgspec.json.encode(listed).decode()
    async with ctx.database.read() as tx:
        kept = await tx.scalar(sa.select(api_keys.c.secret_key).where(api_keys.c.secret_id == made.access_key_id))
    assert made.secret_access_key.encode() not in kept
    assert ctx.secrets.unseal(kept).decode() == made.secret_access_key


async def test_two_may_be_active(ctx: Context) -> None:
    second = (await call(ctx, access_keys.create_access_key)).access_key.access_key_id
    with pytest.raises(LimitReached, match="2 active"):
        await call(ctx, access_keys.create_access_key)
    await call(ctx, access_keys.update_access_key, access_key_id=second, status="Inactive")
    third = (await call(ctx, access_keys.create_access_key)).access_key.access_key_id
    with pytest.raises(LimitReached, match="2 active"):
        await call(ctx, access_keys.update_access_key, access_key_id=second, status="Active")
    await call(ctx, access_keys.update_access_key, access_key_id=third, status="Active")
    await call(ctx, access_keys.delete_access_key, access_key_id=third)
    await call(ctx, access_keys.update_access_key, access_key_id=second, status="Active")
    listed = (await call(ctx, access_keys.list_access_keys)).access_keys
    assert len(listed) == 2 and (second, "Active") in [(each.access_key_id, each.status) for each in listed]


async def test_inactive_ones_are_not_piled_up(ctx: Context) -> None:
    for _ in range(9):
        made = (await call(ctx, access_keys.create_access_key)).access_key
        await call(ctx, access_keys.update_access_key, access_key_id=made.access_key_id, status="Inactive")
    with pytest.raises(LimitReached, match="up to 10"):
        await call(ctx, access_keys.create_access_key)


async def test_a_key_of_somebody_else_is_none_of_mine(ctx: Context) -> None:
    made = await call(ctx, users.add_user, name="bob", use_api=1)
    for op, fields in ((access_keys.update_access_key, {"status": "Inactive"}), (access_keys.delete_access_key, {})):
        for key in (made.secret_id, "AKIDx", ""):
            with pytest.raises(NotFound):
                await call(ctx, op, access_key_id=key, **fields)
        await call(ctx, op, access_key_id=made.secret_id, target_uin=made.uin, **fields)
    with pytest.raises(AccountUnknown):
        await call(ctx, access_keys.list_access_keys, target_uin=1)


async def test_own_keys_need_a_permission_too(ctx: Context) -> None:
    caller = await alice(ctx)
    for fields in ({}, {"target_uin": int(caller.uin)}):
        with pytest.raises(AccessDenied):
            await call_as(ctx, caller, access_keys.create_access_key, **fields)


@pytest.mark.parametrize(
    ("paths", "named", "allowed"),
    [
        (["own"], True, True),
        # Asked without a number the request is about `uin/*`, and then about the caller's own account too.
        (["own"], False, False),
        (["uin/*"], False, False),
        (["uin/*", "own"], False, True),
    ],
)
async def test_what_a_policy_must_name(ctx: Context, paths: list[str], named: bool, allowed: bool) -> None:
    caller = await alice(ctx)
    own = f"uin/{caller.uin}"
    rights = Only(*(("cam:ListAccessKeys", own if path == "own" else path) for path in paths))
    fields: dict[str, Any] = {"target_uin": int(caller.uin)} if named else {}
    asking = call_as(ctx, replace(caller, rights=rights), access_keys.list_access_keys, **fields)
    if allowed:
        assert (await asking).access_keys == []
    else:
        with pytest.raises(AccessDenied):
            await asking


async def test_a_session_token_makes_no_key(ctx: Context) -> None:
    caller = replace(await owner_caller(ctx), kind=CredentialKind.TEMPORARY_KEY)
    with pytest.raises(AccessDenied, match="session token"):
        await call_as(ctx, caller, access_keys.create_access_key)
    with pytest.raises(AccessDenied, match="session token"):
        await call_as(ctx, caller, users.add_user, name="bob", use_api=1)
    await call_as(ctx, caller, users.add_user, name="bob")


async def test_last_use(ctx: Context) -> None:
    made = (await call(ctx, access_keys.create_access_key)).access_key
    now = ctx.clock()
    async with ctx.database.write() as tx:
        await tx.run(sa.update(api_keys).where(api_keys.c.secret_id == made.access_key_id).values(used_at=now))
    (row,) = (
        await call(ctx, access_keys.get_security_last_used, secret_id_list=[made.access_key_id, "AKIDx"])
    ).secret_id_last_used_rows
    assert (row.secret_id, row.last_used_date, row.last_secret_used_date) == (
        made.access_key_id,
        now,
        int(now.timestamp()),
    )
    listed = (await call(ctx, access_keys.list_access_keys)).access_keys
    assert {each.last_used_time for each in listed} == {None, now}
