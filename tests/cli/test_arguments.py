"""Words of a command line as the request that they say."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import pytest

from roadstead.cli.arguments import request_tree
from roadstead.errors import InvalidInput


@pytest.mark.parametrize(
    ("words", "tree"),
    [
        ([], {}),
        (["Name=web"], {"Name": "web"}),
        (["Name="], {"Name": ""}),
        (["Name=a=b"], {"Name": "a=b"}),
        (["Count:=5", "Public:=true", "Free:=null"], {"Count": 5, "Public": True, "Free": None}),
        (["A.B.C=x", "A.B.D=y"], {"A": {"B": {"C": "x", "D": "y"}}}),
        (
            ["Filters.0.Name=a", "Filters.0.Values.0=b", "Filters.0.Values.1=c", "Filters.1.Name=d"],
            {"Filters": [{"Name": "a", "Values": ["b", "c"]}, {"Name": "d"}]},
        ),
        (["Filters:=[{}]", "Filters.0.Name=a", "Filters.1:=5"], {"Filters": [{"Name": "a"}, 5]}),
        (["Tags.0=a", "Tags.0=b"], {"Tags": ["b"]}),
        (["Name=a", "Name=b"], {"Name": "b"}),
    ],
)
def test_words_become_a_request(words: list[str], tree: dict[str, Any]) -> None:
    assert request_tree(words) == tree


def test_files_and_standard_input_give_texts_and_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "text").write_text("# Title\n")
    (tmp_path / "list").write_text("[1, 2]")
    (tmp_path / "whole").write_text('{"Name": "a", "Other": "b"}')
    words = [f"@{tmp_path}/whole", "Name=c", f"Description=@{tmp_path}/text", f"Items:=@{tmp_path}/list"]
    assert request_tree(words) == {"Name": "c", "Other": "b", "Description": "# Title\n", "Items": [1, 2]}
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"Name": "d"}'))
    assert request_tree(["@-"]) == {"Name": "d"}


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("Name", "is not Name=text"),
        ("=text", "is not Name=text"),
        (":=5", "is not Name=text"),
        ("Count:={", "not JSON"),
        ("A..B=x", "empty part"),
        (".A=x", "empty part"),
        ("Filters.1=x", "in order"),
        ("Filters.99999999999=x", "in order"),
        ("Name=@/nowhere", "cannot read /nowhere"),
        ("@/nowhere", "cannot read /nowhere"),
    ],
)
def test_what_is_no_request_is_named(word: str, told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        request_tree([word])


@pytest.mark.parametrize("words", [["A=x", "A.B=y"], ["A.0=x", "A.B=y"], ["A.B=x", "A.B.0=y"]])
def test_a_place_inside_a_text_is_refused(words: list[str]) -> None:
    with pytest.raises(InvalidInput):
        request_tree(words)


def test_a_whole_request_must_be_an_object(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("[]")
    with pytest.raises(InvalidInput, match="JSON object"):
        request_tree([f"@{tmp_path}/list"])
