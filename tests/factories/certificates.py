"""Certificates of an authority of the tests' own, and such as stand for themselves."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from roadstead.services.authority import Authority, Issued


@dataclass(frozen=True)
class Files:
    """A certificate chain, its key, and the authority to trust."""

    chain: Path
    key: Path
    authority: Path

    @property
    def trust(self) -> ssl.SSLContext:
        """What a client that trusts the authority connects with."""
        return ssl.create_default_context(cafile=str(self.authority))


def certificate_files(folder: Path, *names: str, stem: str = "server") -> Files:
    """A certificate for these names in files of the folder, by the authority of the folder."""
    authority = Authority.open(folder / "authority", datetime.now(UTC))
    issued = authority.issue(names, datetime.now(UTC))
    files = Files(folder / f"{stem}.crt", folder / f"{stem}.key", folder / "authority" / "authority.pem")
    files.key.write_bytes(issued.key)
    files.chain.write_bytes(issued.chain)
    return files


def own_files(folder: Path, name: str) -> Files:
    """The same in files of the folder."""
    made = own_certificate(name)
    files = Files(folder / "own.crt", folder / "own.key", folder / "own.crt")
    files.key.write_bytes(made.key)
    files.chain.write_bytes(made.chain)
    return files


def own_certificate(name: str) -> Issued:
    """A certificate for the name that is its own authority and may be shown by servers and clients."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Issued(made.public_bytes(Encoding.PEM), private)
