"""Whom a request behind reverse proxies really comes from: read from the right end, as far as the proxies are named.

Each proxy adds at the right end of a header what it has seen itself: the address of whoever connected to it. So the
last entry is as true as the connection's own peer, the one before it as true as the proxy that the last entry names,
and so on; the first address that is not a named proxy's is the client. What stands to its left was sent by the client
and is never looked at. Only the header that the setting names counts: a proxy that writes one of them passes the
others on as they came.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from roadstead.domain.network import Cidr, parse_address, parse_cidr
from roadstead.errors import ForwardingInvalid, NetworkRefused

Form = Literal["x-forwarded-for", "forwarded"]
Headers = Mapping[bytes, bytes]

# What proxies tell by; none of them comes from a client that connects directly.
TOLD_BY = frozenset({b"x-forwarded-for", b"forwarded", b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip"})
UNKNOWN = "unknown"

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105
_PAIR = re.compile(rf'[ \t]*({_TOKEN})=(?:({_TOKEN})|"((?:[^"\\]|\\.)*)")[ \t]*')
_ESCAPED = re.compile(r"\\(.)")
_OBFUSCATED = re.compile(r"(?:unknown|_[A-Za-z0-9._-]+)(?::.*)?", re.IGNORECASE)
_HOST = re.compile(r"(?:[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Hop:
    """What one proxy tells of whoever connected to it; empty where it tells nothing."""

    address: str
    scheme: str = ""
    host: str = ""


@dataclass(frozen=True, slots=True)
class Proxies:
    """The reverse proxies that the operator has named, and by which header they tell."""

    networks: tuple[Cidr, ...]
    form: Form = "x-forwarded-for"

    @classmethod
    def of(cls, texts: Iterable[str], form: Form = "x-forwarded-for") -> Proxies:
        """The proxies at these addresses and networks; raises InvalidInput for a text that is neither."""
        return cls(tuple(parse_cidr(text) for text in texts), form)

    def named(self, address: str) -> bool:
        """Whether the address is a named proxy's."""
        client = parse_address(address)
        return client is not None and any(client in network for network in self.networks)

    def client(self, peer: str, headers: Headers) -> Hop:
        """Whom the request comes from, given the connection's peer; empty parts are the connection's own.

        From a peer that is not named headers count for nothing, and from an unnamed one on this host they are
        refused: that is a proxy which would let the whole world in as localhost. A named proxy that tells nothing is
        refused for the same reason. Raises NetworkRefused, and ForwardingInvalid for what no proxy should write.
        """
        if not self.named(peer):
            if on_this_host(peer) and not TOLD_BY.isdisjoint(headers):
                raise _unnamed(peer)
            return Hop(peer)
        hops = _forwarded(headers, peer) if self.form == "forwarded" else _x_forwarded(headers)
        seen_by = peer
        for place, hop in enumerate(reversed(hops)):
            address = _address(hop.address, self.form, seen_by)
            if place < len(hops) - 1 and self.named(address):
                seen_by = address
                continue
            return Hop(away(address, seen_by), _scheme(hop, seen_by), _host(hop, seen_by))
        raise _silent(peer, self.form)


def on_this_host(address: str) -> bool:
    """Whether it is an address of the host's own loopback."""
    client = parse_address(address)
    return client is not None and client.is_loopback


def away(address: str, seen_by: str) -> str:
    """The client's address as it is from here: one on the loopback of another host is that host's own."""
    return seen_by if on_this_host(address) and not on_this_host(seen_by) else address


def _unnamed(peer: str) -> NetworkRefused:
    return NetworkRefused(
        f"network: a proxy at {peer} forwards requests here and is not named; add its address to the "
        "setting network.proxies, so that clients are judged by their own addresses",
        detail={"gate": "network", "address": peer, "reason": "unnamed proxy"},
    )


