"""The policies in force for an account, and the revision by which every process notices that they changed.

An account's policies come from itself and its groups, so one change of a policy or a group changes what many
accounts may do. Each change raises the revision of all of them in its own transaction. Two changes that each see
only half of a path from account to policy could miss one another's accounts; they wait for one another instead.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from roadstead.metadata.database import Tx
from roadstead.metadata.schema.access import account_policies, group_policies, policies, policy_versions
from roadstead.metadata.schema.tenancy import accounts, group_members


async def documents(tx: Tx, account_id: int) -> Sequence[tuple[str, str]]:
    """Name and document in force of each policy of the account and its groups, in the order they were made."""
    own = sa.select(account_policies.c.policy_id).where(account_policies.c.account_id == account_id)
    by_group = (
        sa.select(group_policies.c.policy_id)
        .join(group_members, group_members.c.group_id == group_policies.c.group_id)
        .where(group_members.c.account_id == account_id)
    )
    return await _documents(tx, sa.or_(policies.c.id.in_(own), policies.c.id.in_(by_group)))


async def group_documents(tx: Tx, group_id: int) -> Sequence[tuple[str, str]]:
    """The same of the policies that a group has."""
    its = sa.select(group_policies.c.policy_id).where(group_policies.c.group_id == group_id)
    return await _documents(tx, policies.c.id.in_(its))


async def _documents(tx: Tx, which: sa.ColumnElement[bool]) -> Sequence[tuple[str, str]]:
    c = policy_versions.c
    in_force = sa.and_(c.policy_id == policies.c.id, c.version == policies.c.version)
    rows = await tx.all(
        sa.select(policies.c.name, c.document)
        .select_from(policies.join(policy_versions, in_force))
        .where(which)
        .order_by(policies.c.id)
    )
    return [(row.name, row.document) for row in rows]


async def begin_change(tx: Tx) -> None:
    """Other changes of rights wait until this transaction has ended."""
    first = sa.select(accounts.c.id).where(accounts.c.id > 0).order_by(accounts.c.id).limit(1)
    await tx.all(first.with_for_update(key_share=True))


async def account_changed(tx: Tx, account_id: int) -> None:
    """Every process will ask anew what the account may do."""
    await _raise_revision(tx, accounts.c.id == account_id)


async def group_changed(tx: Tx, group_id: int) -> None:
    """Every process will ask anew what the group's members may do."""
    members = sa.select(group_members.c.account_id).where(group_members.c.group_id == group_id)
    await _raise_revision(tx, accounts.c.id.in_(members))


async def policy_changed(tx: Tx, policy_id: int) -> None:
    """Every process will ask anew what the accounts may do that have the policy, themselves or by a group."""
    own = sa.select(account_policies.c.account_id).where(account_policies.c.policy_id == policy_id)
    by_group = (
        sa.select(group_members.c.account_id)
        .join(group_policies, group_policies.c.group_id == group_members.c.group_id)
        .where(group_policies.c.policy_id == policy_id)
    )
    await _raise_revision(tx, sa.or_(accounts.c.id.in_(own), accounts.c.id.in_(by_group)))


async def _raise_revision(tx: Tx, which: sa.ColumnElement[bool]) -> None:
    await tx.run(sa.update(accounts).where(which).values(policy_revision=accounts.c.policy_revision + 1))
