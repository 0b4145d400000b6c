"""What requests and transfers pay, by a clock that tests turn."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roadstead.config import Rates
from roadstead.domain.identity import NOBODY, CredentialKind, Presented
from roadstead.domain.rates import Rate, RateLimits, Who, counted_as, rate_limits
from roadstead.errors import TooManyRequests
from roadstead.services.tolls import Toll, Tolls, TollTable

ALICE = Presented(CredentialKind.LONG_TERM, "100001", "c1")


class Clock:
    """Stands still until it is turned."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tolls(tmp_path: Path, clock: Clock) -> Tolls:
    return Tolls(tmp_path, Rates(burst_seconds=2, transfer_burst_seconds=1, longest_wait_seconds=10), clock)


def toll(tolls: Tolls, client: str = "192.0.2.1", number: int = 1, /, **rates: Rate) -> Toll:
    limits = RateLimits({Who(name): rate for name, rate in rates.items()})
    return tolls.toll(limits, number, client)


def admitted(made: Toll) -> bool:
    try:
        made.enter()
    except TooManyRequests:
        return False
    return True


def test_a_burst_and_then_the_rate(tolls: Tolls, clock: Clock) -> None:
    rate = Rate(requests=5)
    assert [admitted(toll(tolls, address=rate)) for _ in range(12)] == [True] * 10 + [False] * 2
    clock.now += 0.2
    assert [admitted(toll(tolls, address=rate)) for _ in range(2)] == [True, False]
    clock.now += 100
    assert sum(admitted(toll(tolls, address=rate)) for _ in range(12)) == 10


def test_a_refusal_says_when_to_try_again(tolls: Tolls, clock: Clock) -> None:
    slow = Rate(requests=1)
    for _ in range(2):
        toll(tolls, address=slow).enter()
    with pytest.raises(TooManyRequests, match=r"192\.0\.2\.1 may have 1 request a second") as caught:
        toll(tolls, address=slow).enter()
    assert caught.value.detail == {"gate": "limit", "limit": "address", "rate": "1 request"}
    clock.now += caught.value.retry_after
    toll(tolls, address=slow).enter()


def test_each_is_counted_apart(tolls: Tolls) -> None:
    rate = Rate(requests=1)
    for address, instance in [("192.0.2.1", 1), ("192.0.2.2", 1), ("192.0.2.1", 2), ("2001:db8::1", 1)]:
        made = [toll(tolls, address, instance, address=rate) for _ in range(3)]
        assert [admitted(each) for each in made] == [True, True, False], address
    # One subscriber's network.
    assert not admitted(toll(tolls, "2001:db8::ffff:1", address=rate))
    assert admitted(toll(tolls, "2001:db8:0:1::1", address=rate))


def test_a_refused_request_counts_for_nobody(tolls: Tolls) -> None:
    both = {"address": Rate(requests=1), "instance": Rate(requests=2)}
    assert [admitted(toll(tolls, "192.0.2.1", **both)) for _ in range(5)] == [True, True, False, False, False]
    assert [admitted(toll(tolls, "192.0.2.2", **both)) for _ in range(3)] == [True, True, False]


def test_a_credential_counts_once_a_request_wherever_it_is_used(tolls: Tolls) -> None:
    rate = Rate(requests=1)
    for number in range(2):
        made = toll(tolls, f"192.0.2.{number}", credential=rate)
        made.enter()
        for _ in range(5):
            made.known(ALICE)
    with pytest.raises(TooManyRequests, match="this credential may have"):
        toll(tolls, "192.0.2.9", credential=rate).known(ALICE)
    for _ in range(5):
        toll(tolls, credential=rate).known(NOBODY)


def test_transfers_wait_their_turn_and_share_it(tolls: Tolls, clock: Clock) -> None:
    rate = Rate(bytes=100_000)
    one, other = toll(tolls, instance=rate), toll(tolls, "192.0.2.2", instance=rate)
    assert one.bounds_bytes and one.piece == 16 << 10
    assert one.spend(100_000) == 0
    assert one.spend(50_000) == pytest.approx(0.5)
    assert other.spend(50_000) == pytest.approx(1.0)
    clock.now += 2
    assert other.spend(50_000) == 0
    assert not toll(tolls, instance=Rate(requests=1)).bounds_bytes


def test_new_transfers_are_refused_when_others_are_far_behind(tolls: Tolls, clock: Clock) -> None:
    made = toll(tolls, instance=Rate(bytes=100_000))
    made.spend(1_000_000)
    made.begin_transfer()
    made.spend(500_000)
    with pytest.raises(TooManyRequests, match="100000 bytes a second") as caught:
        made.begin_transfer()
    assert caught.value.retry_after == 5
    clock.now += 5
    made.begin_transfer()


def test_the_slowest_rate_holds(tolls: Tolls) -> None:
    made = toll(tolls, address=Rate(bytes=1 << 20), instance=Rate(bytes=1 << 30), credential=Rate(bytes=1 << 19))
    assert made.piece == (1 << 19) // 8
    assert made.spend(2 << 20) == pytest.approx(1)
    made.known(ALICE)
    assert made.spend(1 << 20) == pytest.approx(2)


def test_processes_of_one_folder_count_together(tmp_path: Path, clock: Clock) -> None:
    processes = [Tolls(tmp_path, Rates(burst_seconds=2), clock) for _ in range(3)]
    made = [admitted(toll(processes[number % 3], address=Rate(requests=3))) for number in range(9)]
    assert made == [True] * 6 + [False] * 3


def test_a_folder_that_cannot_be_shared_is_no_hindrance(tmp_path: Path, clock: Clock) -> None:
    table = TollTable(tmp_path / "nowhere")
    assert table.use(7, 2.0, clock()) == 2.0
    assert table.ahead(7, clock()) == 2.0


def test_numbers_of_another_clock_say_nothing(tmp_path: Path) -> None:
    table = TollTable(tmp_path)
    table.use(7, 5.0, 9_000_000.0)
    assert table.ahead(7, 1_000_000.0) == 0
    assert table.use(7, 1.0, 1_000_000.0) == 1.0


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 200), min_size=1, max_size=60))
def test_places_that_are_taken_lose_the_least(keys: list[int]) -> None:
    """However many keys share the places, the last used is known."""
    table = TollTable(Path("/nowhere"))
    for key in keys:
        before = table.ahead(key * (1 << 14), 0.0)
        assert table.use(key * (1 << 14), 1.0, 0.0) == table.ahead(key * (1 << 14), 0.0) == before + 1


@pytest.mark.parametrize(
    ("defaults", "own", "found"),
    [
        ({}, {}, None),
        ({"address_requests": 0, "burst_seconds": 10}, {}, None),
        ({"address_requests": 5}, {}, {Who.ADDRESS: Rate(5)}),
        ({"address_requests": 5}, {"address_requests": 0}, None),
        (
            {"address_requests": 5},
            {"address_requests": 9, "instance_bytes": 7},
            {"address": Rate(9), "instance": Rate(0, 7)},
        ),
        ({"credential_bytes": 5}, {"credential_requests": 3}, {"credential": Rate(3, 5)}),
    ],
)
def test_an_instances_own_rates_come_before_the_settings(
    defaults: dict[str, int], own: dict[str, int], found: dict[Who, Rate] | None
) -> None:
    limits = rate_limits(defaults, own)
    assert (None if limits is None else limits.rates) == found


def test_an_address_that_is_none_is_counted_as_it_is_written() -> None:
    assert counted_as("unknown") == "unknown"
    assert counted_as("::ffff:192.0.2.1") == "::ffff:192.0.2.1"
