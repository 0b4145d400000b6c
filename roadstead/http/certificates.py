"""Which certificate a connection is shown, by the name that the client asks for (SNI, RFC 6066 section 3).

Asked in this order: the stored certificates, the files, the authority of this deployment's own, and last the
certificate for every name. Files are looked at again when a connection comes and a second has passed; one that cannot
be used is told in the log, and the former stays. A connection that has begun keeps its certificate.
"""

from __future__ import annotations

import os
import ssl
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import structlog

from roadstead.config import Settings
from roadstead.domain.certificates import Certificate, covers, read_certificate
from roadstead.domain.network import parse_address
from roadstead.errors import CertificateInvalid, StartRefused
from roadstead.services.authority import Authority, folder_of

_LOOK_SECONDS = 1.0
_REMEMBERED = 500
_RENEW = timedelta(days=30)
_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}

K = TypeVar("K")
V = TypeVar("V")
Stored = Callable[[str], Certificate | None]
_Pair = tuple[Path, Path]
_Mark = dict[_Pair, tuple[tuple[int, int], tuple[int, int]]]

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


class Certificates:
    """The certificates of one serving process."""

    def __init__(self, settings: Settings, stored: Stored | None = None) -> None:
        """The files have been read; raises StartRefused for what cannot be served with."""
        tls = self._tls = settings.tls
        self._domain = settings.base_domain.lower().strip(".")
        self._folder = Path(tls.folder).absolute() if tls.folder else folder_of(settings.folder)
        self._stored = stored
        self._authority = Authority.open(folder_of(settings.folder), _now()) if tls.self_signed else None
        self._looked = time.monotonic()
        self._mark = self._marks()
        if tls.certificate and Path(tls.certificate) not in {chain for chain, _ in self._mark}:
            raise StartRefused(f"tls.certificate: cannot read {tls.certificate} and its key")
        self._files: dict[_Pair, Certificate] = {}
        for pair in self._mark:
            try:
                self._files[pair] = _read(pair)
            except CertificateInvalid as error:
                raise StartRefused(f"tls: {pair[0]}: {error.message}") from error
        if not self._files and self._authority is None:
            raise StartRefused(
                f"tls: there is no certificate: set tls.certificate, put NAME.crt and NAME.key into {self._folder}, "
                "or set tls.self_signed"
            )
        self._issued: OrderedDict[str, Certificate] = OrderedDict()
        self._contexts: OrderedDict[tuple[str, bool], ssl.SSLContext] = OrderedDict()
        if tls.client_authorities:
            self.context("127.0.0.1", asks=True)

    def context(self, local: str, *, asks: bool = False) -> ssl.SSLContext:
        """How a connection to the address `local` begins; with `asks` the client must show a certificate.

        Clients that give no name came by that address, and are shown what is for it.
        """
        self._look()
        return self._context(self._choose(local, local), asks=asks)

    def _context(self, certificate: Certificate, *, asks: bool) -> ssl.SSLContext:
        key = (certificate.fingerprint, asks)
        found = self._contexts.get(key)
        if found is None:
            found = _keep(self._contexts, key, _make_context(certificate, _VERSIONS[self._tls.minimum]))
            found.sni_callback = self._on_name
            if asks:
                self._ask(found)
        return found

    def _ask(self, context: ssl.SSLContext) -> None:
        file = self._tls.client_authorities
        try:
            context.load_verify_locations(file)
        except (OSError, ssl.SSLError) as error:
            raise StartRefused(f"tls.client_authorities: cannot use {file!r}: {error}") from error
        context.verify_mode = ssl.CERT_REQUIRED

    def _on_name(self, connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        """The connection goes on with the certificate for the name; whether it asks for one stays as it began."""
        if name:
            asks = context.verify_mode is ssl.CERT_REQUIRED
            connection.context = self._context(self._choose(name.lower(), ""), asks=asks)

    def _choose(self, host: str, local: str) -> Certificate:
        found = self._stored(host) if self._stored is not None else None
        if found is None:
            found = next((each for each in self._files.values() if covers(each.names, host)), None)
        if found is None and self._authority is not None and (local or self._is_ours(host)):
            found = self._issue(host)
        if found is not None:
            return found
        return next(iter(self._files.values())) if self._files else self._issue("localhost")

    def _is_ours(self, host: str) -> bool:
        """Whether the authority speaks for the name: else any client could have it sign without end."""
        return host in {"localhost", self._domain} or host.endswith(f".{self._domain}")

    def _issue(self, host: str) -> Certificate:
        found = self._issued.get(host)
        if found is None or found.not_after - _now() < _RENEW:
            assert self._authority is not None  # noqa: S101
            # A wildcard below a name of one label is not taken by all clients, so each name has its own.
            names = [host] if parse_address(host) is not None else list(dict.fromkeys((host, "localhost")))
            issued = self._authority.issue(names, _now())
            found = _keep(self._issued, host, read_certificate(issued.chain, issued.key))
        return found

    # Files

    def _look(self) -> None:
        """The files are as they were within the last second."""
        now = time.monotonic()
        if now - self._looked < _LOOK_SECONDS:
            return
        self._looked = now
        mark = self._marks()
        if mark == self._mark:
            return
        files: dict[_Pair, Certificate] = {}
        for pair, times in mark.items():
            former = self._files.get(pair)
            if former is not None and self._mark.get(pair) == times:
                files[pair] = former
                continue
            try:
                files[pair] = _read(pair)
                _log.info("a certificate was read", file=str(pair[0]), names=" ".join(files[pair].names))
            except CertificateInvalid as error:
                _log.warning("a certificate cannot be used", file=str(pair[0]), reason=error.message)
                if former is not None:
                    files[pair] = former
        # The last usable one stays in use though its file has gone: no certificate would be no service.
        self._files = files or self._files
        self._mark = mark

    def _marks(self) -> _Mark:
        """The files that there are, the one for every name first, and how to know that they have changed."""
        found: _Mark = {}
        for chain, key in self._pairs():
            with suppress(OSError):  # half of a pair, or in the middle of being replaced
                found[chain, key] = (_stamp(chain), _stamp(key))
        return found

    def _pairs(self) -> Iterator[_Pair]:
        if self._tls.certificate:
            yield Path(self._tls.certificate), Path(self._tls.key or self._tls.certificate)
        if self._folder.is_dir():
            for chain in sorted(self._folder.glob("*.crt")):
                yield chain, chain.with_suffix(".key")


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_ino


def _read(pair: _Pair) -> Certificate:
    try:
        return read_certificate(pair[0].read_bytes(), pair[1].read_bytes())
    except OSError as error:
        raise CertificateInvalid(f"cannot read {error.filename}: {error.strerror}") from error


def _now() -> datetime:
    return datetime.now(UTC)


def _keep(memory: OrderedDict[K, V], key: K, value: V) -> V:
    memory[key] = value
    if len(memory) > _REMEMBERED:
        memory.popitem(last=False)
    return value


def _make_context(certificate: Certificate, minimum: ssl.TLSVersion) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = minimum
    context.set_alpn_protocols(["http/1.1"])
    # OpenSSL reads chains from files only; this one is in memory, and nobody else's.
    with os.fdopen(os.memfd_create("certificate"), "wb") as file:
        file.write(certificate.key + b"\n" + certificate.chain)
        file.flush()
        context.load_cert_chain(f"/proc/self/fd/{file.fileno()}")
    return context
