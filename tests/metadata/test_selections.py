"""What a caller may see, asked for in SQL on both databases, is what the selection says name by name."""

from __future__ import annotations

import pytest

from roadstead.domain.reach import EVERYTHING_SHOWN, Names, Selection
from roadstead.metadata import instances, namespaces, repositories
from roadstead.metadata.database import Database
from tests.domain.test_reach import selected
from tests.metadata.scene import NOW, instance, set_up

REPOSITORIES = [
    "prod/a",
    "prod/a_b",
    "prod/ab",
    "prod/web",
    "prod/web/api",
    "prod/web-2",
    "prod/web.old",
    "prod/x/web",
]
NAMESPACES = ["ab", "ac", "a.c", "prod", "prod-2"]
SELECTIONS = [
    EVERYTHING_SHOWN,
    Selection(Names()),
    Selection(Names(frozenset({"prod/a", "prod/none"}))),
    Selection(Names(starts=("prod/web/",))),
    Selection(Names(frozenset({"prod/web"}), ("prod/web/",))),
    Selection(Names(patterns=("*/web", "prod/a?b"))),
    Selection(Names(patterns=("prod/a_b",))),
    Selection(Names(starts=("",)), Names(frozenset({"prod/web"}))),
    Selection(Names(starts=("",)), Names(starts=("prod/web",))),
    Selection(Names(starts=("prod/",)), Names(patterns=("*-?", "*%*"))),
    Selection(Names(starts=("",)), Names(starts=("",))),
]


def written(selection: Selection) -> str:
    """The selection as a test's name: the same in every process, whatever the order of its sets."""
    return " but ".join(
        ",".join([*sorted(names.exact), *(f"{start}…" for start in names.starts), *names.patterns])
        for names in (selection.shown, selection.hidden)
    )


@pytest.mark.parametrize("selection", SELECTIONS, ids=written)
async def test_repositories_of_a_selection(database: Database, selection: Selection) -> None:
    scene = await set_up(database)
    async with database.write() as tx:
        for name in REPOSITORIES:
            await repositories.ensure(tx, scene.instance, scene.namespace, name, visible=True, now=NOW)
    async with database.read() as tx:
        rows = await repositories.page(tx, scene.instance, last="", most=99, selection=selection)
        count = await repositories.count(tx, scene.instance, selection=selection)
    wanted = [name for name in REPOSITORIES if selected(selection, name)]
    assert [row.name for row in rows] == sorted(wanted)
    assert count == len(wanted)


@pytest.mark.parametrize(
    "selection",
    [
        EVERYTHING_SHOWN,
        Selection(Names()),
        Selection(Names(frozenset({"prod"}), ("a",))),
        Selection(Names(starts=("",)), Names(frozenset({"prod"}), (), ("?c",))),
    ],
    ids=written,
)
async def test_namespaces_and_instances_of_a_selection(database: Database, selection: Selection) -> None:
    scene = await set_up(database)
    async with database.write() as tx:
        for name in NAMESPACES:
            await namespaces.add(tx, scene.instance, name, public=False, automatic_scan=False, now=NOW)
            await instances.add(tx, instance(f"its-{name.replace('.', '-x')}", name))
    async with database.read() as tx:
        rows = await namespaces.page(tx, scene.instance, containing="", last="", most=99, selection=selection)
        count = await namespaces.count(tx, scene.instance, selection=selection)
        found = await instances.page(tx, "", 99, instances.Listed((selection,)))
        either = instances.Listed((Selection(Names(frozenset({"ac"}))), selection))
        together = await instances.page(tx, "", 99, either)
        together_count = await instances.count(tx, either)
    wanted = sorted(name for name in NAMESPACES if selected(selection, name))
    assert [row.name for row in rows] == wanted
    assert count == len(wanted)
    assert sorted(row.registry_id for row in found if row.name != "first") == wanted
    assert sorted(row.registry_id for row in together if row.name != "first") == sorted({*wanted, "ac"})
    assert together_count == len(together)


PAIRS = [
    EVERYTHING_SHOWN,
    Selection(Names()),
    Selection(Names(frozenset({"tcr-first/prod", "tcr-two/ab", "tcr-first"}))),
    Selection(Names(starts=("tcr-first/a", "tcr-two/"))),
    Selection(Names(starts=("tcr-t",))),
    Selection(Names(patterns=("*/a?", "tcr-?wo/prod"))),
    Selection(Names(starts=("",)), Names(frozenset({"tcr-two/ab"}), ("tcr-first/p",), ("*/a.c",))),
    Selection(Names(starts=("",)), Names(starts=("tcr-two/",))),
]


@pytest.mark.parametrize("selection", PAIRS, ids=written)
async def test_namespaces_of_all_instances_of_a_selection(database: Database, selection: Selection) -> None:
    await set_up(database)
    async with database.write() as tx:
        assert await instances.add(tx, instance("two", "tcr-two"))
        for each in await instances.page(tx, "", 9):
            for name in NAMESPACES:
                await namespaces.add(tx, each.id, name, public=False, automatic_scan=False, now=NOW)
    async with database.read() as tx:
        rows = await namespaces.everywhere(tx, "", 99, selection=selection)
        count = await namespaces.count_everywhere(tx, selection)
        paged = [row.key for row in await namespaces.everywhere(tx, "", 3, selection=selection)]
        while more := await namespaces.everywhere(tx, paged[-1] if paged else "", 3, selection=selection):
            paged += [row.key for row in more]
        skipped = await namespaces.everywhere(tx, "", 99, skip=1, selection=selection)
    wanted = [f"{one}/{name}" for one in ("first", "two") for name in sorted(NAMESPACES)]
    wanted = [key for key in wanted if selected(selection, f"tcr-{key}")]
    assert [row.key for row in rows] == paged == wanted
    assert [row.key for row in skipped] == wanted[1:]
    assert count == len(wanted)
