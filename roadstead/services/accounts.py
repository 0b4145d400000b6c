"""The owner account and the first start: what a fresh data folder begins with."""

from __future__ import annotations

import os
import secrets as random
from pathlib import Path

import msgspec

from roadstead.domain.identity import Caller, CredentialKind, Door, Origin
from roadstead.domain.network import PublicEntry
from roadstead.domain.policy import EVERYTHING
from roadstead.errors import StartRefused
from roadstead.metadata import accounts, credentials, instances, namespaces
from roadstead.metadata.database import Tx
from roadstead.metadata.instances import Instance
from roadstead.services.context import Context
from roadstead.services.policy_documents import ensure_presets
from roadstead.services.secrets import password_hash, random_id, random_secret, secret_hash

OWNER_NAME = "admin"
# So that the push line of the first start works as it stands.
FIRST_NAMESPACE = "library"


class InitialCredentials(msgspec.Struct, frozen=True, rename="pascal"):
    """What the first start has made; written once to `initial-credentials.json` and never shown again."""

    account_uin: str
    user_name: str
    password: str
    secret_id: str
    secret_key: str
    registry_user: str
    registry_token: str


async def first_start(ctx: Context) -> InitialCredentials | None:
    """The owner account, the default instance and their first credentials exist; None when they did before."""
    async with ctx.database.write() as tx:
        await ensure_presets(tx, ctx.clock())
        if await accounts.owner(tx) is not None:
            return None
        made, key, credential = _invent()
        await _enter(ctx, tx, made, key, credential)
        # The file is there before the rows are: a crash between leaves a file that the next start replaces.
        _write(ctx.settings.folder / "initial-credentials.json", made)
    return made


def _invent() -> tuple[InitialCredentials, bytes, tuple[str, str]]:
    uin = "1000" + "".join(random.choice("0123456789") for _ in range(8))
    secret_key = random_secret()
    credential_id, secret = random_id(20), random_secret()
    made = InitialCredentials(
        account_uin=uin,
        user_name=OWNER_NAME,
        password=random_secret()[:20],
        secret_id="AKID" + random_id(32),
        secret_key=secret_key,
        registry_user=uin,
        registry_token=f"rs1.{credential_id}.{secret}",
    )
    return made, secret_key.encode(), (credential_id, secret)


async def _enter(ctx: Context, tx: Tx, made: InitialCredentials, key: bytes, credential: tuple[str, str]) -> None:
    now = ctx.clock()
    account = await accounts.add(
        tx,
        uin=made.account_uin,
        owner_uin=made.account_uin,
        name=made.user_name,
        password_hash=password_hash(made.password),
        now=now,
    )
    if account is None:
        raise StartRefused("the account table holds an account of the owner's name already")
    await accounts.add_api_key(tx, account.id, made.secret_id, ctx.secrets.seal(key), now)
    settings = ctx.settings
    await instances.add(
        tx,
        Instance(
            id=0,
            registry_id=f"tcr-{random_id(8)}",
            name=settings.default_instance,
            region=settings.region,
            specification="premium",
            status="Running",
            anonymous_access=True,
            create_namespace_on_push=settings.create_namespace_on_push,
            public_entry=str(PublicEntry.CLOSED),
            revision=0,
            created_at=now,
        ),
    )
    instance = await instances.get(tx, name=settings.default_instance)
    if instance is None:
        raise StartRefused(f"the default instance {settings.default_instance!r} could not be made")
    await namespaces.add(tx, instance.id, FIRST_NAMESPACE, public=False, automatic_scan=False, now=now)
    await credentials.add(
        tx,
        credential_id=credential[0],
        instance_id=instance.id,
        account_id=account.id,
        secret_hash=secret_hash(credential[1]),
        description="made at the first start",
        now=now,
    )


def _write(path: Path, made: InitialCredentials) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(made)) + b"\n")
        file.flush()
        os.fsync(file.fileno())


async def local_owner(ctx: Context) -> Caller:
    """The owner, as whoever can read the data folder is; raises StartRefused before the first start."""
    async with ctx.database.read() as tx:
        account = await accounts.owner(tx)
    if account is None:
        raise StartRefused(f"{ctx.settings.folder} has not been started yet; run: roadstead serve")
    origin = Origin(Door.COMMAND, "local", random_id(16))
    return Caller(account.id, account.uin, account.owner_uin, CredentialKind.LOCAL, origin, rights=EVERYTHING)
