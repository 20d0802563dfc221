"""The load balancer before the nodes: one address that stays, whichever node is lost. HAProxy, on the host.

It passes TCP on and ends no TLS: certificates are the ingress's business, as behind a cloud's own.
"""

from __future__ import annotations

from pathlib import Path

from infra.lab.devcluster.addons import INGRESS_PORT
from infra.lab.devcluster.layout import LOAD_BALANCER_ADDRESS, LOAD_BALANCER_PORT, Layout
from infra.lab.devcluster.programs import Program

NAME = "load-balancer"
#: After the nodes: until they answer it refuses connections, as it does when all are lost.
PRIORITY = 50
FILE = "haproxy.cfg"
_DEFAULTS = (
    "mode tcp",
    "balance leastconn",
    # A node that vanishes does not refuse: a second is long on one machine, and the next try goes elsewhere.
    "timeout connect 1s",
    "retries 3",
    "option redispatch",
    # Longer than any pause of a client that keeps its connection: the ingress closes idle ones itself.
    "timeout client 1h",
    "timeout server 1h",
)
#: Lost after six seconds; who is connected through a lost node is told so, instead of waiting for answers. Answers that
#: are half sent are cut as well: with one or two seconds also those of nodes that were well, on two busy processors.
_CHECK = "check inter 1s fall 6 rise 2 on-marked-down shutdown-sessions"


def settings(layout: Layout) -> str:
    """HAProxy's configuration."""
    sections = {
        "global": ("maxconn 4096",),
        "defaults": _DEFAULTS,
        "listen gateway": (
            f"bind {LOAD_BALANCER_ADDRESS}:{LOAD_BALANCER_PORT}",
            f"default-server {_CHECK}",
            *(f"server {node.name} {node.address}:{INGRESS_PORT}" for node in layout.nodes),
        ),
    }
    return "\n".join(f"{name}\n" + "".join(f"    {line}\n" for line in lines) for name, lines in sections.items())


def write(layout: Layout) -> Path:
    """Put the configuration into the cluster's folder."""
    path = layout.root / FILE
    path.write_text(settings(layout))
    return path


def program(layout: Layout) -> Program:
    """In the foreground, so that the supervisor sees its end."""
    return Program(NAME, ("haproxy", "-db", "-f", str(layout.root / FILE)), priority=PRIORITY)
