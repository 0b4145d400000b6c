"""One request to a receiver of a trigger: signed, sent through the guarded client, and told as the log keeps it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from roadstead.clients.outbound import Answer, Limits, check_url, place
from roadstead.domain.payloads import CONTENT_TYPES, signature
from roadstead.domain.receivers import Receiver
from roadstead.errors import OutboundFailed, OutboundRefused
from roadstead.services.context import Context

# How much of an answer's body is read and kept.
_ANSWER_BYTES = 2048
_HEAD_SHOWN = 4000
_ERROR_SHOWN = 1000
# Answers of something in front of a receiver that is away or has too much to do.
_AWAY = {429, 502, 503, 504}


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent, and how it is known."""

    uuid: str
    event: str
    format: str
    content: bytes
    # What it is signed with; empty: it is not.
    secret: bytes = b""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one request."""

    request: str
    milliseconds: int
    status: int | None = None
    answer: str = ""
    answer_body: str = ""
    error: str = ""

    @property
    def accepted(self) -> bool:
        """Whether the receiver has it."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def silent(self) -> bool:
        """Whether nobody was there to answer, so that another message would fare no better."""
        return self.status is None or self.status in _AWAY


async def post(ctx: Context, receiver: Receiver, message: Message) -> Outcome:
    """What came of sending the message, whatever it was."""
    own = _own_headers(ctx, message)
    request = _told(receiver, own)
    limits = Limits(ctx.settings.triggers.attempt_seconds, _ANSWER_BYTES, beginning=True)
    began = time.monotonic()
    try:
        answer = await ctx.outbound.ask(
            "POST",
            receiver.address,
            headers={**receiver.sent_headers(), **own},
            content=message.content,
            limits=limits,
        )
    except (OutboundFailed, OutboundRefused) as error:
        return Outcome(request, _milliseconds(began), error=_text(error.message, _ERROR_SHOWN))
    return _answered(request, _milliseconds(began), answer)


def _own_headers(ctx: Context, message: Message) -> Mapping[str, str]:
    headers = {
        "Content-Type": CONTENT_TYPES[message.format],
        "X-Roadstead-Delivery": message.uuid,
        "X-Roadstead-Event": message.event,
    }
    if message.secret:
        at = int(ctx.clock().timestamp())
        headers["X-Roadstead-Signature"] = signature(message.secret, at, message.content)
    return headers


def _told(receiver: Receiver, own: Mapping[str, str]) -> str:
    """The request's head without what its owner has written into headers and the query, which may be secret."""
    lines = [f"POST {place(receiver.address)}", *(f"{name}: {value}" for name, value in own.items())]
    lines += [f"{name}: ***" for name in receiver.sent_headers()]
    return _text("\n".join(lines), _HEAD_SHOWN)


def _answered(request: str, milliseconds: int, answer: Answer) -> Outcome:
    head = "\n".join(f"{name}: {value}" for name, value in answer.headers.items())
    redirect = 300 <= answer.status < 400
    return Outcome(
        request,
        milliseconds,
        status=answer.status,
        answer=_text(head, _HEAD_SHOWN),
        answer_body=_text(answer.body.decode(errors="replace"), _ANSWER_BYTES),
        error="redirects are not followed" if redirect else "",
    )


def _text(text: str, most: int) -> str:
    """The beginning of the text; PostgreSQL stores no NUL in one."""
    return text[:most].replace("\0", "\N{REPLACEMENT CHARACTER}")


def _milliseconds(began: float) -> int:
    return int((time.monotonic() - began) * 1000)


def check_address(address: str) -> None:
    """Returns when the address is one that may be called; raises OutboundRefused."""
    check_url(address)
