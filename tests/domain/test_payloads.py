"""Bodies of deliveries, compared whole with what the cloud documents, and the signature."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadstead.domain.payloads import (
    CHART_KINDS,
    IMAGE_KINDS,
    KINDS,
    OPERATOR_FIELDS,
    Happening,
    Resource,
    body,
    check_operator,
    operator_text,
    signature,
)
from roadstead.errors import RuleInvalid

AT = datetime.fromtimestamp(1586774843, UTC)
DIGEST = "sha256:7ac7819e1523911399b798309025935a9968b277d86d50e5255465d6592c0266"
PUSH = Happening(
    kind="pushImage",
    event_id=7,
    at=AT,
    registry_id="tcr-3k9d2m7x",
    host="wcctest.example.com",
    scheme="https",
    repository="nginx/nginx",
    public=True,
    created_at=datetime.fromtimestamp(1586777885, UTC),
    resources=[Resource("v1", DIGEST)],
    operator="3211064422",
)


def sent(what: Happening, form: Any = "default") -> Any:
    return json.loads(body(what, form))


def test_a_push_is_told_in_the_documented_words_and_order() -> None:
    """The `Detail` of the official sample of DescribeWebhookTriggerLog, but for the host's name."""
    documented = (
        '{"type":"pushImage","occur_at":1586774843,"event_data":{"resources":[{"digest":"' + DIGEST + '","tag":"v1",'
        '"resource_url":"wcctest.example.com/nginx/nginx:v1"}],"repository":{"date_created":1586777885,'
        '"name":"nginx","namespace":"nginx","repo_full_name":"nginx/nginx","repo_type":"public"}},'
        '"operator":"3211064422"}'
    )
    assert body(PUSH, "default").decode() == documented


@pytest.mark.parametrize("kind", sorted(IMAGE_KINDS))
def test_image_events_are_alike(kind: str) -> None:
    assert sent(replace(PUSH, kind=kind)) == {**sent(PUSH), "type": kind}


def test_a_pull_by_digest_tells_the_digest() -> None:
    told = sent(replace(PUSH, kind="pullImage", resources=[Resource("", DIGEST)]))
    assert told["event_data"]["resources"] == [
        {"digest": DIGEST, "tag": "", "resource_url": f"wcctest.example.com/nginx/nginx@{DIGEST}"}
    ]


def test_a_deletion_tells_each_tag_and_no_date_when_the_repository_is_gone() -> None:
    gone = replace(PUSH, kind="deleteImage", created_at=None, resources=[Resource("1", "a"), Resource("2", "b")])
    data = sent(replace(gone, repository="team/shop/web", public=False))["event_data"]
    assert [each["tag"] for each in data["resources"]] == ["1", "2"]
    assert data["repository"] == {
        "name": "shop/web",
        "namespace": "team",
        "repo_full_name": "team/shop/web",
        "repo_type": "private",
    }


@pytest.mark.parametrize("kind", sorted(CHART_KINDS))
def test_chart_events_have_a_scheme_no_digest_and_no_date(kind: str) -> None:
    data = sent(replace(PUSH, kind=kind, repository="ns/web", resources=[Resource("1.2.3")]))["event_data"]
    assert data["resources"] == [
        {"tag": "1.2.3", "resource_url": "https://wcctest.example.com/chartrepo/ns/charts/web-1.2.3.tgz"}
    ]
    assert list(data["repository"]) == ["name", "namespace", "repo_full_name", "repo_type"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_cloud_event_has_what_the_specification_requires(kind: str) -> None:
    what = replace(PUSH, kind=kind)
    told = sent(what, "cloudevents")
    assert told | {"data": None} == {
        "specversion": "1.0",
        "id": "7",
        "source": "/instances/tcr-3k9d2m7x/repositories/nginx/nginx",
        "type": f"roadstead.{kind}",
        "subject": "nginx/nginx",
        "time": "2020-04-13T10:47:23Z",
        "datacontenttype": "application/json",
        "data": None,
    }
    assert told["data"] == {**sent(what)["event_data"], "operator": "3211064422"}


def test_the_operator_is_told_as_the_pattern_says() -> None:
    fields = {name: name.upper() for name in OPERATOR_FIELDS}
    assert operator_text("", fields) == "UIN"
    assert operator_text("{uin} at {address} ({door})", fields) == "UIN at ADDRESS (DOOR)"


@pytest.mark.parametrize("pattern", ["", "x", "{uin}", "{uin}{request_id} by {credential}"])
def test_patterns_for_the_operator(pattern: str) -> None:
    check_operator(pattern)


@pytest.mark.parametrize("pattern", ["{password}", "{", "}", "{uin", "{}", "{uin.x}", "{uin!r}", "x" * 201])
def test_patterns_for_the_operator_that_are_none(pattern: str) -> None:
    with pytest.raises(RuleInvalid, match="OperatorPattern"):
        check_operator(pattern)


@given(st.binary(min_size=1), st.integers(0, 2**40), st.binary())
def test_a_receiver_can_check_the_signature_by_the_header_alone(secret: bytes, at: int, content: bytes) -> None:
    time, _, mac = signature(secret, at, content).partition(",v1=")
    expected = hmac.digest(secret, time.removeprefix("t=").encode() + b"." + content, hashlib.sha256).hex()
    assert mac == expected and time == f"t={at}"


@given(st.text(), st.text(), st.lists(st.text(), max_size=4))
def test_bodies_are_json_whatever_names_hold(name: str, operator: str, tags: list[str]) -> None:
    what = replace(PUSH, repository=f"ns/{name}", operator=operator, resources=[Resource(tag, "d") for tag in tags])
    for form in ("default", "cloudevents"):
        sent(what, form)
