"""The driver without Locust, against a gateway that answers over TLS in this process."""

from __future__ import annotations

import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import orjson
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from loadtests.driver import drive, start
from loadtests.history import Outcome
from loadtests.ledger import Ledger, read_ledger
from loadtests.schedule import Schedule


class Gateway(ThreadingHTTPServer):
    """Accepts what it is sent, or answers with the statuses it is told to."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[tuple[str, int]] = []
        self.keys: set[str | None] = set()
        self.status = 202


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    server: Gateway

    def do_POST(self) -> None:
        """Note the request and answer."""
        body = orjson.loads(self.rfile.read(int(self.headers["Content-Length"])))
        events = len(body) if isinstance(body, list) else 1
        self.server.seen.append((self.headers["Idempotency-Key"], events))
        self.server.keys.add(self.headers["X-API-Key"])
        answer = b'{"job_id": "j"}'
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A self-signed certificate for localhost, its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC) - timedelta(hours=1))
        .not_valid_after(datetime.now(UTC) + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "tls.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(signed.public_bytes(serialization.Encoding.PEM) + private)
    return path


@pytest.fixture
def gateway(certificate: Path) -> Iterator[Gateway]:
    """A gateway that runs while the test does."""
    server = Gateway()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


SHORT = Schedule(seconds=0.1, singles_per_second=100, lists_per_second=20, list_min_events=2, list_max_events=5)


@pytest.fixture(autouse=True)
def _begins_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadtests.driver.START_DELAY_SECONDS", 0.0)


def outcomes(tmp_path: Path) -> Counter[Outcome]:
    """How the requests ended, by the ledger."""
    return Counter(attempt.outcome for attempt in read_ledger(tmp_path / "ledger").attempts)


def test_every_request_is_sent_once_and_noted(tmp_path: Path, gateway: Gateway, certificate: Path) -> None:
    """What the gateway saw is what the ledger says, with the request's id as its idempotency key."""
    ledger = Ledger(tmp_path / "ledger", run="run")

    drive(f"https://localhost:{gateway.server_port}", certificate, "key", ledger, SHORT, threads=4)
    ledger.close()

    attempts = read_ledger(tmp_path / "ledger").attempts
    assert sorted(gateway.seen) == sorted((a.intent.request_id, len(a.intent.effects)) for a in attempts)
    assert outcomes(tmp_path) == {Outcome.ACCEPTED: 12}
    assert gateway.keys == {"key"}
    assert {attempt.result.job_id for attempt in attempts} == {"j"}


def test_a_503_is_not_sent_again(tmp_path: Path, gateway: Gateway, certificate: Path) -> None:
    """It leaves the outcome open."""
    gateway.status = 503
    ledger = Ledger(tmp_path / "ledger", run="run")

    drive(f"https://localhost:{gateway.server_port}", certificate, "key", ledger, SHORT, threads=4)
    ledger.close()

    assert outcomes(tmp_path) == {Outcome.UNKNOWN: 12}
    assert len(gateway.seen) == 12


def test_a_gateway_that_is_away_leaves_everything_unknown(tmp_path: Path, certificate: Path) -> None:
    """A refused connection is no answer."""
    ledger = Ledger(tmp_path / "ledger", run="run")

    drive("https://localhost:1", certificate, "key", ledger, SHORT, threads=4)
    ledger.close()

    assert outcomes(tmp_path) == {Outcome.UNKNOWN: 12}


def test_a_server_that_the_ca_did_not_sign_is_not_trusted(tmp_path: Path, gateway: Gateway) -> None:
    """No event leaves for a server that cannot prove its name."""
    ledger = Ledger(tmp_path / "ledger", run="run")

    drive(f"https://127.0.0.1:{gateway.server_port}", tmp_path / "tls.pem", "key", ledger, SHORT, threads=4)
    ledger.close()

    assert outcomes(tmp_path) == {Outcome.UNKNOWN: 12}
    assert gateway.seen == []


def test_a_drive_can_be_ended_early(tmp_path: Path, gateway: Gateway, certificate: Path) -> None:
    """When the body of the `with` fails, the load stops instead of running on."""
    long = Schedule(seconds=600, singles_per_second=5, lists_per_second=0)
    ledger = Ledger(tmp_path / "ledger", run="run")

    with (
        pytest.raises(RuntimeError, match="the fault failed"),
        start(f"https://localhost:{gateway.server_port}", certificate, "key", ledger, long, threads=2),
    ):
        raise RuntimeError("the fault failed")
    ledger.close()

    assert sum(outcomes(tmp_path).values()) < long.requests
