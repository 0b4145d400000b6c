"""Regions by name: the cloud's own numbers for its names, steady ones for any other."""

from __future__ import annotations

from roadstead.domain.regions import Region, region


def test_names_of_the_cloud_have_its_numbers() -> None:
    assert region("ap-guangzhou") == Region("ap-guangzhou", 1, "gz")
    assert region("ap-hongkong").number == 5


def test_other_names_have_numbers_of_their_own() -> None:
    names = ["local", "berlin", "berlin-2", "ap-guangzhou-2"]
    numbers = [region(name).number for name in names]
    assert len(set(numbers)) == len(names) and min(numbers) >= 10_000
    assert [region(name).number for name in names] == numbers
    assert region("berlin").alias == "berlin"
