"""Settings: where each may be written, which wins, and what is said of one that cannot be taken."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec
import pytest

from roadstead.config import Settings, load, variables
from roadstead.errors import StartRefused

ALL = variables()
KINDS = {variable: kind for variable, (_, _, kind) in ALL.items()}


def marks(variable: str) -> msgspec.Meta:
    """What the setting's declaration says besides its type."""
    section, name, _ = ALL[variable]
    owner = get_type_hints(Settings)[section] if section else Settings
    (mark,) = get_type_hints(owner, include_extras=True)[name].__metadata__
    assert isinstance(mark, msgspec.Meta)
    return mark


def least(variable: str) -> int:
    smallest = marks(variable).ge
    assert isinstance(smallest, int), "a number without a least value"
    return smallest


def sample(variable: str) -> tuple[str, Any]:
    """A legal text for the variable, and the value it stands for."""
    kind = KINDS[variable]
    if kind is bool:
        return "yes", True
    if kind is int:
        return str(least(variable) + 1), least(variable) + 1
    if get_origin(kind) is Literal:
        return get_args(kind)[-1], get_args(kind)[-1]
    if get_origin(kind) is tuple:
        return "one, ,two,", ("one", "two")
    return "some-text", "some-text"


def value(settings: Settings, section: str | None, name: str) -> Any:
    return getattr(getattr(settings, section) if section else settings, name)


def refused(**how: Any) -> str:
    with pytest.raises(StartRefused) as caught:
        load(**{"environment": {}, **how})
    assert "\n" not in caught.value.message
    return caught.value.message


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    return tmp_path / "roadstead.toml"


def test_without_anything_the_defaults_hold() -> None:
    assert load(environment={}) == Settings()
    assert load(environment={"PATH": "/bin", "roadstead_data": "x"}) == Settings()


@pytest.mark.parametrize("variable", ALL)
def test_every_setting_can_be_a_variable(variable: str) -> None:
    section, name, _ = ALL[variable]
    text, wanted = sample(variable)
    if name == "listen":
        text = wanted = "[::1]:80"
    assert variable == "_".join(["ROADSTEAD", *([section] if section else []), name]).upper()
    assert value(load(environment={variable: text}), section, name) == wanted


@pytest.mark.parametrize("variable", ALL)
def test_every_setting_can_stand_in_the_file(variable: str, toml: Path) -> None:
    section, name, _ = ALL[variable]
    _, wanted = sample(variable)
    if name == "listen":
        wanted = ":0"
    line = f"{name} = {str(wanted).lower() if isinstance(wanted, bool) else msgspec.json.encode(wanted).decode()}"
    toml.write_text(f"[{section}]\n{line}\n" if section else line)
    assert value(load(toml, environment={}), section, name) == wanted


@pytest.mark.parametrize("variable", ALL)
def test_every_setting_is_described(variable: str) -> None:
    assert len(marks(variable).description or "") > 10


def test_variables_win_over_the_file_and_options_over_both(toml: Path) -> None:
    toml.write_text('data = "file"\nregion = "file"\nlisten = ":1"\n[limits]\npage = 1\nuploads = 1\n')
    environment = {"ROADSTEAD_REGION": "variable", "ROADSTEAD_LISTEN": ":2", "ROADSTEAD_LIMITS_PAGE": "2"}
    settings = load(toml, environment, {"listen": ":3", "data": None})
    assert (settings.data, settings.region, settings.listen) == ("file", "variable", ":3")
    assert (settings.limits.page, settings.limits.uploads) == (2, 1)


def test_without_being_told_otherwise_the_process_environment_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROADSTEAD_REGION", "from-the-process")
    assert load().region == "from-the-process"


@pytest.mark.parametrize("text", ["1", "true", "True", "yes", "YES"])
def test_yes(text: str) -> None:
    assert load(environment={"ROADSTEAD_LOG_REQUESTS": text}).log_requests is True


@pytest.mark.parametrize("text", ["0", "false", "False", "no"])
def test_no(text: str) -> None:
    assert load(environment={"ROADSTEAD_NETWORK_LOOPBACK": text}).network.loopback is False


