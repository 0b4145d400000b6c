"""How a data-plane request is let in: one read says who asks and what is there, then the gates are asked in turn.

The gates are credential, network (asked again when the instance has changed since the connection was accepted),
policy and token scope. Each refusal names its gate.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, replace

from roadstead.domain.identity import Caller, CredentialKind, Origin, Presented
from roadstead.domain.network import Entry
from roadstead.domain.policy import Action
from roadstead.domain.reference import RepositoryName
from roadstead.errors import InstanceUnknown, NetworkRefused, NotAuthenticated, TooManyRequests
from roadstead.metadata.access import Facts, StoredBlob, StoredManifest, Target, instance_revision, look_up
from roadstead.metadata.database import Tx
from roadstead.services import service_accounts
from roadstead.services.context import Context
from roadstead.services.events import Place
from roadstead.services.instances import ServedInstance, not_running
from roadstead.services.policies import permit
from roadstead.services.tolls import Toll

# Service accounts belong to an instance, not to an account; no row has this id.
_NO_ACCOUNT = 0


@dataclass(frozen=True, slots=True)
class Asker:
    """One request before it is let in: at which instance, by whom it says it is, and from where."""

    instance: ServedInstance
    presented: Presented
    origin: Origin
    # What the request pays, where rates are limited.
    toll: Toll | None = None


@dataclass(frozen=True, slots=True)
class Admitted:
    """One request that was let in, and what it met."""

    caller: Caller
    instance: ServedInstance
    facts: Facts
    found: StoredManifest | StoredBlob | None

    @property
    def place(self) -> Place:
        """The instance as events know it."""
        return Place(self.instance.id, self.instance.row.registry_id)


async def admit_pull(ctx: Context, asker: Asker, repository: RepositoryName, target: Target, wanted: str) -> Admitted:
    """The request may pull from the repository, and what of it `wanted` names is found; raises the refusal.

    When nothing was committed since such a request was let in, this one is too.
    """
    now, version = ctx.clock(), ctx.database.version()
    key = (
        asker.instance.id,
        asker.presented,
        asker.origin.address,
        repository.namespace,
        repository.name,
        target.value,
        wanted,
    )
    known: Admitted | None = ctx.admissions.get(version, key, now)
    if known is not None:
        _pay(asker)
        return _again(known, asker)
    async with ctx.database.read() as tx:
        admitted = await admit(ctx, tx, asker, repository, Action.PULL, target, wanted)
    ctx.admissions.keep(version, key, now, admitted)
    return admitted


def _pay(asker: Asker) -> None:
    """The request counts for its credential, which holds: or others could use up what is the credential's."""
    if asker.toll is not None:
        asker.toll.known(asker.presented)


def _again(known: Admitted, asker: Asker) -> Admitted:
    """The same admission for a request of its own."""
    was = known.caller
    caller = Caller(
        was.account_id,
        was.uin,
        was.owner_uin,
        was.kind,
        asker.origin,
        was.credential_id,
        was.scopes,
        was.rights,
    )
    return Admitted(caller, known.instance, known.facts, known.found)


async def admit(
    ctx: Context,
    tx: Tx,
    asker: Asker,
    repository: RepositoryName | None,
    action: Action | None,
    target: Target = Target.NOTHING,
    wanted: str = "",
) -> Admitted:
    """The request may do `action` on the repository (None: only who asks is checked); raises the refusal."""
    read = await look_up(
        tx,
        instance_id=asker.instance.id,
        uin=asker.presented.uin,
        credential=asker.presented.credential_id,
        namespace=repository.namespace if repository else "",
        repository=str(repository) if repository else "",
        target=target,
        wanted=wanted,
        now=ctx.clock(),
    )
    if read is None:
        await _loaded(ctx, tx, asker.instance)
        raise InstanceUnknown(f"the instance {asker.instance.row.name!r} has been replaced; try again")
    facts, found = read
    instance = await _current(ctx, tx, asker, facts.revision)
    if not instance.running:
        raise not_running(instance.row)
    caller = await _identify(ctx, tx, asker, facts)
    # Rates that this process had not read yet hold for this request too.
    _pay(asker if instance is asker.instance else replace(asker, toll=_toll(ctx, instance, asker.origin)))
    if action is not None:
        permit(caller, action, instance.row, repository, now=ctx.clock(), public=facts.public)
    return Admitted(caller, instance, facts, found)


async def _current(ctx: Context, tx: Tx, asker: Asker, revision: int) -> ServedInstance:
    """The instance as it stands; when it has changed, its network policy is asked again."""
    if revision == asker.instance.row.revision:
        return asker.instance
    loaded = await _loaded(ctx, tx, asker.instance)
    check_network(loaded, asker.origin)
    return loaded


async def _loaded(ctx: Context, tx: Tx, instance: ServedInstance) -> ServedInstance:
    loaded = await ctx.instances.load(tx, instance.row.name)
    if loaded is None:
        raise InstanceUnknown(f"the instance {instance.row.name!r} has been deleted")
    return loaded


async def admit_client(
    ctx: Context, instance: ServedInstance, origin: Origin, *, current: bool = False
) -> ServedInstance:
    """The instance, which admits a client from there; raises NetworkRefused.

    Another process may have let the client in since this one read the instance, so it is read again before a refusal.
    What admits by an older reading is asked once more by `admit`; whoever does not ask that wants the `current` one.
    """
    if current or not instance.network.verdict(origin.address, origin.local).admitted:
        instance = await _as_it_stands(ctx, instance)
        check_network(instance, origin)
    return instance


