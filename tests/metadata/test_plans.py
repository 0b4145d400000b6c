"""No statement that requests or the collector run walks through a table that grows: SQLite is asked how it would go.

Statements are taken as the query modules run them, with their parameters left open, as the database meets them.
"""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from roadstead.config import Settings
from roadstead.domain.reach import Names, Selection
from roadstead.domain.reference import Digest
from roadstead.metadata import (
    access,
    access_keys,
    accounts,
    artifacts,
    attachments,
    audit,
    collection,
    credentials,
    deletions,
    deliveries,
    delivery_log,
    groups,
    instances,
    inventory,
    layers,
    links,
    namespaces,
    policy_documents,
    quotas,
    repositories,
    resource_tags,
    rights,
    service_accounts,
    sessions,
    triggers,
    users,
)
from roadstead.metadata.access import Target
from roadstead.metadata.database import Prepared, Tx, connect
from roadstead.metadata.sqlite import SqliteDatabase, SqliteTx
from tests.metadata.delivery_rows import delivery
from tests.metadata.scene import LATER, NOW, Scene, set_up, store_blob, store_manifest, upload

# A handful of rows, whatever the registry holds; `counted` is what a count with a limit counts.
SMALL = {
    "vpcs",
    "subnets",
    "private_links",
    "link_addresses",
    "counted",
    "job_queues",
    "schema_version",
    "signing_keys",
    "sqlite_master",
}
# What a caller may see of names: one, all that begin with a text, and one pattern; and some that it may not.
SEEN = Selection(Names(frozenset({"prod/web"}), ("shop/",), ("a*b",)), Names(starts=("shop/secret",)))
# What somebody sees who may see a little of an instance or two.
SOME = Selection(Names(frozenset({"tcr-first", "tcr-other"})))
SOME_PAIRS = Selection(Names(frozenset({"tcr-first/prod"}), ("tcr-other/",)))
DIGEST = str(Digest.of(b"layer"))
SUBJECT = str(Digest.of(b"subject"))
AFTER = LATER + timedelta(days=1)
LOG = delivery_log.Wanted(1, 1, 1)
LOST = delivery_log.Failed(1, 1, NOW, LATER)


