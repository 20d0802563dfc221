"""A certificate authority of this checkout, and a certificate for each server and role below it."""

from __future__ import annotations

import datetime as dt
import ipaddress
import secrets as random
from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from infra.authority import Pair, authority, key_pem, key_usage, name as name_of

LEAF_LIFETIME = dt.timedelta(days=397)
#: A leaf is made anew at the next start when it has less than this to live.
RENEW_BEFORE = dt.timedelta(days=30)
#: Clocks of containers and virtual machines differ.
BACKDATED = dt.timedelta(hours=1)


def _builder(subject: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name_of(subject))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + LEAF_LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def make_authority() -> Pair:
    """Another authority each time."""
    return authority(random.token_urlsafe(32), "Millrace local CA")


def _alternative_names(names: Sequence[str]) -> x509.SubjectAlternativeName:
    general: list[x509.GeneralName] = []
    for name in names:
        try:
            general.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            general.append(x509.DNSName(name))
    return x509.SubjectAlternativeName(general)


def make_leaf(signer: Pair, names: Sequence[str]) -> Pair:
    """A certificate for these names, good as server and as client (a worker is asked for metrics, Prometheus asks)."""
    issuer = x509.load_pem_x509_certificate(signer.certificate)
    issuer_key = serialization.load_pem_private_key(signer.key, password=None)
    if not isinstance(issuer_key, ec.EllipticCurvePrivateKey):
        msg = "the authority's key is not an elliptic-curve key"
        raise TypeError(msg)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _builder(names[0], key)
        .issuer_name(issuer.subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(key_usage(authority=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
            critical=False,
        )
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
                issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
            ),
            critical=False,
        )
        .add_extension(_alternative_names(names), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    return Pair(certificate.public_bytes(serialization.Encoding.PEM), key_pem(key))


def still_good(signer: Pair, leaf: Pair, names: Sequence[str]) -> bool:
    """Whether a kept certificate is this authority's, for just these names, matches its key, and lives long enough."""
    try:
        certificate = x509.load_pem_x509_certificate(leaf.certificate)
        key = serialization.load_pem_private_key(leaf.key, password=None)
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(signer.certificate))
        kept = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    return (
        set(kept) == set(_alternative_names(names))
        and certificate.public_key() == key.public_key()
        and certificate.not_valid_after_utc > dt.datetime.now(dt.UTC) + RENEW_BEFORE
    )
