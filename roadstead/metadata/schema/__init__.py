"""The tables, by subject. No relationships and no lazy loading: queries say what they read."""

from roadstead.metadata.schema.types import metadata

__all__ = ["load", "metadata"]


def load() -> None:
    """Every table is known to `metadata`, with all that creating it on either database needs."""
    from roadstead.metadata.schema import (
        access,
        charts,
        content,
        delivery,
        domains,
        jobs,
        networks,
        tenancy,
        triggers,
        usage,
    )

    assert all((access, charts, content, delivery, domains, jobs, networks, tenancy, triggers, usage))  # noqa: S101
    for table in metadata.tables.values():
        for index in table.indexes:
            if (condition := index.info.get("where")) is not None:
                index.dialect_options["postgresql"]["where"] = condition
