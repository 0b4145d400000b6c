"""Answers as the cloud's API writes them: the forms of time, and nothing of our own paging."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest

from roadstead.http import answers
from roadstead.http.answers import cloud_answer
from roadstead.services.operations import Done, PageAnswer, Wire
from roadstead.services.table import OPERATIONS

WHEN = datetime(2024, 12, 10, 14, 30, 36, 806284, tzinfo=UTC)


class RepositoryInfo(Wire, frozen=True, kw_only=True):
    """Named as a type whose fields have a row."""

    name: str
    creation_time: datetime
    update_time: datetime | None


class WebhookTriggerLog(Wire, frozen=True, kw_only=True):
    """Named as a type with a field that the cloud's API is not told."""

    id: int
    next_attempt_time: datetime


class Page(PageAnswer, frozen=True, kw_only=True):
    """A page of them."""

    repository_list: list[RepositoryInfo]
    made_at: datetime | None = None


def test_what_only_our_own_api_tells_is_left_out() -> None:
    assert cloud_answer(WebhookTriggerLog(id=1, next_attempt_time=WHEN)) == {"Id": 1}


def test_times_are_written_as_each_field_has_them() -> None:
    entry = RepositoryInfo(name="a/b", creation_time=WHEN, update_time=None)
    assert cloud_answer(Page(repository_list=[entry], total_count=7, last="a/b", made_at=WHEN)) == {
        "TotalCount": 7,
        "RepositoryList": [
            {"Name": "a/b", "CreationTime": "2024-12-10 14:30:36.806284 +0000 UTC", "UpdateTime": None}
        ],
        "MadeAt": "2024-12-10T14:30:36.806284Z",
    }


class RegistryInfo(Wire, frozen=True, kw_only=True):
    """Named as a type with a field that is never null."""

    created_at: datetime | None = None
    renewed_at: datetime | None = None


def test_a_time_that_is_not_there_is_null() -> None:
    assert cloud_answer(RegistryInfo()) == {"CreatedAt": None, "RenewedAt": None}
    assert cloud_answer(RegistryInfo(created_at=WHEN))["CreatedAt"] == "2024-12-10T22:30:36+08:00"


def test_the_service_of_accounts_has_a_form_of_its_own() -> None:
    assert cloud_answer(RegistryInfo(renewed_at=WHEN), "cam")["RenewedAt"] == "2024-12-10 22:30:36"


def _times(kind: Any, found: set[tuple[str, str]]) -> None:
    """All fields that can be a time, in the answer and inside."""
    kind = getattr(kind, "type", kind)
    for field in getattr(kind, "fields", ()):
        inner = getattr(field.type, "type", field.type)
        if any(isinstance(each, msgspec.inspect.DateTimeType) for each in getattr(inner, "types", [inner])):
            found.add((kind.cls.__name__, field.encode_name))
        _times(inner, found)
    for inner in (*getattr(kind, "types", ()), getattr(kind, "item_type", None)):
        if inner is not None:
            _times(inner, found)


def test_every_row_is_a_field_of_an_answer() -> None:
    found: set[tuple[str, str]] = set()
    for op in OPERATIONS.values():
        _times(msgspec.inspect.type_info(op.answer), found)
    assert set(answers._FORMS) <= found


def test_an_answer_without_content_is_empty() -> None:
    assert cloud_answer(Done()) == {}


@pytest.mark.parametrize(
    ("form", "written"),
    [
        ("_utc", "2024-12-10T14:30:36.806284Z"),
        ("_china", "2024-12-10T22:30:36+08:00"),
        ("_go", "2024-12-10 14:30:36.806284 +0000 UTC"),
        ("_account", "2024-12-10 22:30:36"),
        ("_day", "2024-12-10"),
    ],
)
@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=-7))])
def test_each_form(form: str, written: object, zone: timezone) -> None:
    assert getattr(answers, form)(WHEN.astimezone(zone)) == written


@pytest.mark.parametrize(
    ("microsecond", "written"),
    [(0, "14:30:36 +0000"), (500000, "14:30:36.5 +0000"), (1, "14:30:36.000001 +0000")],
)
def test_go_leaves_out_the_last_zeros(microsecond: int, written: str) -> None:
    assert written in answers._go(WHEN.replace(microsecond=microsecond))


def test_whole_seconds_have_no_fraction() -> None:
    assert answers._utc(WHEN.replace(microsecond=0)) == "2024-12-10T14:30:36Z"