@dataclass
class Recorder:
    """The statements of a database, and the way it goes for each."""

    database: SqliteDatabase
    seen: list[tuple[str, Any]] = field(default_factory=list)

    def note(self, _connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if re.match(r"\s*(SELECT|UPDATE|DELETE|INSERT)\b", statement):
            self.seen.append((statement, parameters[0] if isinstance(parameters, list) else parameters))

    def plans(self) -> list[tuple[str, list[str]]]:
        connection = self.database._reading
        found = []
        for statement, parameters in self.seen:
            rows = connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
            found.append((statement, [row[3] for row in rows]))
        return found


class Noting(SqliteTx):
    """A transaction whose prepared statements, which pass SQLAlchemy by, are noted too."""

    def __init__(self, tx: SqliteTx, recorder: Recorder) -> None:
        super().__init__(tx._connection, tx._driver)
        self._recorder = recorder

    async def look_up(self, prepared: Prepared, parameters: Mapping[str, Any]) -> Sequence[Any] | None:
        plan = prepared.plan(self._connection.dialect)
        given = {**plan.fixed, **parameters}
        values = [given[name] if turn is None else turn(given[name]) for name, turn in plan.binds]
        self._recorder.seen.append((plan.text, values))
        return await super().look_up(prepared, parameters)


@pytest.fixture(scope="module")
def prepared(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Scene]:
    """A database with almost nothing in it, to be copied: the planner goes by rules and indexes, not by rows."""

    async def prepare() -> Scene:
        database = await connect(Settings(data=str(file.parent)))
        scene = await set_up(database)
        await database.close()
        return scene

    file = Path(shutil.copyfile(migrated_file, tmp_path_factory.mktemp("prepared") / "roadstead.db"))
    return file, asyncio.run(prepare())


@pytest.fixture
def scene(prepared: tuple[Path, Scene]) -> Scene:
    """What is there."""
    return prepared[1]


@pytest.fixture
async def database(prepared: tuple[Path, Scene], tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    """A copy of the prepared database."""
    shutil.copyfile(prepared[0], tmp_path / "roadstead.db")
    database = await connect(Settings(data=str(tmp_path)))
    assert isinstance(database, SqliteDatabase)
    yield database
    await database.close()


def look_up(target: Target, wanted: str) -> Callable[[Tx, Scene], Awaitable[object]]:
    return lambda tx, scene: access.look_up(
        tx,
        instance_id=scene.instance,
        uin="100",
        credential="first-credential",
        namespace="prod",
        repository="prod/web",
        target=target,
        wanted=wanted,
        now=NOW,
    )


AUDIT_SEARCHES = {
    "time": audit.Search(since=NOW, until=LATER),
    "user": audit.Search(operator="100", outcome="refused"),
    "action": audit.Search(action="tcr:CreateNamespace", address="192.0.2.*"),
    "beginning of an action": audit.Search(since=NOW, action="tcr:Create*"),
    "resource": audit.Search(resource="repository/tcr-1/*", door="api"),
    "instance": audit.Search(instance_id=1, outcome="refused", until=LATER),
    "request": audit.Search(request_id="request", operator="100"),
    "everything": audit.Search(NOW, LATER, 1, "100", "tcr:CreateNamespace", "a*", "done", "request", "api", "::1"),
}

QUERIES: dict[str, Callable[[Tx, Scene], Awaitable[object]]] = {
    "who asks": look_up(Target.NOTHING, ""),
    "a tag": look_up(Target.TAG, "latest"),
    "a manifest": look_up(Target.MANIFEST, DIGEST),
    "a blob": look_up(Target.BLOB, DIGEST),
    "the bytes of a manifest": lambda tx, s: artifacts.manifest_body(tx, 1),
    "an instance by name": lambda tx, s: instances.get(tx, name="first"),
    "an instance by id": lambda tx, s: instances.get(tx, registry_id="tcr-first"),
    "the revision of triggers": lambda tx, s: triggers.revision(tx, s.instance),
    "enabled triggers": lambda tx, s: triggers.enabled_ones(tx, s.instance),
    "a trigger": lambda tx, s: triggers.get(tx, 1),
    "a trigger's name": lambda tx, s: triggers.name_taken(tx, s.instance, s.namespace, "deploy"),
    "the count of triggers": lambda tx, s: triggers.count_all(tx, s.instance),
    "a page of a trigger's log": lambda tx, s: delivery_log.page(tx, LOG, before=9, most=10),
    "a page of a namespace's log": lambda tx, s: delivery_log.page(
        tx, replace(LOG, trigger_id=None), before=9, most=9
    ),
    "the next attempts of a page": lambda tx, s: delivery_log.next_attempts(tx, [delivery(s, 1)], NOW),
    "the count of a log": lambda tx, s: delivery_log.count(tx, LOG),
    "a delivery": lambda tx, s: delivery_log.get(tx, 1, 1),
    "failed deliveries": lambda tx, s: delivery_log.failed(tx, LOST, 10),
    "failed deliveries to no target": lambda tx, s: delivery_log.failed_elsewhere(tx, LOST),
    "attempts": lambda tx, s: deliveries.attempts(tx, 1, last=0, most=10),
    "the first of a lane": lambda tx, s: deliveries.first(tx, 1, 0, "prod/web"),
    "the next lane": lambda tx, s: deliveries.next_due(tx, 1, 0),
    "overdue lanes": lambda tx, s: deliveries.overdue(tx, NOW, 10),
    "an allowlist": lambda tx, s: instances.allowed(tx, s.instance),
    "a page of instances": lambda tx, s: instances.page(tx, "", 10),
    "a page of tags": lambda tx, s: artifacts.tag_names(tx, s.repository, "", 10),
    "a page of tags with images": lambda tx, s: artifacts.tag_infos(tx, s.repository, last="", most=10),
    "tags that contain": lambda tx, s: artifacts.tag_infos(tx, s.repository, last="", most=10, containing="1"),
    "one tag": lambda tx, s: artifacts.tag_infos(tx, s.repository, last="", most=9, containing="1", exact=True),
    "tags of a digest": lambda tx, s: artifacts.tag_infos(tx, s.repository, last="", most=9, digest=DIGEST),
    "a page of referrers": lambda tx, s: artifacts.referrers(
        tx, s.repository, SUBJECT, artifact_type="", last="", most=10
    ),
    "a page of referrers of a type": lambda tx, s: artifacts.referrers(
        tx, s.repository, SUBJECT, artifact_type="a/b", last="", most=10
    ),
    "a page of repositories": lambda tx, s: repositories.page(tx, s.instance, last="", most=10),
    "a page of public repositories": lambda tx, s: repositories.page(
        tx, s.instance, last="", most=10, selection=SEEN, or_public=True
    ),
    "repositories of a namespace": lambda tx, s: repositories.page(
        tx, s.instance, last="", most=10, namespace_id=s.namespace
    ),
    "the number of repositories": lambda tx, s: repositories.count(tx, s.instance),
    "the number of repositories of a namespace": lambda tx, s: repositories.count(
        tx, s.instance, namespace_id=s.namespace, containing="a", selection=SEEN, or_public=True
    ),
    "the number of tags": lambda tx, s: artifacts.tag_count(tx, s.repository),
    "the number of tags of a digest": lambda tx, s: artifacts.tag_count(tx, s.repository, digest=DIGEST),
    "the number of credentials": lambda tx, s: credentials.count(tx, s.instance),
    "the number of namespaces": lambda tx, s: namespaces.count(tx, s.instance, containing="a"),
    "labelled namespaces": lambda tx, s: namespaces.page(
        tx,
        s.instance,
        containing="",
        last="",
        most=9,
        skip=2,
        registry_id="tcr-first",
        labels=[[("team", "web"), ("team", None)], [("cost", None)]],
    ),
    "the number of labelled namespaces": lambda tx, s: namespaces.count(
        tx, s.instance, registry_id="tcr-first", labels=[[("team", None)]]
    ),
    "a page of namespaces that a caller may see": lambda tx, s: namespaces.page(
        tx, s.instance, containing="", last="a", most=9, selection=SEEN
    ),
    "a page of repositories that a caller may see": lambda tx, s: repositories.page(
        tx, s.instance, last="a", most=9, selection=SEEN
    ),
    "a page of instances that a caller may see": lambda tx, s: instances.page(
        tx, "a", 9, instances.Listed((SEEN, SEEN), "local", labels=[("team", None)])
    ),
    "the number of instances that a caller may see": lambda tx, s: instances.count(
        tx, instances.Listed((SOME, SOME), registry_ids=["tcr-first"])
    ),
    "the namespaces of all instances": lambda tx, s: namespaces.everywhere(tx, "a/b", 9),
    "the namespaces that a caller may see": lambda tx, s: namespaces.everywhere(tx, "a/b", 9, selection=SEEN),
    "the number of namespaces that a caller may see": lambda tx, s: namespaces.count_everywhere(tx, SOME_PAIRS),
    "a blob that a caller may see": lambda tx, s: layers.find_held(
        tx, s.instance, "local", Digest.of(b"layer"), "", NOW, SEEN
    ),
    "the policies of an account": lambda tx, s: rights.documents(tx, s.account),
    "the policies of a group": lambda tx, s: rights.group_documents(tx, 1),
    "a page of policies": lambda tx, s: policy_documents.page(tx, last="a", most=9, containing="b", preset=False),
    "the versions of a policy": lambda tx, s: policy_documents.versions(tx, 1),
    "how many have policies": lambda tx, s: policy_documents.holders(tx, [1, 2]),
    "a page of groups": lambda tx, s: groups.page(tx, last="a", most=9, containing="b"),
    "labels": lambda tx, s: resource_tags.of(tx, ["instance/tcr-first", "repository/tcr-first/prod"]),
    "the number of referrers": lambda tx, s: artifacts.referrer_count(tx, s.repository, SUBJECT, "a/b"),
    "the sizes of manifests": lambda tx, s: artifacts.total_sizes(tx, s.repository, [DIGEST, SUBJECT]),
    "the platforms of a manifest": lambda tx, s: artifacts.platforms(tx, 1),
    "the missing layers of a manifest": lambda tx, s: artifacts.missing(tx, 1),
    "the members of an index": lambda tx, s: artifacts.members(tx, 1),
    "what would go with a repository": lambda tx, s: deletions.of_repository(tx, s.repository),
    "what would be freed with a manifest": lambda tx, s: deletions.freed_by_manifest(tx, s.repository, 1),
    "what would go with an instance": lambda tx, s: deletions.of_instance(tx, s.instance),
    "open uploads": lambda tx, s: deletions.open_uploads(tx, s.instance, 10),
    "any repository": lambda tx, s: deletions.any_repository(tx, s.instance),
    "the number of all namespaces": lambda tx, s: quotas.namespaces_of(tx, s.instance),
    "the number of private links": lambda tx, s: quotas.links_of(tx, s.instance),
    "what the addresses of links mean": lambda tx, s: links.gates(tx),
    "the links of instances": lambda tx, s: links.links(tx, [s.instance]),
    "all links": lambda tx, s: links.links(tx),
    "addresses that are left over": lambda tx, s: links.left_over(tx),
    "the number of all repositories": lambda tx, s: quotas.repositories_of(tx, s.instance),
    "the first instance": lambda tx, s: instances.began(tx),
    "names in a namespace": lambda tx, s: repositories.names_in(tx, s.namespace, 3),
    "a page of namespaces": lambda tx, s: namespaces.page(tx, s.instance, containing="", last="", most=10),
    "a page of credentials": lambda tx, s: credentials.page(tx, s.instance, "", 10),
    "a page of an account's credentials": lambda tx, s: credentials.page(tx, s.instance, "", 10, 0, s.account),
    "one credential": lambda tx, s: credentials.get(tx, s.instance, "first-credential"),
    "a page of users": lambda tx, s: users.page(tx, last="", most=10),
    "a user by name": lambda tx, s: users.get(tx, name="admin"),
    "a user by number": lambda tx, s: users.get(tx, uin="100"),
    "who logs in": lambda tx, s: users.factors(tx, name="admin"),
    "keys of an account": lambda tx, s: access_keys.of_account(tx, s.account),
    "some keys": lambda tx, s: access_keys.some(tx, ["a", "b"]),
    "a session": lambda tx, s: sessions.get(tx, "hash"),
    "sessions of an account": lambda tx, s: sessions.of_account(tx, s.account, 10),
    "a service account": lambda tx, s: service_accounts.get(tx, s.instance, "ci"),
    "a page of service accounts": lambda tx, s: service_accounts.page(tx, s.instance, last="", most=10),
    "the number of service accounts": lambda tx, s: service_accounts.count(tx, s.instance),
    "a page of the audit": lambda tx, s: audit.entries(tx, s.instance, 0, 10),
    **{
        f"the audit by {name}": (lambda tx, s, wanted=wanted: audit.search(tx, wanted, 0, 10))
        for name, wanted in AUDIT_SEARCHES.items()
    },
    "the rest of the audit": lambda tx, s: audit.search(tx, audit.Search(since=NOW), 7, 10),
    "a page of stored blobs": lambda tx, s: inventory.stored_blobs(tx, 0, 10),
    "a page of kept manifests": lambda tx, s: inventory.kept_manifests(tx, 0, 10),
    "the parts of a manifest": lambda tx, s: inventory.unusable_parts(tx, 1),
    "known digests": lambda tx, s: inventory.known_digests(tx, "local", [DIGEST, SUBJECT]),
    "blobs of a manifest": lambda tx, s: artifacts.held_blobs(tx, s.repository, "local", [DIGEST], NOW),
    "whether a manifest is tagged": lambda tx, s: artifacts.is_tagged(tx, 1),
    "whether a manifest is a member": lambda tx, s: artifacts.is_member(tx, s.repository, DIGEST),
    "whether there is a manifest": lambda tx, s: artifacts.any_manifest(tx, s.repository),
    "whether a client was here before": lambda tx, s: credentials.has_succeeded(tx, "100", "192.0.2.1"),
    "ended links": lambda tx, s: collection.has_ended_links(tx, NOW),
    "due blobs": lambda tx, s: collection.has_unheld(tx, NOW),
    "ended uploads": lambda tx, s: layers.expired_uploads(tx, NOW, 10),
    "known uploads": lambda tx, s: layers.known_uploads(tx, ["a", "b"]),
    "too many uploads": lambda tx, s: layers.too_many_uploads(tx, s.instance, 10),
    "an upload": lambda tx, s: layers.get_upload(tx, "session", s.instance, "prod/web"),
    "parts of an upload": lambda tx, s: layers.part_keys(tx, "session"),
    "a blob held elsewhere": lambda tx, s: layers.find_held(
        tx, s.instance, "local", Digest.of(b"layer"), "prod/web", NOW
    ),
    "a blob held anywhere": lambda tx, s: layers.find_held(tx, s.instance, "local", Digest.of(b"layer"), "", NOW),
}


async def _push(tx: Tx, scene: Scene) -> None:
    manifest, _ = await store_manifest(tx, scene.repository, b"layer", b"other", subject=b"subject")
    await artifacts.put_tag(tx, scene.repository, "latest", manifest, NOW)
    await artifacts.tag_target(tx, scene.repository, "latest")
    await layers.complete_sparse(tx, scene.repository, 1, Digest.of(b"sparse"))


async def _upload(tx: Tx, scene: Scene) -> None:
    await layers.begin_upload(tx, upload(scene.instance), NOW)
    begun = upload(scene.instance)
    await layers.advance(tx, begun, replace(begun, size=5, data=None), [(0, "key")])
    await layers.end_upload(tx, "session")


async def _sparse(tx: Tx, scene: Scene) -> None:
    await store_manifest(tx, scene.repository, b"layer", missing=(DIGEST,), body=b"sparse")
    await layers.complete_sparse(
        tx, scene.repository, await store_blob(tx, scene.repository, b"x"), Digest.parse(DIGEST)
    )


async def _unpush(tx: Tx, scene: Scene) -> None:
    manifest, _ = await store_manifest(tx, scene.repository, b"layer")
    await artifacts.put_tag(tx, scene.repository, "latest", manifest, NOW)
    await artifacts.remove_tag(tx, scene.repository, "latest")
    await artifacts.remove_manifest(tx, scene.repository, manifest, LATER)


async def _collect(tx: Tx, scene: Scene) -> None:
    await store_blob(tx, scene.repository, b"unnamed")
    assert await collection.drop_ended_links(tx, AFTER, AFTER, 10) == 1
    due, leaving = await collection.take_unheld(tx, AFTER, 10)
    assert (due, len(leaving)) == (1, 1)
    await collection.forget_blobs(tx, [blob.blob_id for blob in leaving])


async def _hidden(tx: Tx, scene: Scene) -> None:
    await repositories.ensure(tx, scene.instance, scene.namespace, "prod/half", visible=False, now=NOW)
    assert await collection.drop_hidden_repositories(tx, AFTER, 10) == 1
    await repositories.remove_hidden_of(tx, scene.namespace, NOW)


async def _release(tx: Tx, scene: Scene) -> None:
    blob = await store_blob(tx, scene.repository, b"unnamed")
    await inventory.quarantine(tx, blob, 0)
    assert await layers.release(tx, scene.repository, blob, NOW)


async def _remove_repository(tx: Tx, scene: Scene) -> None:
    await repositories.lock(tx, scene.repository)
    await repositories.remove(tx, scene.repository, NOW)


async def _audit(tx: Tx, scene: Scene) -> None:
    entry = audit.AuditEntry(1, NOW, "100", "::1", "api", "request", "tcr:Create", "a", "done", "{}")
    await audit.add_entries(tx, [entry])
    assert await audit.forget(tx, LATER, 10) == 1


async def _credentials(tx: Tx, scene: Scene) -> None:
    await credentials.modify(tx, scene.instance, "first-credential", enabled=False)
    await credentials.remove(tx, scene.instance, "first-credential")
    await credentials.count_failure(tx, "account:100", NOW, NOW)
    await credentials.forget_failures(tx, LATER, 10)
    await credentials.note_success(tx, "100", "192.0.2.1", NOW)
    await credentials.forget_successes(tx, LATER, 10)


async def _labels(tx: Tx, scene: Scene) -> None:
    await resource_tags.put(tx, "instance/tcr-first", {"team": "web"})
    await resource_tags.put(tx, "instance/tcr-first", {"team": "shop"})
    await resource_tags.remove(tx, "instance/tcr-first", ["team"])
    await resource_tags.remove(tx, "instance/tcr-first")
    await resource_tags.remove_under(tx, "repository/tcr-first")


async def _rights(tx: Tx, scene: Scene) -> None:
    await rights.begin_change(tx)
    policy = await policy_documents.add(tx, name="p", description="", document="{}", now=NOW)
    group = await groups.add(tx, "people", "", NOW)
    assert policy is not None and group is not None
    await groups.add_member(tx, group.id, scene.account)
    await groups.follow_claims(tx, scene.account, ["people"])
    await attachments.attach_to_account(tx, policy.id, scene.account, NOW)
    await attachments.attach_to_group(tx, policy.id, group.id, NOW)
    await policy_documents.add_version(tx, policy.id, "{}", NOW, in_force=True)
    await policy_documents.replace_document(tx, policy.id, 2, "{}", NOW)
    assert await policy_documents.remove_version(tx, policy.id, 1)
    await attachments.detach_from_account(tx, policy.id, scene.account)
    await attachments.detach_from_group(tx, policy.id, group.id)
    await groups.remove_member(tx, group.id, scene.account)
    await policy_documents.remove(tx, policy.id)
    await groups.remove(tx, group.id)


async def _remove_instance(tx: Tx, scene: Scene) -> None:
    await quotas.hold(tx, scene.instance)
    await instances.step(tx, scene.instance, ("Running",), status="Deleting")
    assert await deletions.remove_manifests(tx, scene.repository, 10) == 0
    assert await deletions.let_go(tx, scene.repository, NOW, 10) == 0
    await repositories.remove(tx, scene.repository, NOW)
    assert await deletions.remove_namespaces(tx, scene.instance, 10) == 1
    assert await deletions.remove_events(tx, scene.instance, 10) == 0
    assert await instances.by_id(tx, scene.instance, lock=True)
    assert await deletions.remove_instance(tx, scene.instance)


async def _users(tx: Tx, scene: Scene) -> None:
    made = await users.add(tx, owner_uin="100", name="a", remark="", password_hash="-", placeholder="?", now=NOW)
    assert made is not None
    await users.modify(tx, made.id, remark="x")
    await users.take_step(tx, made.id, 7)
    await access_keys.enable(tx, made.id, "AKID", enabled=False)
    await access_keys.remove(tx, made.id, "AKID")
    await access_keys.forget_temporary(tx, LATER, 10)
    await sessions.touch(tx, "hash", NOW)
    await sessions.remove(tx, made.id, "hash")
    await sessions.remove_of(tx, made.id, but="hash")
    await sessions.forget_ended(tx, LATER, 10)
    await users.remove(tx, made.id)


async def _service_accounts(tx: Tx, scene: Scene) -> None:
    await service_accounts.modify(tx, scene.instance, "ci", NOW, enabled=False)
    await service_accounts.remove(tx, scene.instance, "ci")


CHANGES: dict[str, Callable[[Tx, Scene], Awaitable[object]]] = {
    "a delivery enters": lambda tx, s: deliveries.enter(tx, delivery(s, 1)),
    "a lane is taken": lambda tx, s: deliveries.take_lane(tx, 1, 0, most=1, holder="h", now=NOW, until=LATER),
    "a lane is held": lambda tx, s: deliveries.hold(tx, 1, 0, "prod/web", "h"),
    "a lane is kept": lambda tx, s: deliveries.keep_lane(tx, 1, 0, "prod/web", None, LATER),
    "a lane ends": lambda tx, s: deliveries.end_lane(tx, 1, 0, "prod/web"),
    "a lane is stopped": lambda tx, s: deliveries.stop_lane(tx, 1, 0, "prod/web", NOW, 9),
    "a delivery has a state": lambda tx, s: deliveries.set_state(tx, 1, "finished", NOW),
    "a receiver is forgiven": lambda tx, s: deliveries.forgive(tx, 1, 0),
    "a receiver is paused": lambda tx, s: deliveries.set_target(tx, 1, 0, deliveries.Target(1, NOW, NOW)),
    "a trigger is marked": lambda tx, s: triggers.mark(tx, 1, NOW),
    "a trigger is unmarked": lambda tx, s: triggers.unmark(tx, 1),
    "old deliveries are forgotten": lambda tx, s: delivery_log.forget(tx, NOW, 10),
    "deliveries of gone triggers are forgotten": lambda tx, s: delivery_log.forget_gone(tx, 10),
    "a push": _push,
    "an upload": _upload,
    "a sparse push completed": _sparse,
    "a deletion": _unpush,
    "a collection": _collect,
    "hidden repositories": _hidden,
    "a blob released": _release,
    "a repository removed": _remove_repository,
    "credentials": _credentials,
    "labels": _labels,
    "rights": _rights,
    "the audit": _audit,
    "an instance removed": _remove_instance,
    "users": _users,
    "service accounts": _service_accounts,
}


def check(recorder: Recorder) -> None:
    assert recorder.seen
    for statement, steps in recorder.plans():
        walks = [
            step
            for step in steps
            if (found := re.match(r"SCAN (\w+)", step)) and found[1] not in SMALL and "CONSTANT" not in step
        ]
        assert not walks, f"{walks} in {' '.join(statement.split())}\n{steps}"
        assert not any("TEMP B-TREE FOR ORDER BY" in step for step in steps if "LIMIT" in statement), (
            statement,
            steps,
        )


@pytest.mark.parametrize("name", QUERIES)
async def test_a_question_is_answered_by_an_index(database: SqliteDatabase, scene: Scene, name: str) -> None:
    recorder = Recorder(database)
    sa.event.listen(database._engine, "before_cursor_execute", recorder.note)
    async with database.read() as tx:
        await QUERIES[name](Noting(tx, recorder), scene)
    check(recorder)


@pytest.mark.parametrize("name", AUDIT_SEARCHES)
async def test_a_page_of_the_audit_begins_where_the_last_one_ended(database: SqliteDatabase, name: str) -> None:
    """Within its index too: entries that earlier pages have shown are not gone through again."""
    recorder = Recorder(database)
    sa.event.listen(database._engine, "before_cursor_execute", recorder.note)
    async with database.read() as tx:
        await audit.search(Noting(tx, recorder), AUDIT_SEARCHES[name], 1000, 10)
    ways = [step for statement, steps in recorder.plans() if "occurred_at <" not in statement[:90] for step in steps]
    pages = [step for step in ways if "ix_audit_entries_occurred" not in step]
    assert len(pages) == 2 and all(re.search(r"(rowid|id)>\? AND (rowid|id)<\?", step) for step in pages), pages


@pytest.mark.parametrize("name", CHANGES)
async def test_a_change_finds_its_rows_by_an_index(database: SqliteDatabase, scene: Scene, name: str) -> None:
    recorder = Recorder(database)
    sa.event.listen(database._engine, "before_cursor_execute", recorder.note)
    async with database.write(durable=False) as tx:
        await CHANGES[name](tx, scene)
    check(recorder)


async def test_a_walk_would_be_seen(database: SqliteDatabase) -> None:
    recorder = Recorder(database)
    sa.event.listen(database._engine, "before_cursor_execute", recorder.note)
    async with database.read() as tx:
        await tx.all(sa.text("SELECT id FROM blobs WHERE size > 7"))
    with pytest.raises(AssertionError, match="SCAN blobs"):
        check(recorder)


async def test_the_owner_is_found_among_the_first(database: SqliteDatabase, scene: Scene) -> None:
    """The one walk there is: the owner is the first account ever made, so it ends at the first row."""
    async with database.read() as tx:
        owner = await accounts.owner(tx)
    assert owner is not None and owner.id == scene.account == 1
