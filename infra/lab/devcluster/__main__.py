"""`python -m infra.lab.devcluster`: up, down, status, load-images, link, kubeconfig.

With kind where Docker can pull its images, otherwise from Go modules (and always so with MILLRACE_DEVCLUSTER=modules).
"""

from __future__ import annotations

import os
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console

from infra.lab.devcluster import cluster as clusters, images, kind, network
from infra.lab.devcluster.cluster import Cluster
from infra.lab.devcluster.waiting import DevclusterError
from infra.lab.toolchain import ToolError
from infra.local.progress import Steps
from infra.local.state import State

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
console = Console(soft_wrap=True)

#: Chooses; see above.
MODULES = "MILLRACE_DEVCLUSTER"


@app.command()
def up() -> None:
    """Build and start a three-node cluster, and wait until everything in it works."""
    cluster = Cluster()
    with clusters.locked(cluster.layout), Steps(State.default(), console) as steps:
        if _with_kind(cluster):
            kind.up(steps)
        else:
            clusters.up(cluster, steps)
    console.print("export KUBECONFIG=", end="")
    kubeconfig()


@app.command()
def down() -> None:
    """Remove the cluster and every trace of it."""
    cluster = Cluster()
    with clusters.locked(cluster.layout), Steps(State.default(), console) as steps:
        if kind.exists():
            kind.down(steps)
        else:
            clusters.down(cluster, steps)


@app.command()
def status() -> None:
    """Show every process, and every node that is not ready."""
    cluster = Cluster()
    states = cluster.supervisor.states()
    if not states:
        console.print("kind has one" if kind.exists() else "nothing runs; `make cluster` starts it")
        raise typer.Exit(0 if kind.exists() else 1)
    lines = [*states.items()]
    for node in cluster.layout.nodes:
        lines += [(f"{node.name}: {name}", state) for name, state in cluster.node_supervisor(node).states().items()]
    for name, state in lines:
        console.print(f"{name:<28} [{'green' if state == 'RUNNING' else 'red'}]{state}[/]", highlight=False)
    for name in clusters.unready_nodes(cluster):
        console.print(f"[red]{name} is not ready[/]")


@app.command()
def load_images(names: Annotated[list[str], typer.Argument(help="as Docker calls them")]) -> None:
    """Copy images from Docker into every node that lacks them."""
    if kind.exists():
        kind.load_images(names)
    else:
        images.load_from_docker(Cluster().layout, names)


class Cable(StrEnum):
    """A node's connection to all others."""

    UP = "up"
    DOWN = "down"


@app.command()
def link(node: Annotated[str, typer.Argument(help="node-1, ...")], state: Annotated[Cable, typer.Argument()]) -> None:
    """Pull a node's cable, or put it back: the node lives on, alone."""
    layout = Cluster().layout
    if node not in {each.name for each in layout.nodes}:
        raise DevclusterError(f"there is no node {node!r}; there are: {', '.join(each.name for each in layout.nodes)}")
    network.link(layout, node, up=state is Cable.UP)


@app.command()
def kubeconfig() -> None:
    """Print where the administrator's kubeconfig is."""
    console.print(str(kind.kubeconfig() if kind.exists() else Cluster().layout.kubeconfig), highlight=False)


def _with_kind(cluster: Cluster) -> bool:
    return kind.exists() or (os.environ.get(MODULES) != "modules" and not cluster.runs and kind.usable())


if __name__ == "__main__":
    try:
        app()
    except (DevclusterError, ToolError) as error:
        console.print("[red]failed[/]")
        console.print(str(error), markup=False, highlight=False)
        raise SystemExit(1) from error