@pytest.mark.parametrize("variable", [name for name, kind in KINDS.items() if kind is bool])
@pytest.mark.parametrize("text", ["", "maybe", "2", "on"])
def test_neither_yes_nor_no(variable: str, text: str) -> None:
    assert variable in refused(environment={variable: text})


@pytest.mark.parametrize("variable", [name for name, kind in KINDS.items() if kind is int])
def test_no_number_or_one_too_small(variable: str) -> None:
    section, name, _ = ALL[variable]
    for text in ("", "many", "1.5", "1e3", "0x10"):
        assert variable in refused(environment={variable: text})
    smallest = least(variable)
    assert name in refused(environment={variable: str(smallest - 1)})
    assert value(load(environment={variable: str(smallest)}), section, name) == smallest


@pytest.mark.parametrize("variable", [name for name, kind in KINDS.items() if get_origin(kind) is Literal])
def test_a_word_that_is_no_choice(variable: str) -> None:
    assert ALL[variable][1] in refused(environment={variable: "nonsense"})


@pytest.mark.parametrize("variable", ALL)
def test_a_value_of_another_type_in_the_file(variable: str, toml: Path) -> None:
    section, name, _ = ALL[variable]
    for wrong in ("[1]", "1979-05-27", "{ a = 1 }"):
        toml.write_text(f"{f'[{section}]' if section else ''}\n{name} = {wrong}\n")
        message = refused(file=toml)
        assert name in message


@pytest.mark.parametrize("variable", ["ROADSTEAD_", "ROADSTEAD_LIMIT_PAGE", "ROADSTEAD_STORAGE", "ROADSTEAD_PORT"])
def test_a_variable_that_is_no_setting(variable: str) -> None:
    message = refused(environment={variable: "1"})
    assert message.startswith(variable) and "docs/reference/settings.md" in message


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("colour = 1", "colour"),
        ("[limits]\npages = 1", "pages"),
        ("[colours]\nred = 1", "colours"),
        ("limits = 3", "limits"),
        ("data", "roadstead.toml"),
        ("data = 'a'\ndata = 'b'", "roadstead.toml"),
    ],
)
def test_a_file_with_something_else_in_it(text: str, names: str, toml: Path) -> None:
    toml.write_text(text)
    assert names in refused(file=toml)


def test_a_section_that_is_no_table_with_a_variable_of_it(toml: Path) -> None:
    toml.write_text("limits = 3")
    assert "limits" in refused(file=toml, environment={"ROADSTEAD_LIMITS_PAGE": "7"})


def test_a_file_that_cannot_be_read(tmp_path: Path, toml: Path) -> None:
    assert str(tmp_path / "missing.toml") in refused(file=tmp_path / "missing.toml")
    assert str(tmp_path) in refused(file=tmp_path)
    toml.write_bytes(b"data = '\xff'")
    assert str(toml) in refused(file=toml)


@pytest.mark.parametrize(
    ("listen", "host", "port"),
    [
        ("0.0.0.0:5000", "0.0.0.0", 5000),
        ("127.0.0.1:0", "127.0.0.1", 0),
        (":5000", "", 5000),
        ("[::1]:65535", "::1", 65535),
        ("[::]:80", "::", 80),
        ("localhost:80", "localhost", 80),
    ],
)
def test_listen(listen: str, host: str, port: int) -> None:
    assert load(environment={"ROADSTEAD_LISTEN": listen}).address == (host, port)


@pytest.mark.parametrize(
    "listen", ["", "5000", "localhost", "localhost:", "a:b", ":-1", ":65536", ":1_0", ": 80", ":٨٠"]
)
def test_listen_without_a_port(listen: str) -> None:
    message = refused(environment={"ROADSTEAD_LISTEN": listen})
    assert "listen must be HOST:PORT" in message and repr(listen) in message


def test_the_folder_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load(environment={"ROADSTEAD_DATA": "here"}).folder == tmp_path / "here"
    assert load(options={"data": "/elsewhere"}, environment={}).folder == Path("/elsewhere")


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Settings().data = "x"  # type: ignore[misc]
