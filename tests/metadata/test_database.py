"""Both databases keep the one contract."""

from __future__ import annotations

from pathlib import Path

import pytest

from roadstead.config import Settings
from roadstead.errors import StartRefused
from roadstead.metadata.database import connect
from tests.contracts.database import DatabaseContract


class TestDatabase(DatabaseContract):
    """The fixture `database` is SQLite once and PostgreSQL once."""


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mysql://root@127.0.0.1/x", "only postgresql://"),
        ("sqlite:///x.db", "only postgresql://"),
        ("not a url", "not a URL"),
        ("postgresql://postgres@127.0.0.1:1/x", "cannot use the database 127.0.0.1:1/x"),
        ("postgresql://postgres:secret@127.0.0.1:1/x", "cannot use the database 127.0.0.1:1/x"),
        ("postgresql://postgres@no-such-host.invalid/x", "cannot use the database no-such-host.invalid:5432/x"),
    ],
)
async def test_a_database_out_of_reach_is_one_line_without_its_password(url: str, says: str) -> None:
    with pytest.raises(StartRefused) as caught:
        await connect(Settings(database=url))
    assert says in caught.value.message
    assert "\n" not in caught.value.message and "secret" not in caught.value.message


async def test_a_database_that_does_not_exist(postgres_url: str) -> None:
    with pytest.raises(StartRefused, match="cannot use the database") as caught:
        await connect(Settings(database=postgres_url + "_missing"))
    assert "does not exist" in caught.value.message


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "roadstead.db").write_bytes(b"something else entirely" * 100)
    with pytest.raises(StartRefused, match="not a database"):
        await connect(Settings(data=str(tmp_path)))


async def test_a_folder_where_none_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StartRefused, match="cannot open the database"):
        await connect(Settings(data=str(tmp_path / "file" / "below")))
    (tmp_path / "roadstead.db").mkdir()
    with pytest.raises(StartRefused, match="Is a directory"):
        await connect(Settings(data=str(tmp_path)))