async def admit_use(ctx: Context, instance: ServedInstance, origin: Origin) -> tuple[ServedInstance, Toll | None]:
    """The instance, and what a request there goes on to pay; raises TooManyRequests.

    The rates may have been changed since this process read the instance: before it refuses, it looks, but no flood of
    requests makes it look more than once a second.
    """
    try:
        return instance, _toll(ctx, instance, origin)
    except TooManyRequests:
        if not ctx.tolls.looks_again(instance.id):
            raise
    instance = await _as_it_stands(ctx, instance)
    return instance, _toll(ctx, instance, origin)


def _toll(ctx: Context, instance: ServedInstance, origin: Origin) -> Toll | None:
    if instance.limits is None:
        return None
    toll = ctx.tolls.toll(instance.limits, instance.id, origin.address)
    toll.enter()
    return toll


async def _as_it_stands(ctx: Context, instance: ServedInstance) -> ServedInstance:
    """The instance as of the last commit; where nothing was committed since that was last asked, nothing is read."""
    version = ctx.database.version()
    if not ctx.instances.is_current(instance, version):
        async with ctx.database.read() as tx:
            if await instance_revision(tx, instance.id) != instance.row.revision:
                instance = await _loaded(ctx, tx, instance)
        ctx.instances.note_current(instance, version)
    return instance


def check_network(instance: ServedInstance, origin: Origin) -> None:
    """Returns when a client from there is admitted; raises NetworkRefused, which says what the owner must do."""
    address = origin.address
    verdict = instance.network.verdict(address, origin.local)
    if verdict.admitted:
        return
    remedy = _remedy(instance, verdict.entry, origin)
    raise NetworkRefused(
        f"network: {address} came in at the {verdict.entry} entry of instance {instance.row.name!r} and "
        f"{verdict.reason}; its owner can admit it with: {remedy}",
        detail={"entry": str(verdict.entry), "address": address, "reason": verdict.reason, "remedy": remedy},
    )


def _remedy(instance: ServedInstance, entry: Entry, origin: Origin) -> str:
    named = "" if instance.default else f" --instance {instance.row.name}"
    match entry:
        case Entry.LOOPBACK if instance.row.loopback:
            return "set network.loopback = true and start again"
        case Entry.LOOPBACK:
            return f"roadstead network loopback --on{named}"
        case Entry.PRIVATE:
            return "roadstead network link VPC-ID SUBNET-ID"
    return f"roadstead network open{named} && roadstead network allow {origin.address}{named}"


async def _identify(ctx: Context, tx: Tx, asker: Asker, facts: Facts) -> Caller:
    presented = asker.presented
    if presented.kind is CredentialKind.NONE:
        return Caller(None, "", "", CredentialKind.NONE, asker.origin, scopes=presented.scopes)
    if presented.kind is CredentialKind.SERVICE_ACCOUNT:
        return await _service_account(ctx, tx, asker)
    now = ctx.clock()
    address = asker.origin.address
    problem = _problem(presented, facts)
    if problem:
        await ctx.logins.failed(ctx.database, presented.uin, address, now)
        raise NotAuthenticated(f"credential: {problem}", detail={"gate": "credential"})
    await ctx.logins.admit(tx, presented.uin, address, now)
    account_id = facts.account_id or 0
    owner = presented.uin == facts.owner_uin
    return Caller(
        account_id,
        presented.uin,
        facts.owner_uin,
        presented.kind,
        asker.origin,
        presented.credential_id,
        presented.scopes,
        await ctx.rights.of(tx, account_id, owner=owner, revision=facts.policy_revision),
    )


async def _service_account(ctx: Context, tx: Tx, asker: Asker) -> Caller:
    """The service account as a caller; its row is read at each request, as those of accounts and credentials are."""
    presented, now, address = asker.presented, ctx.clock(), asker.origin.address
    registry_id = asker.instance.row.registry_id
    rights, problem = await service_accounts.identify(tx, asker.instance.id, registry_id, presented, now)
    if rights is None:
        await ctx.logins.failed(ctx.database, presented.uin, address, now)
        raise NotAuthenticated(f"credential: {problem}", detail={"gate": "credential"})
    await ctx.logins.admit(tx, presented.uin, address, now)
    return Caller(
        _NO_ACCOUNT,
        presented.uin,
        "",
        presented.kind,
        asker.origin,
        presented.credential_id,
        presented.scopes,
        rights,
    )


def _problem(presented: Presented, facts: Facts) -> str:
    """Why the credential does not hold; empty when it does.

    A wrong secret, an unknown account and an unknown credential read the same, so that none can be probed for.
    """
    wrong = "the username or password is wrong"
    if facts.account_id is None:
        return wrong
    if presented.kind is CredentialKind.LONG_TERM:
        if facts.secret_hash is None:
            return wrong
        if presented.secret_hash and not hmac.compare_digest(presented.secret_hash, facts.secret_hash):
            return wrong
        if not facts.credential_enabled:
            return f"the access credential {presented.credential_id} is disabled"
    if not facts.account_enabled:
        return f"the account {presented.uin} is disabled"
    return ""
