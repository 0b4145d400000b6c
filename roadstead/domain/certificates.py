"""What a server certificate is for: the names in it, and whether chain and key belong together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from roadstead.errors import CertificateInvalid

if TYPE_CHECKING:
    from cryptography import x509


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate that a server can show: the first of the chain, with what stands in it."""

    chain: bytes
    key: bytes
    # Host names, wildcards among them, and addresses, in lower case.
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    issuer: str
    fingerprint: str


def read_certificate(chain: bytes, key: bytes) -> Certificate:
    """The certificate of PEM texts; raises CertificateInvalid, which says what does not fit."""
    # Only processes that read certificates carry this: it takes 8 MiB.
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    try:
        found = x509.load_pem_x509_certificates(chain)
    except ValueError as error:
        raise CertificateInvalid("the certificate does not parse; it must be PEM") from error
    try:
        private = load_pem_private_key(key, None)
    except TypeError as error:
        raise CertificateInvalid("the private key has a passphrase; give it without one") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificateInvalid("the private key does not parse; it must be PEM") from error
    first = found[0]
    kind = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if first.public_key().public_bytes(*kind) != private.public_key().public_bytes(*kind):
        raise CertificateInvalid("the private key is not that of the first certificate of the chain")
    return Certificate(
        chain,
        key,
        _names(first),
        first.not_valid_before_utc,
        first.not_valid_after_utc,
        first.issuer.rfc4514_string(),
        first.fingerprint(SHA256()).hex(),
    )


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    """The subject's alternative names; a certificate without them is for none (RFC 9110 section 4.3.4)."""
    from cryptography import x509

    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        raise CertificateInvalid("the certificate names no host: clients need a subjectAltName") from None
    hosts = [name.lower() for name in found.get_values_for_type(x509.DNSName)]
    return (*hosts, *(str(address) for address in found.get_values_for_type(x509.IPAddress)))


def covers(names: Iterable[str], host: str) -> bool:
    """Whether one of the names is for the host; a wildcard stands for one whole label (RFC 9525 section 6.3)."""
    host = host.lower().rstrip(".")
    _, _, parent = host.partition(".")
    return any(name == host or (parent and name == f"*.{parent}") for name in names)
