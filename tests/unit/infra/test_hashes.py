"""Passwords as the servers store them."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable

import bcrypt
import pytest

from infra.servers import hashes

PASSWORD = "correct horse"


def test_rabbitmq_hash_verifies() -> None:
    """RabbitMQ's own rule: the first four bytes are the salt of the rest."""
    raw = base64.b64decode(hashes.rabbitmq(PASSWORD))

    assert hashlib.sha256(raw[:4] + PASSWORD.encode()).digest() == raw[4:]


def test_postgresql_verifier_accepts_a_client_proof() -> None:
    """RFC 5802: a client that knows the password can prove it against the stored key."""
    _, parameters, keys = hashes.postgresql(PASSWORD).split("$")
    iterations, salt = parameters.split(":")
    stored, _server = keys.split(":")
    salted = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), base64.b64decode(salt), int(iterations))
    client_key = hmac.digest(salted, b"Client Key", "sha256")

    assert base64.b64decode(stored) == hashlib.sha256(client_key).digest()


def test_prometheus_hash_is_bcrypt() -> None:
    """Prometheus reads bcrypt only."""
    assert bcrypt.checkpw(PASSWORD.encode(), hashes.prometheus(PASSWORD).encode())


@pytest.mark.parametrize("function", [hashes.rabbitmq, hashes.postgresql, hashes.redis, hashes.prometheus])
def test_made_twice_is_the_same(function: Callable[[str], str]) -> None:
    """A server that skips unchanged definitions must see that nothing changed."""
    assert function(PASSWORD) == function(PASSWORD)
    assert function(PASSWORD) != function(PASSWORD + "x")
