"""Secrets of a checkout: made once, kept, private, and hashed where a server reads them."""

from __future__ import annotations

import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509

from app.contract import Role
from infra.local import certificates, folders
from infra.local.secrets import passwords, write_secrets
from infra.local.settings_files import hashes, write_settings
from infra.local.state import State


@pytest.fixture
def state(tmp_path: Path) -> State:
    """A checkout that started once."""
    made = State(tmp_path / "state")
    write_secrets(made)
    return made


def _all(state: State) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in state.secrets.rglob("*") if path.is_file()}


def test_second_start_changes_nothing(state: State) -> None:
    """Servers keep their data, so they must keep their passwords."""
    before = _all(state)
    write_secrets(state)

    assert before == _all(state)


def test_interrupted_start_is_completed(state: State) -> None:
    """What is missing is made; what is there is kept."""
    before = _all(state)
    for name in ("gateway/tls.key", "redis/users.acl", "worker/ca.crt"):
        (state.secrets / name).unlink()
    write_secrets(state)
    after = _all(state)

    assert before.keys() == after.keys()
    # A key that is gone takes its certificate with it, and nothing else.
    changed = {Path(name).relative_to(state.secrets).as_posix() for name in before if before[name] != after[name]}
    assert changed == {"gateway/tls.key", "gateway/tls.crt"}


def test_only_the_owner_reads(state: State) -> None:
    """0600 and 0700, every one."""
    for path in state.secrets.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_servers_hold_no_password_in_plain(state: State) -> None:
    """A server that is broken into gives away hashes of random words. Flower and Prometheus must know theirs.

    The probe's is there: it is Redis asking itself how it is, and opens nothing else.
    """
    known = [passwords(state, server) for server in ("postgresql", "rabbitmq", "redis")]
    every = {
        word
        for words in known
        for role, accepted in words.items()
        if role is not Role.PROBE
        for word in accepted.values()
    }
    for folder in folders.SERVERS:
        text = b"".join(path.read_bytes() for path in (state.secrets / folder.name).rglob("*") if path.is_file())

        assert not [word for word in every if word.encode() in text], folder.name


def test_each_password_is_its_own(state: State) -> None:
    """One that leaks opens one door."""
    every = [
        word
        for server in ("postgresql", "rabbitmq", "redis")
        for accepted in passwords(state, server).values()
        for word in accepted.values()
    ]

    assert len(set(every)) == len(every)


def test_certificates_satisfy_a_strict_client(state: State) -> None:
    """Python 3.13 checks RFC 5280 strictly; the chain must load and verify, each for its own names."""
    authority = x509.load_pem_x509_certificate((state.secrets / "ca" / "ca.crt").read_bytes())
    for folder in folders.ALL:
        if not folder.names:
            continue
        path = state.secrets / folder.name
        leaf = x509.load_pem_x509_certificate((path / "tls.crt").read_bytes())
        leaf.verify_directly_issued_by(authority)
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        context = ssl.create_default_context(cafile=str(path / "ca.crt"))
        context.load_cert_chain(path / "tls.crt", path / "tls.key")

        assert names.get_values_for_type(x509.DNSName)[0] == folder.names[0]


def test_certificate_of_another_authority_is_replaced() -> None:
    """As is one for other names."""
    ours, theirs = certificates.make_authority(), certificates.make_authority()
    leaf = certificates.make_leaf(ours, ("gateway", "127.0.0.1"))

    assert certificates.still_good(ours, leaf, ("127.0.0.1", "gateway"))
    assert not certificates.still_good(theirs, leaf, ("gateway", "127.0.0.1"))
    assert not certificates.still_good(ours, leaf, ("gateway",))


def test_changed_settings_change_only_their_servers_hash(state: State) -> None:
    """So compose replaces the containers that mount them, and no other."""
    write_settings(state, "4.3")
    before = hashes(state)
    write_settings(state, "4.0")
    after = hashes(state)

    assert {name for name in before if before[name] != after[name]} == {"rabbitmq"}