def _silent(peer: str, form: Form) -> NetworkRefused:
    return NetworkRefused(
        f"network: the proxy at {peer} does not say for whom it asks; have it send the header {form}, or take it out "
        "of the setting network.proxies if clients connect from there themselves",
        detail={"gate": "network", "address": peer, "reason": "silent proxy"},
    )


def _invalid(what: str, text: str, proxy: str) -> ForwardingInvalid:
    return ForwardingInvalid(
        f"network: the proxy at {proxy} sends {what} that means nothing: {text[:_SHOWN]!r}",
        detail={"gate": "network", "address": proxy, "reason": f"malformed {what}"},
    )


def _address(text: str, form: Form, proxy: str) -> str:
    """The address in an entry, with or without a port; `unknown` where the proxy will not tell."""
    if _OBFUSCATED.fullmatch(text):
        return UNKNOWN
    bare = text
    if text.startswith("["):
        bare, bracket, port = text[1:].partition("]")
        if not bracket or (port and not _is_port(port)):
            raise _invalid(form, text, proxy)
    elif text.count(":") == 1:
        bare, _, port = text.partition(":")
        if not _is_port(f":{port}"):
            raise _invalid(form, text, proxy)
    found = parse_address(bare)
    if found is None:
        raise _invalid(form, text, proxy)
    return str(found)


def _is_port(text: str) -> bool:
    digits = text[1:]
    return text[:1] == ":" and digits.isascii() and digits.isdigit() and len(digits) <= 5 and int(digits) < 1 << 16


def _scheme(hop: Hop, proxy: str) -> str:
    scheme = hop.scheme.lower()
    if scheme not in {"", "http", "https"}:
        raise _invalid("a scheme", hop.scheme, proxy)
    return scheme


def _host(hop: Hop, proxy: str) -> str:
    if hop.host and not _HOST.fullmatch(hop.host):
        raise _invalid("a host", hop.host, proxy)
    return hop.host


def _x_forwarded(headers: Headers) -> list[Hop]:
    """The entries of X-Forwarded-For with those of -Proto and -Host beside them.

    Some proxies add to the latter two and some replace them: they are matched from the right end, and the first is
    taken where there are fewer.
    """
    addresses = _entries(headers, b"x-forwarded-for")
    schemes = _aligned(_entries(headers, b"x-forwarded-proto"), len(addresses))
    hosts = _aligned(_entries(headers, b"x-forwarded-host"), len(addresses))
    return [Hop(*entry) for entry in zip(addresses, schemes, hosts, strict=True)]


def _entries(headers: Headers, name: bytes) -> list[str]:
    text = headers.get(name, b"").decode("latin-1")
    return [entry for part in text.split(",") if (entry := part.strip())]


def _aligned(entries: list[str], count: int) -> list[str]:
    first = entries[0] if entries else ""
    return [first] * (count - len(entries)) + entries[max(0, len(entries) - count) :]


def _forwarded(headers: Headers, peer: str) -> list[Hop]:
    """The elements of Forwarded (RFC 7239 section 4); all must parse, so that no quotation mark hides an end."""
    text = headers.get(b"forwarded", b"").decode("latin-1")
    hops: list[Hop] = []
    pairs: dict[str, str] = {}
    position = 0
    while text.strip():
        if found := _PAIR.match(text, position):
            name = found[1].lower()
            if name in pairs:
                raise _invalid("forwarded", text[position:], peer)
            pairs[name] = found[2] if found[2] is not None else _ESCAPED.sub(r"\1", found[3])
            position = found.end()
        elif text[position : position + 1] not in {"", ",", ";", " ", "\t"}:
            raise _invalid("forwarded", text[position:], peer)
        end = text[position : position + 1]
        if end in {"", ","}:
            if pairs:
                hops.append(Hop(pairs.get("for", UNKNOWN), pairs.get("proto", ""), pairs.get("host", "")))
            pairs = {}
        elif end not in {";", " ", "\t"}:
            raise _invalid("forwarded", text[position:], peer)
        if not end:
            break
        position += 1
    return hops
