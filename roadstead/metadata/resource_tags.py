"""Key-value labels of instances and namespaces, under the path of the resource that carries them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from roadstead.metadata.database import Tx, insert
from roadstead.metadata.schema.tenancy import resource_tags

# A label that is looked for: its key, and its value or None for any.
Wanted = tuple[str, str | None]


async def of(tx: Tx, resources: Sequence[str]) -> dict[str, dict[str, str]]:
    """The labels of each of these resources, keys in order; resources without any are left out."""
    c = resource_tags.c
    rows = await tx.all(
        sa.select(c.resource, c.key, c.value).where(c.resource.in_(resources)).order_by(c.resource, c.key)
    )
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        found.setdefault(row.resource, {})[row.key] = row.value
    return found


async def put(tx: Tx, resource: str, labels: Mapping[str, str]) -> None:
    """The resource carries these labels, besides those of other keys that it had."""
    for key, value in labels.items():
        entering = insert(tx, resource_tags).values({"resource": resource, "key": key, "value": value})
        await tx.run(entering.on_conflict_do_update(index_elements=["resource", "key"], set_={"value": value}))


async def remove(tx: Tx, resource: str, keys: Sequence[str] | None = None) -> None:
    """The resource carries no label of these keys (None: of any)."""
    c = resource_tags.c
    statement = sa.delete(resource_tags).where(c.resource == resource)
    await tx.run(statement if keys is None else statement.where(c.key.in_(keys)))


async def remove_under(tx: Tx, path: str) -> None:
    """No resource whose path begins with `path` and a slash carries a label."""
    c = resource_tags.c
    # "0" is the character after the slash, so the range is all that begins with it.
    await tx.run(sa.delete(resource_tags).where(c.resource > f"{path}/", c.resource < f"{path}0"))


def carries(resource: sa.ColumnElement[str], wanted: Sequence[Wanted]) -> sa.ColumnElement[bool]:
    """The resource of that path carries one of the labels."""
    c = resource_tags.c
    one_of = [c.key == key if value is None else sa.and_(c.key == key, c.value == value) for key, value in wanted]
    return sa.exists().where(c.resource == resource, sa.or_(sa.false(), *one_of))
