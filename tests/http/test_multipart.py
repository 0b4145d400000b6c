"""Forms with files: what curl, Go and Python send is read, and what is cut off is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadstead.errors import InvalidInput
from roadstead.http.multipart import form

KIND = "multipart/form-data; boundary=xx"


def part(name: str, content: bytes, boundary: str = "xx") -> bytes:
    """One field of a form."""
    return b'--%b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % (
        boundary.encode(),
        name.encode(),
        content,
    )


@given(st.binary(max_size=60).filter(lambda data: b"--xx" not in data), st.binary(max_size=20))
def test_fields_come_back_as_they_were_sent(first: bytes, second: bytes) -> None:
    second = second.replace(b"--xx", b"")
    body = part("chart", first) + part("prov", second) + part("chart", b"late") + b"--xx--\r\n"
    assert form(KIND, body) == {"chart": first, "prov": second}


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", part("a", b"b") + b"--xx--"),
        (KIND, b""),
        (KIND, part("a", b"b")),
        (KIND, b"--xx\r\n\r\nno name\r\n--xx--\r\n"),
        (KIND, part("a", b"b") * 30 + b"--xx--"),
    ],
)
def test_what_is_no_form_is_refused(kind: str, body: bytes) -> None:
    with pytest.raises(InvalidInput):
        form(kind, body)


def test_quoted_boundary_and_unquoted_name() -> None:
    body = b"--a b\r\ncontent-disposition: form-data; filename=x; name=chart\r\n\r\nhere\r\n--a b--\r\n"
    assert form('multipart/form-data; boundary="a b"', body) == {"chart": b"here"}


@given(st.binary(max_size=200))
def test_any_body_is_read_or_refused(body: bytes) -> None:
    try:
        form(KIND, b"--xx\r\n" + body)
    except InvalidInput:
        return
