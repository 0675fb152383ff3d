"""TLS for tests: an authority of our own, and a server certificate for 127.0.0.1 that it signed."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Certificates:
    """`authority` is the PEM file that a client has to trust; `server` is what a server listens with."""

    authority: Path
    server: ssl.SSLContext


def certificates(folder: Path, *, self_signed: bool = False) -> Certificates:
    """New ones, with their files in `folder`. Self-signed: the server's certificate is its own authority."""
    authority_key, server_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority_name, server_name = (
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in ("tests' authority", "127.0.0.1")
    )
    here = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))])
    may_sign = x509.BasicConstraints(ca=True, path_length=0)
    authority = _signed(authority_name, authority_key, authority_name, authority_key, may_sign)
    server = _signed(server_name, server_key, authority_name, authority_key, here)
    if self_signed:
        server_key, server = (
            authority_key,
            _signed(server_name, authority_key, server_name, authority_key, may_sign, here),
        )
        authority = server
    key = server_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "authority.pem").write_bytes(authority)
    (folder / "server.pem").write_bytes(key + server)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return Certificates(folder / "authority.pem", context)


def _signed(
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    *extensions: x509.ExtensionType,
) -> bytes:
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    for extension in extensions:
        certificate = certificate.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
    return certificate.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
