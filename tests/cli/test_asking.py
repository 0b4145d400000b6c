"""Whatever cannot be undone is asked about first, by every command that does such a thing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from roadstead.cli.commands import app
from tests.cli.invoking import Ended, Invoke, ok, parsed

# Commands whose help begins like this take something away.
_TAKING = {"Delete", "Forget", "Take", "Remove"}
# What these take away is given back as easily, or would be gone a little later anyway.
_NOT_ASKING = {("group", "remove"), ("network", "deny"), ("policy", "detach"), ("storage", "collect"), ("logout",)}


def _all(command: object, *path: str) -> Iterator[tuple[tuple[str, ...], typer.core.TyperCommand]]:
    if isinstance(command, TyperGroup):
        for name, each in command.commands.items():
            yield from _all(each, *path, name)
    else:
        assert isinstance(command, typer.core.TyperCommand)
        yield path, command


_COMMANDS = dict(_all(typer.main.get_command(app())))
_ASKING = {words for words, each in _COMMANDS.items() if any("--yes" in parameter.opts for parameter in each.params)}


def test_what_takes_something_away_asks() -> None:
    taking = {words for words, each in _COMMANDS.items() if (each.help or "").split()[0] in _TAKING}
    taking |= {words for words in _COMMANDS if {"delete", "unlink", "remove-subnet"} & set(words)}
    assert taking - _NOT_ASKING == _ASKING
    examples = [_COMMANDS[words].epilog or "" for words in _ASKING]
    assert [each for each in examples if "--yes" not in each and "--dry-run" not in each] == []


@pytest.fixture
def held(invoke: Invoke, with_image: Path) -> Path:
    """A registry that holds one of what the commands below delete, under the name `xx` where it has one."""
    here = ("--data", with_image)
    for words in (
        ("namespace", "create", "xx"),
        ("user", "create", "xx"),
        ("group", "create", "xx"),
        ("policy", "create", "xx", "--template", "read-repository", "--on", "xx/xx"),
        ("policy", "attach", "xx", "--user", "xx"),
        ("trigger", "create", "xx", "--namespace", "xx", "--url", "https://deploy.example.com/"),
        ("instance", "create", "xxxxx"),
    ):
        ok(invoke(*words, *here))
    return with_image


_ASKED = {
    ("instance", "delete"): (("xxxxx",), "0 namespaces, 0 repositories, 0 images (0 tags), "),
    ("namespace", "delete"): (("xx",), "namespace xx with its settings and triggers"),
    ("credential", "delete"): (("xx",), "refused from then on"),
    ("repository", "delete"): (("library/app",), "1 image (1 tag), "),
    ("tag", "delete"): (("library/app", "v1"), "library/app:v1"),
    ("chart", "delete"): (("library/demo", "0.1.0"), "0.1.0 of library/demo"),
    ("network", "unlink"): (("vpc-lab", "subnet-a"), "its address is given back"),
    ("vpc", "delete"): (("vpc-lab",), "vpc-lab"),
    ("vpc", "remove-subnet"): (("subnet-a",), "subnet-a"),
    ("tls", "delete"): (("k3f9w2m8",), "with its key"),
    ("domain", "delete"): (("images.example.com",), "images.example.com"),
    ("group", "delete"): (("xx",), "It has 0 members"),
    ("policy", "delete"): (("xx",), "It has 1 holder"),
    ("user", "delete"): (("xx",), "credentials, keys and logins"),
    ("key", "delete"): (("AKID3f9k2m8x1c7v5b0n4q6w",), "AKID3f9k2m8x1c7v5b0n4q6w"),
    ("serviceaccount", "delete"): (("xx",), "refused from then on"),
    ("trigger", "delete"): (("xx", "--namespace", "xx"), "with its log"),
}


def test_without_a_yes_nothing_goes(
    invoke: Invoke, held: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert set(_ASKED) == _ASKING
    for words, (subject, said) in _ASKED.items():
        for answer, why in (("", "--yes answers beforehand"), ("n\n", "Aborted")):
            ended = _answered(invoke, monkeypatch, tmp_path, answer, *words, *subject, "--json", "--data", held)
            assert (ended.code, ended.out) == (1, ""), ended
            assert said in ended.err and "[y/N]" in ended.err and why in ended.err, ended
    here = ("--json", "--data", held)
    assert {each["RegistryName"] for each in parsed(invoke("instance", "list", *here))} == {"default", "xxxxx"}
    for group, name in (("user", "Name"), ("group", "GroupName"), ("policy", "PolicyName"), ("trigger", "Name")):
        assert "xx" in {each[name] for each in parsed(invoke(group, "list", *here))}
    assert {each["Name"] for each in parsed(invoke("namespace", "list", *here))} == {"library", "xx"}
    assert [each["ImageVersion"] for each in parsed(invoke("tag", "list", "library/app", *here))] == ["v1"]


def test_a_yes_on_standard_input_counts(
    invoke: Invoke, held: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ended = _answered(invoke, monkeypatch, tmp_path, "y\n", "group", "delete", "xx", "--data", held)
    assert (ended.code, ended.out) == (0, "Group xx deleted.\n")


def _answered(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, folder: Path, answer: str, *words: str | Path
) -> Ended:
    (folder / "typed").write_text(answer)
    with (folder / "typed").open() as typed:
        monkeypatch.setattr(sys, "stdin", typed)
        return invoke(*words)
