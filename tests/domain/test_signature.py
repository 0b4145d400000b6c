"""Signatures of the cloud's API: the worked example, what each form covers, and what cannot be one."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import replace
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadstead.domain.signature import (
    HeaderSignature,
    SignedRequest,
    parameter_source,
    read_header_signature,
    read_parameter_signature,
)
from roadstead.errors import AuthorizationInvalid

KEY = "localsecretkey"
BODY = (
    b'{"Registryids": ["tcr-local001"], "Limit": 20, "Filters": [{"Name": "RegistryName", "Values": ["demo"]}], '
    b'"AllRegion": true}'
)
WORKED = SignedRequest(
    "POST",
    "",
    {
        "content-type": "application/json",
        "host": "127.0.0.1:18099",
        "x-tc-action": "DescribeInstances",
        "x-tc-timestamp": "1795439454",
        "authorization": "TC3-HMAC-SHA256 Credential=AKIDlocaltest/2026-11-23/tcr/tc3_request, "
        "SignedHeaders=content-type;host, "
        "Signature=ca3778ab1538a23349ff6bee8ddc71a4fca08eea612e1e05496dd16392d51cf0",
    },
    BODY,
)


def with_header(request: SignedRequest, name: str, value: str) -> SignedRequest:
    return replace(request, headers={**request.headers, name: value})


def signed(request: SignedRequest, *names: str, lines: str, query: str = "", payload: bytes | None = None) -> str:
    """The Authorization header that a client sends, computed step by step as the API's description has it."""
    hashed = hashlib.sha256(request.body if payload is None else payload).hexdigest()
    canonical = f"{request.method}\n/\n{query}\n{lines}\n{';'.join(names)}\n{hashed}"
    text = (
        "TC3-HMAC-SHA256\n1795439454\n2026-11-23/tcr/tc3_request\n" + hashlib.sha256(canonical.encode()).hexdigest()
    )
    key = b"TC3" + KEY.encode()
    for part in (b"2026-11-23", b"tcr", b"tc3_request", text.encode()):
        key = hmac.new(key, part, hashlib.sha256).digest()
    return (
        "TC3-HMAC-SHA256 Credential=AKIDlocaltest/2026-11-23/tcr/tc3_request, "
        f"SignedHeaders={';'.join(names)}, Signature={key.hex()}"
    )


def test_the_worked_example_holds() -> None:
    signature = read_header_signature(WORKED)
    assert hashlib.sha256(BODY).hexdigest() == "4b8328510e57af093e66f5ecbf27a97de0850bd2ee5802a7d6624901edc5e720"
    assert (signature.secret_id, signature.service, signature.timestamp) == ("AKIDlocaltest", "tcr", 1795439454)
    assert signature.nonce == ""
    assert signature.holds(KEY)


@pytest.mark.parametrize(
    "changed",
    [
        replace(WORKED, body=BODY + b" "),
        replace(WORKED, method="GET"),
        with_header(WORKED, "host", "127.0.0.1:18098"),
        with_header(WORKED, "host", "http://127.0.0.1:18099"),
        with_header(WORKED, "content-type", "application/json; charset=utf-8"),
        with_header(WORKED, "x-tc-timestamp", "1795439455"),
        with_header(WORKED, "x-tc-content-sha256", "UNSIGNED-PAYLOAD"),
        with_header(WORKED, "authorization", WORKED.headers["authorization"][:-1] + "1"),
        with_header(WORKED, "authorization", WORKED.headers["authorization"][:-1]),
        with_header(WORKED, "authorization", WORKED.headers["authorization"].replace("/tcr/", "/cam/")),
        with_header(WORKED, "authorization", WORKED.headers["authorization"].replace("Signature=ca", "Signature=é")),
    ],
)
def test_a_changed_request_does_not_hold(changed: SignedRequest) -> None:
    assert not read_header_signature(changed).holds(KEY)


def test_another_key_does_not_hold() -> None:
    assert not read_header_signature(WORKED).holds(KEY + "x")
    assert not read_header_signature(WORKED).holds("")


def test_a_host_with_a_scheme_is_signed_as_it_was_sent() -> None:
    request = with_header(WORKED, "host", "http://127.0.0.1:8080")
    lines = "content-type:application/json\nhost:http://127.0.0.1:8080\n"
    header = signed(request, "content-type", "host", lines=lines)
    assert read_header_signature(with_header(request, "authorization", header)).holds(KEY)


def test_more_headers_may_be_signed_in_lower_case() -> None:
    lines = "content-type:application/json\nhost:127.0.0.1:18099\nx-tc-action:describeinstances\n"
    header = signed(WORKED, "content-type", "host", "x-tc-action", lines=lines)
    signature = read_header_signature(with_header(WORKED, "authorization", header))
    assert signature.signed_headers == ("content-type", "host", "x-tc-action")
    assert signature.holds(KEY)
    other = with_header(with_header(WORKED, "authorization", header), "x-tc-action", "DeleteInstance")
    assert not read_header_signature(other).holds(KEY)


def test_the_body_may_stay_unsigned() -> None:
    lines = "content-type:application/json\nhost:127.0.0.1:18099\n"
    header = signed(WORKED, "content-type", "host", lines=lines, payload=b"UNSIGNED-PAYLOAD")
    request = with_header(with_header(WORKED, "authorization", header), "x-tc-content-sha256", "UNSIGNED-PAYLOAD")
    assert read_header_signature(replace(request, body=b"anything")).holds(KEY)


