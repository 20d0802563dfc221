"""What a node is made of."""

from __future__ import annotations

import json
import subprocess
import tomllib
from pathlib import Path

import yaml

from infra.lab.devcluster import network, node as nodes
from infra.lab.devcluster.layout import Layout

LAYOUT = Layout(Path("/r"))
NODE = LAYOUT.nodes[1]


def _find(name: str) -> Path:
    return Path("/tools") / name


def test_nodes_differ_in_every_address() -> None:
    """Or they would take each other's pods."""
    for values in ({node.address for node in LAYOUT.nodes}, {node.pods for node in LAYOUT.nodes}):
        assert len(values) == LAYOUT.count


def test_containerd_settings_are_toml() -> None:
    """With the image that is there, and the node's own network."""
    cri = tomllib.loads(nodes.containerd_settings(NODE))["plugins"]["io.containerd.grpc.v1.cri"]
    assert cri["sandbox_image"] == nodes.PAUSE_IMAGE
    assert cri["cni"]["conf_dir"] == "/r/node-2/cni"


def test_a_kubelet_answers_nobody_unknown() -> None:
    """It asks the API server who may; by default it would answer everybody."""
    content = yaml.safe_load(nodes.kubelet_settings(NODE))
    assert content["authentication"]["anonymous"] == {"enabled": False}
    assert content["authorization"]["mode"] == "Webhook"
    assert content["cgroupRoot"] == "/mr/node-2"


def test_pods_get_addresses_of_their_node() -> None:
    """The routes are fixed."""
    (plugin,) = json.loads(nodes.cni_settings(NODE))["plugins"]
    assert plugin["ipam"]["ranges"] == [[{"subnet": NODE.pods}]]


def test_the_start_script_is_a_script() -> None:
    """The shell reads it without complaint."""
    script = nodes.start_script(NODE, "supervisord")
    assert subprocess.run(("sh", "-n"), input=script, text=True, check=False).returncode == 0


def test_the_machines_settings_are_hidden_from_a_kubelet_before_it_starts() -> None:
    """Or it would change them for everybody."""
    before, _, _ = nodes.start_script(NODE, "supervisord").partition("exec supervisord")
    for name in nodes.KERNEL_SETTINGS:
        assert f"mount --bind /r/node-2/kernel/{name} /proc/sys/{name}\n" in before


def test_every_file_that_a_program_is_told_of_is_written() -> None:
    """Names are said in two places."""
    written = {f"{NODE.root}/{name}" for name in nodes.files(NODE, ("supervisord",))}
    words = [word for each in nodes.programs(NODE, _find, iptables="NFT") for word in each.command]
    told = {word.partition("=")[2] for word in words if f"={NODE.root}/" in word}
    assert told
    assert told <= written


def test_the_host_gets_one_link_and_one_route() -> None:
    """Every other end is in a namespace."""
    for line in network.in_host(LAYOUT):
        if line.startswith("link add"):
            assert "netns" in line
    assert sum(line.startswith("route add") for line in network.in_host(LAYOUT)) == 1
    assert not any("default" in line for line in network.in_host(LAYOUT))
