"""Commands know how the registry of their data folder is served."""

from __future__ import annotations

from pathlib import Path

import pytest

from roadstead.cli.served import known, note
from roadstead.config import Outbound, Settings


@pytest.mark.parametrize(
    ("listen", "port", "address"),
    [
        ("127.0.0.1:0", 31001, ("127.0.0.1", 31001)),
        (":5000", 5000, ("", 5000)),
        ("[::1]:0", 31002, ("::1", 31002)),
    ],
)
def test_a_command_knows_the_port_that_was_served(
    listen: str, port: int, address: tuple[str, int], tmp_path: Path
) -> None:
    note(Settings(data=str(tmp_path), listen=listen), port)
    assert known(Settings(data=str(tmp_path))).address == address


def test_a_command_may_call_whom_the_server_may_unless_it_is_told_itself(tmp_path: Path) -> None:
    note(Settings(data=str(tmp_path), outbound=Outbound(allow=("10.0.0.0/8",))), 5000)
    assert known(Settings(data=str(tmp_path))).outbound.allow == ("10.0.0.0/8",)
    told = Settings(data=str(tmp_path), outbound=Outbound(allow=("127.0.0.1",)))
    assert known(told).outbound.allow == ("127.0.0.1",)


def test_what_cannot_be_read_tells_nothing(tmp_path: Path) -> None:
    (tmp_path / "served.json").write_bytes(b"{")
    settings = Settings(data=str(tmp_path))
    assert known(settings) == settings


def test_without_a_first_start_the_settings_hold(tmp_path: Path) -> None:
    settings = Settings(data=str(tmp_path), listen="192.0.2.1:7000")
    assert known(settings) == settings