def test_of_get_the_query_is_signed_as_it_was_sent() -> None:
    query = "Filters.0.Values.0=a%20b&Limit=20&Name=%E9%95%9C"
    request = replace(
        with_header(WORKED, "content-type", "application/x-www-form-urlencoded"), method="GET", body=b""
    )
    lines = "content-type:application/x-www-form-urlencoded\nhost:127.0.0.1:18099\n"
    header = signed(request, "content-type", "host", lines=lines, query=query)
    request = replace(with_header(request, "authorization", header), query=query)
    assert read_header_signature(request).holds(KEY)
    assert not read_header_signature(replace(request, query=query.replace("20", "21"))).holds(KEY)


def authorization(**parts: str) -> str:
    given = {
        "Credential": "AKIDlocaltest/2026-11-23/tcr/tc3_request",
        "SignedHeaders": "content-type;host",
        "Signature": "0" * 64,
    } | parts
    return "TC3-HMAC-SHA256 " + ", ".join(f"{name}={value}" for name, value in given.items())


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("", "is not signed"),
        ("Basic YTpi", "algorithm"),
        ("TC3-HMAC-SHA512 Credential=a", "algorithm"),
        ("TC3-HMAC-SHA256", "Credential"),
        ("TC3-HMAC-SHA256 nonsense", "Credential"),
        (authorization(Credential="AKIDlocaltest/2026-11-23/tcr"), "Credential"),
        (authorization(Credential="AKIDlocaltest/2026-11-23/tcr/tc4_request"), "Credential"),
        (authorization(Credential="AKID'test/2026-11-23/tcr/tc3_request"), "Credential"),
        (authorization(Credential="AKIDlocaltest/2026-11-23/TCR/tc3_request"), "Credential"),
        (authorization(Credential="AKIDlocaltest/２０２６-11-23/tcr/tc3_request"), "Credential"),
        (authorization(Credential="AKIDlocaltest/2026-11-24/tcr/tc3_request"), "date"),
        (authorization(SignedHeaders="host"), "content-type"),
        (authorization(SignedHeaders=""), "content-type"),
        (authorization(SignedHeaders="content-type;host;x-missing"), "x-missing"),
        (authorization(SignedHeaders=";".join(["content-type", "host", *["host"] * 60])), "SignedHeaders"),
    ],
)
def test_what_is_no_signature_is_named(header: str, said: str) -> None:
    with pytest.raises(AuthorizationInvalid, match=said):
        read_header_signature(with_header(WORKED, "authorization", header))


@pytest.mark.parametrize("time", ["", "-1", "1.5", "now", "１２３", "9" * 20, "253402300800"])
def test_a_time_that_is_none_is_refused(time: str) -> None:
    with pytest.raises(AuthorizationInvalid):
        read_header_signature(with_header(WORKED, "x-tc-timestamp", time))


@given(st.text(max_size=200), st.text(max_size=30))
def test_whatever_is_sent_is_refused_and_never_fails(header: str, time: str) -> None:
    request = with_header(with_header(WORKED, "authorization", f"TC3-HMAC-SHA256 {header}"), "x-tc-timestamp", time)
    try:
        signature: HeaderSignature = read_header_signature(request)
    except AuthorizationInvalid:
        return
    assert not signature.holds(KEY)


OLDER = {
    "Action": "DescribeInstances",
    "Version": "2019-09-24",
    "SecretId": "AKIDlocaltest",
    "Timestamp": "1795439454",
    "Nonce": "11886",
    "Filters.0.Values.0": "a b&c=é",
    "Some_Name": "x",
}
SOURCE = (
    "POST127.0.0.1:18099/?Action=DescribeInstances&Filters.0.Values.0=a b&c=é&Nonce=11886&SecretId=AKIDlocaltest"
    "&Some.Name=x&Timestamp=1795439454&Version=2019-09-24"
)


def older_signature(parameters: dict[str, str], hash_name: str, key: str = KEY) -> str:
    source = parameter_source("POST", "127.0.0.1:18099", parameters)
    return base64.b64encode(hmac.new(key.encode(), source.encode(), hash_name).digest()).decode()


def test_the_older_form_signs_all_parameters_unencoded() -> None:
    assert parameter_source("POST", "127.0.0.1:18099", {**OLDER, "Signature": "x"}) == SOURCE


@pytest.mark.parametrize(("method", "hash_name"), [("", "sha1"), ("HmacSHA1", "sha1"), ("HmacSHA256", "sha256")])
def test_the_older_form_holds_in_both_ways(method: str, hash_name: str) -> None:
    given = OLDER | ({"SignatureMethod": method} if method else {})
    given["Signature"] = older_signature(given, hash_name)
    request = replace(WORKED, body=urlencode(given).encode())
    signature = read_parameter_signature(request, given)
    assert signature.holds(KEY)
    assert not signature.holds("another key")
    assert (signature.nonce, signature.service, signature.timestamp) == ("11886", "", 1795439454)
    assert not read_parameter_signature(request, given | {"Action": "DeleteInstance"}).holds(KEY)
    assert not read_parameter_signature(request, given | {"More": "x"}).holds(KEY)


@pytest.mark.parametrize(
    "wrong",
    [
        {"SignatureMethod": "TC3-HMAC-SHA256"},
        {"SecretId": ""},
        {"SecretId": "a b"},
        {"Nonce": ""},
        {"Nonce": "one"},
        {"Timestamp": ""},
        {"Timestamp": "soon"},
    ],
)
def test_what_is_no_older_signature_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(AuthorizationInvalid):
        read_parameter_signature(WORKED, OLDER | wrong)
