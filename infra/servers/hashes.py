"""Passwords as each server stores them.

Salts are derived from the password, which is 256 random bits and the same nowhere else: so a file made twice is the
same file, and a server that skips unchanged definitions can see that nothing changed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

import bcrypt

#: PostgreSQL's own default. Random passwords of 256 bits need no more.
SCRAM_ITERATIONS = 4096


def _salt(server: str, password: str, length: int) -> bytes:
    return hashlib.sha256(f"millrace {server} salt {password}".encode()).digest()[:length]


#: Hashes of zeros, as RabbitMQ and PostgreSQL write them. They lock a login: nobody knows a password of such a hash.
RABBITMQ_LOCKED = base64.b64encode(bytes(36)).decode()
POSTGRESQL_LOCKED = "SCRAM-SHA-256${}:{}${}:{}".format(
    SCRAM_ITERATIONS, *(base64.b64encode(bytes(length)).decode() for length in (16, 32, 32))
)


def rabbitmq(password: str) -> str:
    """`rabbit_password_hashing_sha256`: base64 of four bytes of salt and the SHA-256 of salt and password."""
    salt = _salt("rabbitmq", password, 4)
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def postgresql(password: str) -> str:
    """A SCRAM-SHA-256 verifier, as `CREATE ROLE ... PASSWORD` takes it in place of the password."""
    salt = _salt("postgresql", password, 16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, SCRAM_ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    parts = (base64.b64encode(part).decode() for part in (salt, stored, server))
    return "SCRAM-SHA-256${iterations}:{}${}:{}".format(*parts, iterations=SCRAM_ITERATIONS)


def redis(password: str) -> str:
    """The `#` form of an access list: SHA-256 in hexadecimal."""
    return "#" + hashlib.sha256(password.encode()).hexdigest()


def prometheus(password: str) -> str:
    """bcrypt, the only form web.yml takes. Cost 8: Prometheus computes it for each request."""
    # bcrypt's alphabet is base64's in another order; 22 characters are 16 bytes of salt.
    alphabet = bytes.maketrans(
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
        b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
    )
    salt = base64.b64encode(_salt("prometheus", password, 16)).rstrip(b"=").translate(alphabet)
    return bcrypt.hashpw(password.encode(), b"$2b$08$" + salt).decode()
