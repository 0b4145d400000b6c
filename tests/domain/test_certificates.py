"""What a certificate is for."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from roadstead.domain.certificates import covers, read_certificate
from roadstead.errors import CertificateInvalid
from roadstead.services.authority import Authority


@pytest.mark.parametrize(
    ("name", "host", "holds"),
    [
        ("a.test", "a.test", True),
        ("a.test", "A.Test.", True),
        ("a.test", "b.a.test", False),
        ("*.a.test", "b.a.test", True),
        ("*.a.test", "a.test", False),
        ("*.a.test", "c.b.a.test", False),
        ("*.a.test", ".a.test", True),
        ("192.0.2.1", "192.0.2.1", True),
        ("*", "a", False),
    ],
)
def test_the_hosts_of_a_name(name: str, host: str, holds: bool) -> None:
    assert covers([name], host) is holds


def test_what_stands_in_a_certificate(tmp_path: Path) -> None:
    now = datetime(2026, 11, 24, tzinfo=UTC)
    issued = Authority.open(tmp_path, now).issue(["A.test", "192.0.2.1", "2001:db8::1"], now)
    found = read_certificate(issued.chain, issued.key)
    assert found.names == ("a.test", "192.0.2.1", "2001:db8::1")
    assert found.not_before < now < found.not_after
    assert found.issuer.startswith("CN=Roadstead authority ")
    key = load_pem_private_key(issued.key, None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    with pytest.raises(CertificateInvalid, match="passphrase"):
        read_certificate(issued.chain, locked)


def test_a_certificate_for_nobody_is_refused() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime(2026, 11, 24, tzinfo=UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a.test")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 7, now, now.replace(year=2027))
        .sign(key, SHA256())
        .public_bytes(Encoding.PEM)
    )
    with pytest.raises(CertificateInvalid, match="subjectAltName"):
        from cryptography.hazmat.primitives.serialization import NoEncryption

        read_certificate(made, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
