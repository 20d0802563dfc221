"""The load balancer survives the loss of a node, by its settings."""

from __future__ import annotations

from pathlib import Path

from infra.lab.devcluster import load_balancer, requirements
from infra.lab.devcluster.layout import Layout

LAYOUT = Layout(root=Path("/cluster"))


def test_every_node_is_a_server_that_is_checked() -> None:
    """Every second, lost after six misses; who was connected through it is told."""
    text = load_balancer.settings(LAYOUT)

    for node in LAYOUT.nodes:
        assert f"server {node.name} {node.address}:30443" in text
    assert "check inter 1s fall 6 rise 2 on-marked-down shutdown-sessions" in text


def test_it_listens_on_the_loopback_interface_alone_and_tries_elsewhere() -> None:
    """It is for this machine; a connection that fails goes to another node."""
    text = load_balancer.settings(LAYOUT)

    assert [line.strip() for line in text.splitlines() if "bind" in line] == ["bind 127.0.0.1:10443"]
    for line in ("mode tcp", "balance leastconn", "timeout connect 1s", "retries 3", "option redispatch"):
        assert f"    {line}\n" in text


def test_the_supervisor_runs_it_in_the_foreground() -> None:
    """A program that goes to the background looks ended."""
    program = load_balancer.program(LAYOUT)

    assert program.name == "load-balancer"
    assert list(program.command) == ["haproxy", "-db", "-f", "/cluster/haproxy.cfg"]


def test_a_service_of_debians_is_never_started(tmp_path: Path) -> None:
    """Masked before it is installed; a person's own unit is left as it is."""
    (tmp_path / "mine.service").write_text("[Unit]")

    requirements.mask(["haproxy.service", "mine.service"], tmp_path)
    requirements.mask(["haproxy.service"], tmp_path)

    assert (tmp_path / "haproxy.service").readlink() == Path("/dev/null")
    assert (tmp_path / "mine.service").read_text() == "[Unit]"
