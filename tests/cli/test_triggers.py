"""Commands for triggers: what they print, and that it works."""

from __future__ import annotations

from pathlib import Path

from tests.cli.invoking import Invoke, fails, ok, parsed, table

URL = "http://127.0.0.1:9/push"


def test_triggers(invoke: Invoke, folder: Path) -> None:
    here = ("--data", folder)
    mine = ("--namespace", "library", *here)
    assert ok(invoke("trigger", "list", *here)).startswith("No triggers yet.")
    made = ("--url", URL, "--when", "web:v*", "--header", "X-Key: hush", "--secret", "s3cret", "--on", "pullImage")
    assert ok(invoke("trigger", "create", "deploy", *made, *mine)) == "Trigger deploy created (number 1).\n"
    heading, row = table(invoke("trigger", "list", *here))
    assert heading[:4] == ["NAME", "NUMBER", "NAMESPACE", "ENABLED"]
    assert row[:5] == ["deploy", "1", "library", "yes", "web:v*"]
    assert ok(invoke("trigger", "disable", "deploy", *mine)) == "Trigger deploy disabled.\n"
    assert ok(invoke("trigger", "modify", "1", "--name", "other", "--when", "", "--on", "pushImage", *mine))
    found = parsed(invoke("trigger", "show", "other", *mine))
    assert (found["Name"], found["Enabled"], found["Condition"], found["Signed"]) == ("other", False, "", True)
    assert found["Targets"] == [{"Address": URL, "Headers": [{"Key": "X-Key", "Values": ["hush"]}]}]
    assert ok(invoke("trigger", "enable", "other", *mine)) == "Trigger other enabled.\n"
    assert ok(invoke("trigger", "log", "other", *mine)) == "Nothing was delivered yet.\n"
    assert ok(invoke("trigger", "log", "other", "--status", "error", *mine)) == "No delivery is error.\n"
    fails(invoke("trigger", "log", "other", "--status", "failed", *mine), "--status is one of pending, running")
    fails(invoke("trigger", "test", *mine), "name a trigger, or an address with --url")
    assert ok(invoke("trigger", "send-again", "other", "--since", "24h", *mine)) == "0 sent again.\n"
    (tested,) = parsed(invoke("trigger", "test", "other", "--json", *mine))
    assert tested["Accepted"] is False and "outbound.allow" in tested["Error"]
    (tested,) = parsed(invoke("trigger", "test", "--url", URL, "--json", *here))
    assert tested["Status"] is None
    fails(invoke("trigger", "show", "nothing", *mine), "no trigger 'nothing'")
    assert parsed(invoke("trigger", "show", "other", *here))["NamespaceName"] == "library"
    assert ok(invoke("trigger", "send-again", "other", "--since", "24h", *here)) == "0 sent again.\n"
    invoke("namespace", "create", "shop", *here)
    ok(invoke("trigger", "create", "other", "--url", URL, "--namespace", "shop", *here))
    fails(invoke("trigger", "show", "other", *here), "in library, shop; name the namespace")
    ok(invoke("trigger", "delete", "--yes", "other", "--namespace", "shop", *here))
    fails(invoke("trigger", "create", "x", "--url", URL, "--header", "y", *mine), "Key: Value")
    fails(invoke("trigger", "create", "x", *mine), "--url")
    fails(invoke("trigger", "create", "x", "--url", URL, "--format", "xml", *mine), "--format")
    assert ok(invoke("trigger", "delete", "--yes", "other", *mine)) == "Trigger other deleted.\n"
    assert ok(invoke("trigger", "list", *here)).startswith("No triggers yet.")
