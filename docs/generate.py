"""Writes docs/reference from the code: settings, errors, commands, operations, events and jobs.

`make docs` runs it; a test compares the result with what is committed, so nothing stays undocumented.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec
import typer
from typer.main import get_command

from roadstead import config, errors
from roadstead.app import QUEUES, job_table
from roadstead.cli.commands import app
from roadstead.services import events
from roadstead.services.cloud_actions import AREAS, PERSONAL, VERSIONS
from roadstead.services.table import OPERATIONS

FOLDER = Path(__file__).parent / "reference"
MADE = "<!-- Made by `make docs`; edit the code instead. -->\n"


def pages() -> dict[str, str]:
    """Every page of the reference, by file name."""
    return {
        "settings.md": settings_page(),
        "errors.md": errors_page(),
        "commands.md": commands_page(),
        "operations.md": operations_page(),
        "events.md": events_page(),
        "cloud-actions.md": cloud_actions_page(),
    }


def settings_page() -> str:
    """All settings with their variables, defaults and meanings."""
    lines = [
        MADE,
        "# Settings",
        "",
        "Given in a TOML file (`roadstead serve --config FILE`) or in the environment, which wins. A setting "
        "`limits.page` stands in the file as `page` under `[limits]`. Options of `roadstead serve` win over both.",
        "",
    ]
    groups: dict[str, list[tuple[str, str]]] = {}
    for variable, (section, name, _) in config.variables().items():
        groups.setdefault(section or "", []).append((name, variable))
    for section, entries in groups.items():
        holder = get_type_hints(config.Settings)[section] if section else config.Settings
        lines += [f"## {section or 'General'}", "", *([str(holder.__doc__), ""] if section else [])]
        lines += ["| setting | variable | default | meaning |", "|---|---|---|---|"]
        lines += [_setting_row(holder, section, name, variable) for name, variable in entries]
        lines.append("")
    return "\n".join(lines)


def _setting_row(holder: type[msgspec.Struct], section: str, name: str, variable: str) -> str:
    hint = get_type_hints(holder, include_extras=True)[name]
    meta = next(extra for extra in get_args(hint)[1:] if isinstance(extra, msgspec.Meta))
    field = next(found for found in msgspec.structs.fields(holder) if found.name == name)
    default = "" if field.default in {"", None} else f"`{field.default}`"
    shown = f"{section}.{name}" if section else name
    return f"| `{shown}` | `{variable}` | {default} | {meta.description} |"


def errors_page() -> str:
    """All conditions with their codes at each door."""
    lines = [
        MADE,
        "# Errors",
        "",
        "Every condition once, with its code in the registry protocol and in the management API. Each answer carries "
        "`X-Request-Id`; errors carry it in `detail.request_id` too.",
        "",
        "| condition | HTTP | registry code | API code | meaning |",
        "|---|---|---|---|---|",
    ]
    for error in sorted(_subclasses(errors.AppError), key=lambda kind: (kind.status, kind.__name__)):
        meaning = (error.__doc__ or "").partition("\n")[0]
        lines.append(f"| {error.__name__} | {error.status} | `{error.oci}` | `{error.cloud}` | {meaning} |")
    return "\n".join([*lines, ""])


def _subclasses(kind: type[errors.AppError]) -> Iterator[type[errors.AppError]]:
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield child
            yield from _subclasses(child)


def commands_page() -> str:
    """All commands with their arguments, options and examples."""
    root = get_command(app)
    lines = [
        MADE,
        "# Commands",
        "",
        "`--data`, `--config`, `--instance` and `--json` may stand before or after any command but `serve`.",
        "",
    ]
    for path, command in _commands("roadstead", root):
        text = " ".join((command.help or "").split())
        lines += [f"## `{path}`", "", text, ""]
        for parameter in command.params:
            if parameter.name != "help":
                lines.append(_parameter_line(parameter))
        example = (getattr(command, "epilog", None) or "").partition("Example: ")[2]
        lines += ["", *(["```", example, "```", ""] if example else [])]
    return "\n".join(lines)


def _commands(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", None)
    if children is None or path == "roadstead":
        yield path, command
    for name, child in sorted((children or {}).items()):
        yield from _commands(f"{path} {name}", child)


def _parameter_line(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"- `{parameter.name.upper()}`: {parameter.help}"
    return f"- `{' / '.join([*parameter.opts, *parameter.secondary_opts])}`: {parameter.help}"


def operations_page() -> str:
    """All management operations with their requests and answers."""
    lines = [MADE, "# Operations", "", "The management operations, as every door offers them.", ""]
    for name, op in sorted(OPERATIONS.items()):
        lines += [f"## {name}", "", op.summary, "", f"Permission `{op.action}` on `{op.resource}`.", ""]
        lines += ["Request:", "", *_fields(op.request), "", "Answer:", "", *(_fields(op.answer) or ["nothing"]), ""]
    return "\n".join(lines)


def _fields(kind: type[msgspec.Struct]) -> list[str]:
    return [
        f"- `{field.encode_name}` {_type_name(field.type)}{'' if field.required else ', optional'}"
        for field in msgspec.structs.fields(kind)
    ]


def _type_name(kind: Any) -> str:
    if get_origin(kind) is Annotated:
        return _type_name(get_args(kind)[0])
    if get_origin(kind) is list:
        return f"list of {_type_name(get_args(kind)[0])}"
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        inner = ", ".join(f"{field.encode_name} {_type_name(field.type)}" for field in msgspec.structs.fields(kind))
        return f"({inner})"
    if isinstance(kind, type):
        plain = {"str": "text", "int": "number", "bool": "yes/no", "NoneType": "nothing"}
        return plain.get(kind.__name__, kind.__name__)
    if get_origin(kind) is Literal:
        return " or ".join(f"`{option}`" for option in get_args(kind))
    return " or ".join(_type_name(option) for option in get_args(kind) if option is not type(None))


def cloud_actions_page() -> str:
    """Every action of the cloud's API with its state here."""
    actions = [action for area in AREAS for action in area.actions]
    answered = [action for action in actions if action in OPERATIONS]
    lines = [
        MADE,
        "# Actions of the cloud's API",
        "",
        f"Of the {len(actions)} actions that the cloud's registry service has for enterprise instances (`tcr`, "
        f"version {VERSIONS['tcr']}), {len(answered)} are answered. The others say `UnsupportedOperation` with what "
        "brings them. How to call them is told in the [guide](../guide/tccli-and-sdk.md).",
        "",
    ]
    for area in AREAS:
        lines += [f"## {area.name}", "", "| action | state |", "|---|---|"]
        lines += [f"| {action} | {_state(action, area.feature)} |" for action in area.actions]
        lines.append("")
    lines += [
        "## Personal edition",
        "",
        f"The {len(PERSONAL)} actions of the personal edition say `UnsupportedOperation`, and what does the same.",
        "",
        "| action | in an instance |",
        "|---|---|",
    ]
    lines += [f"| {action} | {hint or 'nothing'} |" for action, hint in PERSONAL.items()]
    for service in sorted(set(VERSIONS) - {"tcr"}):
        names = sorted(name for name, op in OPERATIONS.items() if op.service == service)
        lines += ["", f"## Service `{service}`, version {VERSIONS[service]}", ""]
        lines.append(", ".join(names) if names else "None yet.")
    return "\n".join([*lines, ""])


def _state(action: str, feature: str) -> str:
    if action in OPERATIONS:
        return f"[answered](operations.md#{action.lower()})"
    return f"comes with {feature}"


def events_page() -> str:
    """All events and jobs."""
    lines = [MADE, "# Events and jobs", "", "## Events", "", "| kind | action | meaning |", "|---|---|---|"]
    for kind in sorted(events.Event.__subclasses__(), key=lambda found: found.kind):
        lines.append(f"| `{kind.kind}` | `{kind.action}` | {(kind.__doc__ or '').partition(chr(10))[0]} |")
    lines += ["", "## Jobs", "", "| job | queue | at once | meaning |", "|---|---|---|---|"]
    table = job_table()
    for name in sorted(table.names):
        job = table.get(name)
        meaning = (job.body.__doc__ or "").partition("\n")[0]
        lines.append(f"| `{name}` | {job.queue} | {QUEUES[job.queue]} | {meaning} |")
    return "\n".join([*lines, ""])


def main() -> None:
    """The pages are written."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text)
        typer.echo(f"docs/reference/{name}")


if __name__ == "__main__":
    sys.exit(main())
