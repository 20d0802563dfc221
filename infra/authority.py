"""The certificate authority of a stack, made from a generated password: the same password gives the same authority.

So Pulumi keeps the authority as it keeps every password, and can write its key into each namespace of ours. A
certificate that cert-manager signed for itself could serve several namespaces only by a ClusterIssuer, from which
everybody in the cluster who may create a Certificate gets one in any server's name.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

#: Fixed, because the certificate is made anew by each `pulumi up`. A rotation replaces an authority, its end does not.
NOT_BEFORE, NOT_AFTER = dt.datetime(2026, 1, 1, tzinfo=dt.UTC), dt.datetime(2056, 1, 1, tzinfo=dt.UTC)
_CURVE = ec.SECP256R1()


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, both PEM."""

    certificate: bytes
    key: bytes


def authority(seed: str, subject: str) -> Pair:
    """A self-signed authority that may sign leaves and no further authority. `seed` has at least 256 random bits."""
    digest = hashlib.sha512(f"millrace authority {seed}".encode()).digest()
    # 512 bits modulo the order of 256 bits: no key is more likely than another.
    key = ec.derive_private_key(int.from_bytes(digest) % (_CURVE.group_order - 1) + 1, _CURVE)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(subject))
        .public_key(key.public_key())
        .serial_number(int.from_bytes(hashlib.sha256(digest).digest()[:16]) >> 1)
        .not_valid_before(NOT_BEFORE)
        .not_valid_after(NOT_AFTER)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(key_usage(authority=True), critical=True)
        .sign(key, hashes.SHA256(), ecdsa_deterministic=True)
    )
    return Pair(certificate.public_bytes(serialization.Encoding.PEM), key_pem(key))


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """PKCS#8, without a password."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def name(subject: str) -> x509.Name:
    """Of ours."""
    organization = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Millrace")
    return x509.Name([organization, x509.NameAttribute(NameOID.COMMON_NAME, subject)])


def key_usage(*, authority: bool) -> x509.KeyUsage:
    """An authority also signs certificates; a leaf does not."""
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )
