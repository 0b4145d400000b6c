"""A certificate authority of this deployment's own: made on request, kept in the data folder, trusted by hand.

It lets HTTPS be tried, and used inside a company, without anybody else's authority. Certificates for names are
issued in memory when a client asks for one and live as long as the process; only the authority is on disk, because
it is what clients come to trust.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from roadstead.domain.network import parse_address
from roadstead.errors import StartRefused
from roadstead.services.secrets import random_id

_YEARS = timedelta(days=3650)
# Clients of some makers accept no longer ones.
_LEAF = timedelta(days=397)
_EARLIER = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate chain and its private key, as PEM."""

    chain: bytes
    key: bytes


class Authority:
    """The authority, with its key."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self._certificate = certificate
        self._key = key

    @property
    def pem(self) -> bytes:
        """The authority's certificate, which clients trust."""
        return self._certificate.public_bytes(Encoding.PEM)

    @classmethod
    def open(cls, folder: Path, now: datetime) -> Authority:
        """The authority of the folder, made there when there is none. Raises StartRefused."""
        key_file, file = folder / "authority-key.pem", folder / "authority.pem"
        try:
            if not file.exists():
                _make(folder, key_file, file, now)
            key = load_pem_private_key(key_file.read_bytes(), None)
            certificate = x509.load_pem_x509_certificate(file.read_bytes())
        except (OSError, ValueError) as error:
            raise StartRefused(f"cannot use the authority in {folder}: {error}") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
            raise StartRefused(f"{key_file} is not the key of {file}; restore both, or remove both to begin anew")
        return cls(certificate, key)

    def issue(self, names: Iterable[str], now: datetime) -> Issued:
        """A new certificate for these host names and addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        found = [_general(name) for name in names]
        builder = _builder(x509.Name([]), self._certificate.subject, key, now, _LEAF)
        certificate = (
            builder.add_extension(x509.SubjectAlternativeName(found), critical=True)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, SHA256())
        )
        return Issued(certificate.public_bytes(Encoding.PEM) + self.pem, _pem(key))


def _general(name: str) -> x509.GeneralName:
    address = parse_address(name)
    return x509.DNSName(name) if address is None else x509.IPAddress(ip_address(str(address)))


def _make(folder: Path, key_file: Path, file: Path, now: datetime) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Roadstead authority {random_id(8)}")])
    usage = dict.fromkeys(
        ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False
    )
    certificate = (
        _builder(name, name, key, now, _YEARS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.KeyUsage(**usage, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False),
            critical=True,
        )
        .sign(key, SHA256())
    )
    _write(key_file, _pem(key), 0o600)
    _write(file, certificate.public_bytes(Encoding.PEM), 0o644)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLIER)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write(path: Path, data: bytes, mode: int) -> None:
    temporary = path.with_name(f"{path.name}.{random_id(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def folder_of(data: Path) -> Path:
    """Where the authority of a data folder is."""
    return data / "tls"
