"""The flags of the control plane."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.lab.devcluster import masters
from infra.lab.devcluster.masters import Master

MASTER = Master(Path("/r"), "127.0.0.1", 6443)


def _find(name: str) -> Path:
    return Path("/tools") / name


@pytest.mark.parametrize("serves_nodes", [True, False])
def test_rbac_is_on_and_node_restriction_too(*, serves_nodes: bool) -> None:
    """A test cluster that allows more than a real one proves nothing."""
    command = masters.api_server(MASTER, _find, serves_nodes=serves_nodes).command
    assert "--authorization-mode=Node,RBAC" in command
    assert "--enable-admission-plugins=NodeRestriction" in command
    assert not any("disable-admission" in word or "AlwaysAllow" in word for word in command)


def test_state_is_reached_by_a_private_socket_only() -> None:
    """Etcd asks nobody who he is."""
    command = masters.etcd(MASTER, _find).command
    listening = [word for word in command if word.startswith("--listen")]
    assert listening
    assert all("=unix:///r/" in word for word in listening)


def test_the_front_proxy_has_an_authority_of_its_own() -> None:
    """Whoever it signs for may speak in anybody's name: it must not be the one that signs for servers."""
    command = masters.api_server(MASTER, _find, serves_nodes=True).command
    assert "--requestheader-client-ca-file=/r/pki/front-proxy-ca.crt" in command
    assert not any(word.startswith("--client-ca-file") for word in command)
