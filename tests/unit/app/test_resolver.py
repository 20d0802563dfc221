"""What was said before is answered while the DNS is silent, and only then."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest

from app import resolver
from app.resolver import remember_addresses

SAID = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.97.0.7", 5671))]
SILENT = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
UNKNOWN = socket.gaierror(socket.EAI_NONAME, "Name or service not known")

Dns = Callable[[Any], None]


@pytest.fixture
def dns(monkeypatch: pytest.MonkeyPatch) -> Dns:
    """Sets what the DNS says, or how it fails; it says SAID."""
    says: list[Any] = [SAID]

    def ask(*_: Any, **__: Any) -> Any:
        if isinstance(says[0], Exception):
            raise says[0]
        return says[0]

    monkeypatch.setattr(socket, "getaddrinfo", ask)
    remember_addresses()
    return lambda answer: says.__setitem__(0, answer)


def test_a_silent_dns_is_answered_from_memory(dns: Dns) -> None:
    """Each question by itself, however it was put."""
    assert socket.getaddrinfo("rabbitmq", 5671, type=socket.SOCK_STREAM) == SAID
    dns(SILENT)
    assert socket.getaddrinfo("rabbitmq", 5671, type=socket.SOCK_STREAM) == SAID
    with pytest.raises(socket.gaierror, match="Temporary"):
        socket.getaddrinfo("rabbitmq", 443, type=socket.SOCK_STREAM)


def test_a_silent_dns_is_left_alone_for_a_while(dns: Dns, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each question would cost the time-out again. Afterwards it is asked as before."""
    now = [100.0]
    monkeypatch.setattr(resolver.time, "monotonic", lambda: now[0])
    socket.getaddrinfo("rabbitmq", 5671)
    dns(SILENT)
    socket.getaddrinfo("rabbitmq", 5671)
    dns(UNKNOWN)
    assert socket.getaddrinfo("rabbitmq", 5671) == SAID
    now[0] += resolver.SILENT_SECONDS
    with pytest.raises(socket.gaierror, match="not known"):
        socket.getaddrinfo("rabbitmq", 5671)


def test_the_newest_answer_counts(dns: Dns) -> None:
    """An address may change."""
    socket.getaddrinfo("rabbitmq", 5671)
    moved = [(*SAID[0][:4], ("10.97.0.8", 5671))]
    dns(moved)
    assert socket.getaddrinfo("rabbitmq", 5671) == moved
    dns(SILENT)
    assert socket.getaddrinfo("rabbitmq", 5671) == moved


def test_a_name_that_is_gone_is_gone(dns: Dns) -> None:
    """The DNS has answered: memory would lead to somebody else's address."""
    socket.getaddrinfo("rabbitmq", 5671)
    dns(UNKNOWN)
    with pytest.raises(socket.gaierror, match="not known"):
        socket.getaddrinfo("rabbitmq", 5671)
