"""The cluster's network: one namespace a node, and one in the middle that bridges and routes between them and the host.

The host gets one interface and one route. It forwards nothing, and none of its rules or settings change.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from infra.lab.devcluster.layout import HOST_ADDRESS, HOST_INTERFACE, ROUTER_ADDRESS, Layout
from infra.lab.devcluster.masters import POD_NETWORK
from infra.lab.devcluster.shell import run

_FORWARD = ("net.ipv4.ip_forward=1",)
#: Rules for bridged frames do not count in the middle: it has none. A route back over the bridge is no error.
_ROUTER = (*_FORWARD, "net.ipv4.conf.all.send_redirects=0", "net.ipv4.conf.default.send_redirects=0")
_ROOT_ROUTE = "10.96.0.0/24"


def in_host(layout: Layout) -> Sequence[str]:
    """What `ip` does on the host: cables into the namespaces. They vanish with the namespace at their other end."""
    cables = [f"link add {HOST_INTERFACE} type veth peer name host netns {layout.router}"]
    cables += [
        f"link add {node.name} netns {layout.router} type veth peer name eth0 netns {node.network}"
        for node in layout.nodes
    ]
    return (
        *cables,
        f"address add {HOST_ADDRESS}/24 dev {HOST_INTERFACE}",
        f"link set {HOST_INTERFACE} up",
        f"route add {POD_NETWORK} via {ROUTER_ADDRESS}",
    )


def in_router(layout: Layout) -> Sequence[str]:
    """What it does in the middle."""
    ports = ("host", *(node.name for node in layout.nodes))
    return (
        "link set lo up",
        "link add br0 type bridge",
        *(f"link set {port} master br0 up" for port in ports),
        f"address add {ROUTER_ADDRESS}/24 dev br0",
        "link set br0 up",
        *(f"route add {node.pods} via {node.address}" for node in layout.nodes),
    )


def in_node(address: str) -> Sequence[str]:
    """And in a node."""
    return (
        "link set lo up",
        f"address add {address}/24 dev eth0",
        "link set eth0 up",
        f"route add default via {ROUTER_ADDRESS}",
    )


def make(layout: Layout) -> None:
    """Make namespaces and cables."""
    (layout.root / "net").mkdir(parents=True, exist_ok=True)
    for namespace in (layout.router, *(node.network for node in layout.nodes)):
        namespace.touch()
        run("unshare", f"--net={namespace}", "true")
    _ip(in_host(layout))
    inside = ("nsenter", f"--net={layout.router}", "--")
    run(*inside, "sysctl", "--quiet", "--write", *_ROUTER)
    _ip(in_router(layout), *inside)
    for node in layout.nodes:
        inside = ("nsenter", f"--net={node.network}", "--")
        run(*inside, "sysctl", "--quiet", "--write", *_FORWARD)
        _ip(in_node(node.address), *inside)


def remove_interface() -> None:
    """Take the host's end away, and with it its route; the rest goes with the namespaces."""
    subprocess.run(("ip", "link", "delete", HOST_INTERFACE), check=False, capture_output=True)  # noqa: S603, S607


def link(layout: Layout, node: str, *, up: bool) -> None:
    """Plug a node's cable in or out."""
    _ip((f"link set {node} {'up' if up else 'down'}",), "nsenter", f"--net={layout.router}", "--")


def _ip(commands: Sequence[str], *inside: str) -> None:
    run(*inside, "ip", "-batch", "-", text="\n".join(commands))
