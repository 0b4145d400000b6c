"""Which policies are in force for whom, and that every way to change that raises the revision of all it concerns."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest
import sqlalchemy as sa

from roadstead.metadata import accounts, attachments, groups, policy_documents, rights
from roadstead.metadata.database import Database, Tx
from roadstead.metadata.schema.tenancy import accounts as account_table
from tests.metadata.scene import LATER, NOW, set_up


@dataclass(frozen=True)
class Cast:
    """Who is there: one with a policy of its own, one by a group, one with neither."""

    owning: int
    member: int
    other: int
    group: int
    empty_group: int
    policy: int
    spare: int


async def cast(database: Database) -> Cast:
    await set_up(database)
    async with database.write() as tx:
        people = []
        for name in ("owning", "member", "other"):
            made = await accounts.add(
                tx, uin=f"2{len(people)}", owner_uin="100", name=name, password_hash="-", now=NOW
            )
            assert made is not None
            people.append(made.id)
        group, empty = await groups.add(tx, "people", "", NOW), await groups.add(tx, "nobody", "", NOW)
        policy = await policy_documents.add(tx, name="read", description="", document="one", now=NOW)
        spare = await policy_documents.add(tx, name="spare", description="", document="spare", now=NOW)
        assert group is not None and empty is not None and policy is not None and spare is not None
        await policy_documents.add_version(tx, policy.id, "two", NOW, in_force=False)
        await groups.add_member(tx, group.id, people[1])
        await attachments.attach_to_account(tx, policy.id, people[0], NOW)
        await attachments.attach_to_group(tx, policy.id, group.id, NOW)
    return Cast(*people, group.id, empty.id, policy.id, spare.id)


async def revisions(tx: Tx) -> dict[str, int]:
    rows = await tx.all(sa.select(account_table.c.name, account_table.c.policy_revision))
    return {row.name: row.policy_revision for row in rows}


Change = Callable[[Tx, Cast], Awaitable[object]]
BOTH, OWNING, MEMBER, OTHER, NONE = {"owning", "member"}, {"owning"}, {"member"}, {"other"}, set[str]()
CHANGES: dict[str, tuple[Change, set[str]]] = {
    "another version in force": (lambda tx, c: policy_documents.modify(tx, c.policy, LATER, version=2), BOTH),
    "another name": (lambda tx, c: policy_documents.modify(tx, c.policy, LATER, name="other"), BOTH),
    "another document": (lambda tx, c: policy_documents.replace_document(tx, c.policy, 1, "new", LATER), BOTH),
    "a version in force": (lambda tx, c: policy_documents.add_version(tx, c.policy, "3", LATER, in_force=True), BOTH),
    "a version": (lambda tx, c: policy_documents.add_version(tx, c.policy, "3", LATER, in_force=False), NONE),
    "no version 2": (lambda tx, c: policy_documents.remove_version(tx, c.policy, 2), NONE),
    "no policy": (lambda tx, c: policy_documents.remove(tx, c.policy), BOTH),
    "no policy that nobody has": (lambda tx, c: policy_documents.remove(tx, c.spare), NONE),
    "attached": (lambda tx, c: attachments.attach_to_account(tx, c.policy, c.other, LATER), OTHER),
    "attached again": (lambda tx, c: attachments.attach_to_account(tx, c.policy, c.owning, LATER), NONE),
    "detached": (lambda tx, c: attachments.detach_from_account(tx, c.policy, c.owning), OWNING),
    "detached where it is not": (lambda tx, c: attachments.detach_from_account(tx, c.policy, c.other), NONE),
    "attached to a group": (lambda tx, c: attachments.attach_to_group(tx, c.spare, c.group, LATER), MEMBER),
    "attached to an empty group": (
        lambda tx, c: attachments.attach_to_group(tx, c.spare, c.empty_group, LATER),
        NONE,
    ),
    "detached from a group": (lambda tx, c: attachments.detach_from_group(tx, c.policy, c.group), MEMBER),
    "a member": (lambda tx, c: groups.add_member(tx, c.group, c.other), OTHER),
    "a member again": (lambda tx, c: groups.add_member(tx, c.group, c.member), NONE),
    "no member": (lambda tx, c: groups.remove_member(tx, c.group, c.member), MEMBER),
    "no group": (lambda tx, c: groups.remove(tx, c.group), MEMBER),
    "a claim": (lambda tx, c: groups.follow_claims(tx, c.other, ["people", "unknown"]), OTHER),
    "no claims": (lambda tx, c: groups.follow_claims(tx, c.member, []), NONE),
    "a remark": (lambda tx, c: groups.modify(tx, c.group, remark="who reads"), NONE),
}


@pytest.mark.parametrize("name", CHANGES)
async def test_a_change_raises_the_revisions_of_those_it_concerns(database: Database, name: str) -> None:
    change, concerned = CHANGES[name]
    here = await cast(database)
    async with database.read() as tx:
        before = await revisions(tx)
    async with database.write() as tx:
        await rights.begin_change(tx)
        await change(tx, here)
    async with database.read() as tx:
        after = await revisions(tx)
    assert {who for who in before if after[who] > before[who]} == concerned


async def test_the_documents_in_force(database: Database) -> None:
    here = await cast(database)
    async with database.read() as tx:
        assert await rights.documents(tx, here.owning) == [("read", "one")]
        assert await rights.documents(tx, here.member) == [("read", "one")]
        assert await rights.documents(tx, here.other) == []
        assert await rights.group_documents(tx, here.group) == [("read", "one")]
        assert await rights.group_documents(tx, here.empty_group) == []
    async with database.write() as tx:
        await policy_documents.modify(tx, here.policy, LATER, version=2)
        await attachments.attach_to_account(tx, here.policy, here.member, NOW)
        await attachments.attach_to_group(tx, here.spare, here.group, NOW)
    async with database.read() as tx:
        # One that comes both ways counts once.
        assert await rights.documents(tx, here.member) == [("read", "two"), ("spare", "spare")]


async def test_claims_take_only_what_claims_gave(database: Database) -> None:
    here = await cast(database)
    async with database.write() as tx:
        await groups.follow_claims(tx, here.member, ["people", "nobody"])
        await groups.follow_claims(tx, here.other, ["people", "nobody"])
        await groups.add_member(tx, here.empty_group, here.other)
        for who in (here.member, here.other):
            await groups.follow_claims(tx, who, [])
        in_people = await groups.members(tx, here.group, last="", most=9)
        in_nobody = await groups.members(tx, here.empty_group, last="", most=9)
    assert [member.name for member in in_people] == ["member"]
    assert [member.name for member in in_nobody] == ["other"]


async def test_lists_of_who_has_what(database: Database) -> None:
    here = await cast(database)
    async with database.read() as tx:
        holders = await attachments.holders(tx, here.policy, last="", most=9)
        assert [(each.group, each.name) for each in holders] == [(False, "owning"), (True, "people")]
        rest = await attachments.holders(tx, here.policy, last=holders[0].key, most=9)
        assert rest == holders[1:]
        assert await attachments.holders(tx, here.policy, last="", most=9, group=False) == holders[:1]
        assert await attachments.holders(tx, here.policy, last="", most=9, skip=1) == holders[1:]
        assert await attachments.count_holders(tx, here.policy) == 2
        assert await attachments.count_holders(tx, here.policy, group=True) == 1
        assert await policy_documents.holders(tx, [here.policy, here.spare]) == {here.policy: 2}
        assert [each.name for each in await attachments.of_account(tx, here.owning, last="", most=9)] == ["read"]
        assert [each.name for each in await attachments.of_group(tx, here.group, last="", most=9)] == ["read"]
        assert await attachments.of_group(tx, here.group, last="read", most=9) == []
        assert [each.name for each in await groups.of_account(tx, here.member, last="", most=9)] == ["people"]
        assert [each.name for each in await groups.page(tx, last="", most=9)] == ["nobody", "people"]
        assert await groups.count(tx, containing="peop") == 1
        assert await groups.count_members(tx, group_id=here.group) == 1
        assert await groups.count_members(tx, account_id=here.member) == 1
        names = [each.name for each in await policy_documents.page(tx, last="", most=9)]
        assert names == ["read", "spare"]
        assert await policy_documents.count(tx, preset=True) == 0
        assert [each.version for each in await policy_documents.versions(tx, here.policy)] == [2, 1]
