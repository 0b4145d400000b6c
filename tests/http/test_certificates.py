"""Which certificate is shown for a name, and when files change."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from roadstead.config import Settings, Tls
from roadstead.domain.certificates import Certificate, read_certificate
from roadstead.errors import StartRefused
from roadstead.http import certificates
from roadstead.http.certificates import Certificates
from roadstead.services.authority import Authority
from tests.factories.certificates import certificate_files


def shown(found: Certificates, name: str | None, local: str = "127.0.0.1") -> list[str]:
    """The names in the certificate that a client asking for this name is shown."""
    ours, theirs = socket.socketpair()
    context = found.context(local)

    def serve() -> None:
        with context.wrap_socket(ours, server_side=True):
            pass

    thread = threading.Thread(target=serve)
    thread.start()
    trust = ssl.create_default_context()
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    with trust.wrap_socket(theirs, server_hostname=name) as connection:
        der = connection.getpeercert(binary_form=True)
    thread.join()
    assert der is not None
    from cryptography import x509

    certificate = x509.load_der_x509_certificate(der)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(name.value) for name in names]


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are looked at by every connection."""
    monkeypatch.setattr(certificates, "_LOOK_SECONDS", 0.0)


def settings(folder: Path, **tls: object) -> Settings:
    return Settings(data=str(folder), base_domain="registry.test", tls=Tls(**tls))  # type: ignore[arg-type]


def test_the_certificate_is_chosen_by_name(tmp_path: Path) -> None:
    every = certificate_files(tmp_path, "every.test")
    folder = tmp_path / "tls"
    folder.mkdir()
    certificate_files(folder, "one.test", stem="one")
    certificate_files(folder, "*.wild.test", "wild.test", stem="wild")
    (folder / "half.crt").write_text("its key has not come yet")
    (folder / "half.pem").write_text("something else")
    stored = read_certificate(*_issue(tmp_path, "stored.test"))
    found = Certificates(
        settings(tmp_path, certificate=str(every.chain), key=str(every.key)),
        lambda host: stored if host == "stored.test" else None,
    )
    for name, names in {
        "one.test": ["one.test"],
        "ONE.test": ["one.test"],
        "a.wild.test": ["*.wild.test", "wild.test"],
        "wild.test": ["*.wild.test", "wild.test"],
        "a.b.wild.test": ["every.test"],
        "other.test": ["every.test"],
        "stored.test": ["stored.test"],
        None: ["every.test"],
    }.items():
        assert shown(found, name) == names, name


def _issue(folder: Path, name: str) -> tuple[bytes, bytes]:
    issued = Authority.open(folder / "authority", datetime.now(UTC)).issue([name], datetime.now(UTC))
    return issued.chain, issued.key


def test_an_authority_of_its_own_issues_for_its_own_names(tmp_path: Path) -> None:
    found = Certificates(settings(tmp_path, self_signed=True))
    assert shown(found, "shop.registry.test") == ["shop.registry.test", "localhost"]
    assert shown(found, "registry.test") == ["registry.test", "localhost"]
    assert shown(found, "localhost") == ["localhost"]
    assert shown(found, None, "192.0.2.1") == ["192.0.2.1"]
    assert shown(found, None, "::1") == ["::1"]
    # Not of its own: a stranger would otherwise have it sign without end.
    assert shown(found, "bank.test") == ["localhost"]
    assert shown(found, "registry.test.evil.test") == ["localhost"]
    # Another process, or a later one, goes by the same authority.
    authority = (tmp_path / "tls" / "authority.pem").read_bytes()
    Certificates(settings(tmp_path, self_signed=True))
    assert (tmp_path / "tls" / "authority.pem").read_bytes() == authority
    assert (tmp_path / "tls" / "authority-key.pem").stat().st_mode & 0o777 == 0o600


def test_what_is_issued_is_trusted_through_the_authority(tmp_path: Path) -> None:
    found = Certificates(settings(tmp_path, self_signed=True))
    ours, theirs = socket.socketpair()
    thread = threading.Thread(target=lambda: found.context("127.0.0.1").wrap_socket(ours, server_side=True).close())
    thread.start()
    trust = ssl.create_default_context(cafile=str(tmp_path / "tls" / "authority.pem"))
    trust.verify_flags |= ssl.VERIFY_X509_STRICT
    trust.wrap_socket(theirs, server_hostname="shop.registry.test").close()
    thread.join()


@pytest.mark.usefixtures("at_once")
def test_changed_files_hold_without_a_new_start(tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    folder.mkdir()
    certificate_files(folder, "a.test", stem="first")
    found = Certificates(settings(tmp_path, listen="127.0.0.1:0"))
    assert shown(found, "b.test") == ["a.test"]
    certificate_files(folder, "b.test", stem="second")
    assert shown(found, "b.test") == ["b.test"]
    certificate_files(folder, "b.test", "c.test", stem="second")
    assert shown(found, "b.test") == ["b.test", "c.test"]
    (folder / "second.key").unlink()
    assert shown(found, "b.test") == ["a.test"]
    (folder / "first.crt").write_text("in the middle of being written")
    with capture_logs() as logs:
        assert shown(found, "a.test") == ["a.test"]
        assert shown(found, "a.test") == ["a.test"]
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [("a certificate cannot be used", "warning")]
    (folder / "first.crt").unlink()
    assert shown(found, "a.test") == ["a.test"]


def test_a_start_without_a_usable_certificate_is_refused(tmp_path: Path) -> None:
    files = certificate_files(tmp_path, "a.test")
    (tmp_path / "other").mkdir()
    other = certificate_files(tmp_path / "other", "a.test")
    for tls, told in [
        ({"listen": "127.0.0.1:0"}, "there is no certificate"),
        ({"certificate": str(tmp_path / "none")}, "cannot read"),
        ({"certificate": str(files.chain)}, "private key does not parse"),
        ({"certificate": str(files.key), "key": str(files.key)}, "certificate does not parse"),
        ({"certificate": str(files.chain), "key": str(other.key)}, "not that of the first certificate"),
        ({"self_signed": True, "client_authorities": str(files.key)}, "tls.client_authorities"),
        ({"self_signed": True, "client_authorities": "none"}, "tls.client_authorities"),
    ]:
        with pytest.raises(StartRefused, match=told.replace(".", r"\.")):
            Certificates(settings(tmp_path / "data", **tls))


def test_an_authority_with_another_key_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path / "one", tmp_path / "two"):
        Authority.open(folder, datetime.now(UTC))
    os.replace(tmp_path / "one" / "authority-key.pem", tmp_path / "two" / "authority-key.pem")
    with pytest.raises(StartRefused, match="is not the key of"):
        Authority.open(tmp_path / "two", datetime.now(UTC))


def test_what_is_remembered_does_not_grow_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificates, "_REMEMBERED", 3)
    found = Certificates(settings(tmp_path, self_signed=True))
    for number in range(6):
        assert shown(found, f"n{number}.registry.test")[0] == f"n{number}.registry.test"
    assert len(found._issued) == len(found._contexts) == 3
    assert isinstance(next(iter(found._issued.values())), Certificate)
