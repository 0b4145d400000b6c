"""Commands for charts: what they print, and that it works."""

from __future__ import annotations

import asyncio
from pathlib import Path

from roadstead.app import open_context
from roadstead.config import Settings
from tests.cli.invoking import Invoke, fails, ok, parsed, table
from tests.factories.accounts import owner_asker
from tests.factories.charts import chart, upload_chart


def stock(folder: Path) -> None:
    """The registry has two versions of library/demo."""

    async def upload() -> None:
        async with open_context(Settings(data=str(folder))) as ctx:
            for version, values in (("0.1.0", "a: 1\n"), ("0.2.0", "a: 2\n")):
                files = {"values.yaml": values, "README.md": "# Demo", "templates/a.yaml": "kind: A\n"}
                await upload_chart(ctx, await owner_asker(ctx), "library", chart(version=version, files=files))

    asyncio.run(upload())


def test_charts(invoke: Invoke, folder: Path) -> None:
    here = ("--data", folder)
    assert ok(invoke("chart", "list", *here)).startswith("No charts yet.")
    stock(folder)
    heading, row = table(invoke("chart", "list", "--namespace", "library", *here))
    assert heading[:4] == ["NAME", "LATEST", "APP", "VERSIONS"]
    assert row[:3] == ["library/demo", "0.2.0", "2"]
    lines = table(invoke("chart", "versions", "library/demo", *here))
    assert [line[0] for line in lines] == ["VERSION", "0.2.0", "0.1.0"]
    shown = ok(invoke("chart", "show", "library/demo", "0.2.0", *here))
    assert all(
        part in shown for part in ("name: demo", "helm install demo oci://", "helm repo add", "# Demo", "a: 2")
    )
    assert parsed(invoke("chart", "show", "library/demo", "0.2.0", "--json", *here))["Values"] == "a: 2\n"
    listed = table(invoke("chart", "files", "library/demo", "0.2.0", *here))
    assert ["templates/a.yaml", "8"] in listed
    assert ok(invoke("chart", "files", "library/demo", "0.2.0", "templates/a.yaml", *here)) == "kind: A\n"
    assert "-a: 1\n+a: 2\n" in ok(invoke("chart", "diff", "library/demo", "0.1.0", "0.2.0", *here))
    assert "do not differ" in ok(invoke("chart", "diff", "library/demo", "0.1.0", "0.1.0", *here))
    gone = ok(invoke("chart", "delete", "--yes", "library/demo", "0.1.0", *here))
    assert gone == "0.1.0 of library/demo deleted.\n"
    fails(invoke("chart", "delete", "--yes", "library/demo", "0.1.0", *here), "no version '0.1.0'")
    assert ok(invoke("chart", "delete", "--yes", "library/demo", *here)) == "library/demo deleted.\n"
    assert ok(invoke("chart", "list", *here)).startswith("No charts yet.")
