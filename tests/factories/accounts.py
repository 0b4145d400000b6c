"""Accounts, credentials and callers of each kind, made straight in the database where no operation makes them yet."""

from __future__ import annotations

from dataclasses import dataclass, replace
from secrets import randbelow

import sqlalchemy as sa

from roadstead.domain.identity import NOBODY, Caller, CredentialKind, Door, Origin, Presented, anonymous
from roadstead.domain.policy import NOTHING
from roadstead.metadata import accounts, credentials
from roadstead.metadata.schema.tenancy import accounts as account_table
from roadstead.services.access import Asker
from roadstead.services.accounts import local_owner
from roadstead.services.context import Context
from roadstead.services.credentials import present_basic
from roadstead.services.secrets import random_id, random_secret, secret_hash
from tests.factories.contexts import initial_credentials

HERE = "127.0.0.1"


@dataclass(frozen=True)
class Login:
    """What a user types into docker login."""

    username: str
    password: str
    credential_id: str = ""


def origin(address: str = HERE) -> Origin:
    """A request that came in at the registry's door."""
    return Origin(Door.REGISTRY, address, "0123456789abcdef")


def owner_login(ctx: Context) -> Login:
    """The owner's first credential."""
    made = initial_credentials(ctx)
    return Login(made.registry_user, made.registry_token, made.registry_token.split(".")[1])


async def add_sub_account(ctx: Context, name: str = "builder") -> Login:
    """A sub-account of the owner, without any policy, with a long-term credential for the default instance."""
    instance = await ctx.instances.find(ctx.settings.default_instance)
    credential_id, secret, uin = random_id(20), random_secret(), f"3000{randbelow(10**8):08d}"
    now = ctx.clock()
    async with ctx.database.write() as tx:
        owner = await accounts.owner(tx)
        assert owner is not None
        account = await accounts.add(tx, uin=uin, owner_uin=owner.uin, name=name, password_hash="-", now=now)
        assert account is not None
        await credentials.add(
            tx,
            credential_id=credential_id,
            instance_id=instance.id,
            account_id=account.id,
            secret_hash=secret_hash(secret),
            description="",
            now=now,
        )
    return Login(uin, f"rs1.{credential_id}.{secret}", credential_id)


async def add_api_key(ctx: Context, uin: str) -> tuple[str, str]:
    """SecretId and SecretKey of a new API key of the account."""
    secret_id, secret_key = f"AKID{random_id(32)}", random_secret()
    async with ctx.database.write() as tx:
        account = await accounts.get(tx, uin=uin)
        assert account is not None
        await accounts.add_api_key(tx, account.id, secret_id, ctx.secrets.seal(secret_key.encode()), ctx.clock())
    return secret_id, secret_key


async def set_account_enabled(ctx: Context, uin: str, enabled: bool) -> None:
    """The account is enabled or disabled."""
    async with ctx.database.write() as tx:
        await tx.run(sa.update(account_table).where(account_table.c.uin == uin).values(enabled=enabled))


async def asker(
    ctx: Context, login: Login | None = None, *, address: str = HERE, presented: Presented | None = None
) -> Asker:
    """A request of that login (None: of nobody) at the default instance, not yet let in."""
    instance = await ctx.instances.find(ctx.settings.default_instance)
    if presented is None:
        presented = NOBODY
        if login is not None:
            registry_id = instance.row.registry_id
            presented = await present_basic(ctx, registry_id, login.username, login.password, origin(address))
    return Asker(instance, presented, origin(address))


async def owner_asker(ctx: Context, address: str = HERE) -> Asker:
    """A request of the owner."""
    return await asker(ctx, owner_login(ctx), address=address)


async def owner_caller(ctx: Context) -> Caller:
    """The owner at the command line."""
    return await local_owner(ctx)


async def sub_caller(ctx: Context, name: str = "builder") -> Caller:
    """A sub-account without any policy."""
    login = await add_sub_account(ctx, name)
    owner = await local_owner(ctx)
    async with ctx.database.read() as tx:
        number = await tx.scalar(sa.select(account_table.c.id).where(account_table.c.uin == login.username))
    return replace(
        owner,
        account_id=number,
        uin=login.username,
        kind=CredentialKind.API_KEY,
        credential_id=login.credential_id,
        rights=NOTHING,
    )


def nobody() -> Caller:
    """A caller who has not logged in."""
    return anonymous(origin())


async def registry_id(ctx: Context) -> str:
    """The default instance's id."""
    return (await ctx.instances.find(ctx.settings.default_instance)).row.registry_id
