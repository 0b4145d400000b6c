"""Writes docs/reference from the code: settings, errors, commands, operations, events and jobs.

`make docs` runs it; a test compares the result with what is committed, so nothing stays undocumented.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
import typer
from typer.main import get_command

from roadstead import config, errors
from roadstead.app import QUEUES, job_table
from roadstead.cli.commands import app
from roadstead.services import events
from roadstead.services.cloud_actions import AREAS, PERSONAL, VERSIONS
from roadstead.services.openapi import document
from roadstead.services.operations import AnyOperation
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
        "`X-Request-Id`; errors carry it in `detail.request_id` too (`RequestId` at `/api/v1`). A refusal also says "
        "`gate`, `action`, `resource` and `reason`.",
        "",
        "| condition | HTTP | registry code | API code | meaning |",
        "|---|---|---|---|---|",
    ]
    # Conditions elsewhere are for one module alone and meet nobody.
    told = [kind for kind in errors.conditions().values() if kind.__module__.startswith(errors.__name__)]
    for error in sorted(told, key=lambda kind: (kind.status, kind.__name__)):
        meaning = (error.__doc__ or "").partition("\n")[0]
        lines.append(f"| {error.__name__} | {error.status} | `{error.oci}` | `{error.cloud}` | {meaning} |")
    return "\n".join([*lines, ""])


def commands_page() -> str:
    """All commands with their arguments, options and examples."""
    root = get_command(app())
    lines = [
        MADE,
        "# Commands",
        "",
        "`--data`, `--config`, `--instance`, `--server`, `--key` and `--json` may stand before or after any command "
        "but `serve`.",
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
    if children is None or path == "roadstead" or command.invoke_without_command:
        yield path, command
    for name, child in sorted((children or {}).items()):
        yield from _commands(f"{path} {name}", child)


def _parameter_line(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"- `{parameter.name.upper()}`: {parameter.help}"
    return f"- `{' / '.join([*parameter.opts, *parameter.secondary_opts])}`: {parameter.help}"


def operations_page() -> str:
    """All management operations by feature, with what they take, answer and may meet."""
    described = document(OPERATIONS.values(), "")
    schemas = described["components"]["schemas"]
    lines = [
        MADE,
        "# Operations",
        "",
        "The management operations, as every door offers them: `POST /api/v1/{Operation}` with JSON "
        "([how](../guide/api.md)), `roadstead call Operation Field=value`, and the cloud's own API. "
        "`/openapi.json` says the same to programs.",
        "",
    ]
    wires = {wire.__name__ for op in OPERATIONS.values() for wire in (op.request, op.answer)}
    for tag in described["tags"]:
        lines += [f"## {tag['name'].replace('_', ' ').capitalize()}", "", tag["description"], ""]
        for name, op in sorted(OPERATIONS.items()):
            told = described["paths"][f"/api/v1/{name}"]["post"]
            if told["tags"] == [tag["name"]]:
                lines += _operation_lines(op, told, schemas)
    lines += ["## Objects", "", "What fields hold.", ""]
    for name, schema in schemas.items():
        if name not in {*wires, "Problem"}:
            choices = [f"One of {', '.join(f'`{each}`' for each in schema['enum'])}."] if "enum" in schema else None
            lines += [f"### {name}", "", schema["description"], "", *(choices or _field_table(schema)), ""]
    return "\n".join(lines)


def _operation_lines(op: AnyOperation, told: dict[str, Any], schemas: dict[str, Any]) -> list[str]:
    lines = [f"### {op.name}", "", op.summary, "", told["description"], ""]
    lines += ["Request:", "", *_field_table(schemas[op.request.__name__], asked=True), ""]
    answer = schemas[op.answer.__name__]
    lines += ["Answer:", "", *_field_table(answer), ""] if answer["properties"] else ["Answer: an empty object.", ""]
    if op.raises:
        codes = ", ".join(f"`{kind.cloud}` ({kind.__name__})" for kind in op.raises)
        lines += [f"Errors: {codes}; and [those of every operation](errors.md).", ""]
    return lines


def _field_table(schema: dict[str, Any], *, asked: bool = False) -> list[str]:
    required = set(schema.get("required", ())) if asked else set()
    lines = ["| field | type | meaning |", "|---|---|---|"]
    for name, field in schema["properties"].items():
        must = ", required" if name in required else ""
        meaning = str(field.get("description", "")).replace("|", "\\|").replace("\n", " ")
        lines.append(f"| `{name}` | {_type_text(field)}{must} | {meaning} |")
    return lines


def _type_text(field: dict[str, Any]) -> str:
    """The type of a field with its limits, as people read it."""
    if "enum" in field:
        return " or ".join(f"`{value}`" if value != "" else "empty" for value in field["enum"])
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in field:
        return " or ".join(_type_text(each) for each in field["anyOf"] if each != {"type": "null"})
    if field.get("type") == "array":
        return f"list of {_type_text(field['items'])}"
    plain = {"string": "text", "integer": "number", "boolean": "yes/no", "object": "object", "null": "nothing"}
    text = "time" if field.get("format") == "date-time" else plain.get(field.get("type", ""), "anything")
    words = {
        "minimum": "from {}",
        "maximum": "to {}",
        "minLength": "from {} characters",
        "maxLength": "to {} characters",
    }
    limits = [words[key].format(field[key]) for key in words if key in field]
    return f"{text} {' '.join(limits)}".strip()


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
