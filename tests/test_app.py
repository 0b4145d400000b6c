"""The composition root: what does not work is told in one line, before anything is left open."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from roadstead.app import open_context, work_off
from roadstead.config import Network, Settings, Storage
from roadstead.errors import StartRefused
from roadstead.services.link_keeping import LinkKeeper


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"network": Network(proxies=("192.0.2.1", "proxy.test"))}, "network.proxies: 'proxy.test'"),
        ({"data": "/dev/null/x"}, "cannot write to the data folder /dev/null/x"),
        ({"secret_key": "short"}, "secret_key"),
        ({"database": "mysql://x/y"}, "only postgresql://"),
    ],
)
async def test_a_setting_that_cannot_be_used(tmp_path: Path, settings: dict[str, object], says: str) -> None:
    chosen: dict[str, object] = {"data": str(tmp_path), "storage": Storage(kind="memory"), **settings}
    with pytest.raises(StartRefused) as caught:
        async with open_context(Settings(**chosen)):  # type: ignore[arg-type]
            pytest.fail("it started")
    assert says in caught.value.message
    assert "\n" not in caught.value.message


async def test_a_context_can_be_opened_again_after_it_was_closed(tmp_path: Path) -> None:
    settings = Settings(data=str(tmp_path), storage=Storage(kind="memory"))
    for _ in range(2):
        async with open_context(settings) as ctx:
            assert set(ctx.stores) == {settings.region}
            assert ctx.clock().utcoffset() is not None
            assert ctx.jobs.names


async def test_who_only_works_jobs_off_keeps_no_private_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody would be heard at an address that such a process has put on its host."""

    async def keep(*_: object) -> None:
        pytest.fail("it kept them")

    monkeypatch.setattr(LinkKeeper, "keep", keep)
    monkeypatch.setattr("roadstead.app._LINK_SECONDS", 0)
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(0.1, stop.set)
    await work_off(Settings(data=str(tmp_path), storage=Storage(kind="memory")), stop)
