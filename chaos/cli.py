"""`python -m chaos <fault>`: evidence as JSON lines on standard output, words for people on standard error."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from types import FrameType
from typing import Annotated, Any

import typer

from chaos import broker_faults, drills_cli
from chaos.cluster import service_of
from chaos.containers import ComposeTarget
from chaos.drain import drain as drain_node
from chaos.errors import ChaosError, DrillInterruptedError, NotSupportedError
from chaos.injections import release
from chaos.kill_leader import Bounds, kill_and_heal
from chaos.kill_worker import kill_worker
from chaos.kubernetes_target import KubernetesTarget
from chaos.node_loss import lose_node as lose
from chaos.rolling import rolling_restart as roll
from chaos.workloads import deployments

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Faults on purpose, each with its proof.")

#: Below this nothing has to notice; above it a drill outlives its load.
MIN_DEAD_SECONDS = 1.0
MAX_DEAD_SECONDS = 600.0


Dead = Annotated[float, typer.Option(min=MIN_DEAD_SECONDS, max=MAX_DEAD_SECONDS, help="How long the node stays dead.")]
Seconds = Annotated[float, typer.Option(min=MIN_DEAD_SECONDS, max=MAX_DEAD_SECONDS, help="How long it lasts.")]
Host = Annotated[str, typer.Argument(help="The broker's host: rabbitmq-1")]
Queue = Annotated[str, typer.Argument(help="The queue that it works on: bulk")]
Node = Annotated[str, typer.Argument(help="A node of the Kubernetes cluster")]


class Place(StrEnum):
    """Where Millrace runs."""

    COMPOSE = "compose"
    KUBERNETES = "kubernetes"


@app.callback()
def main(
    context: typer.Context,
    target: Annotated[Place, typer.Option(help="`make up` or `make staging`")] = Place.COMPOSE,
) -> None:
    """Faults on purpose, each with its proof and its way back."""
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)
    context.obj = target


app.command("list")(drills_cli.list_experiments)
app.command("drill")(drills_cli.drill)
app.command("drills")(drills_cli.drills)


@app.command("kill-busiest-leader")
def kill_busiest_leader(context: typer.Context, dead_seconds: Dead = 32.0) -> None:
    """SIGKILL the RabbitMQ node that leads the busiest queue and carries a worker's connection; start it again."""
    with _evidence():
        target = _target(context)
        kill_and_heal(
            target.management(),
            lambda node: target.broker(service_of(node)),
            say,
            Bounds(dead_seconds=dead_seconds),
        )


@app.command("kill-worker")
def kill_worker_of(context: typer.Context, queue: Queue, dead_seconds: Dead = 32.0) -> None:
    """SIGKILL the local worker of a queue; start it again."""
    with _evidence():
        if context.obj is not Place.COMPOSE:
            raise NotSupportedError("It is for the local stack; on Kubernetes delete the pod.")
        kill_worker(ComposeTarget().worker(queue), say, dead_seconds=dead_seconds)


@app.command("kill-redis-broker")
def kill_redis_broker(context: typer.Context, dead_seconds: Dead = 32.0) -> None:
    """SIGKILL the local Redis that is the broker; start it again."""
    with _evidence():
        if context.obj is not Place.COMPOSE:
            raise NotSupportedError("It is for the local stack; Redis is no broker on Kubernetes.")
        kill_worker(ComposeTarget().redis_broker(), say, dead_seconds=dead_seconds, kind="kill-redis-broker")


@app.command("kill-broker")
def kill_broker(context: typer.Context, host: Host, dead_seconds: Dead = 20.0) -> None:
    """SIGKILL one RabbitMQ node, and keep it dead for a while."""
    with _evidence():
        broker_faults.kill(_kubernetes(context), host, dead_seconds, say)


@app.command("pause-broker")
def pause_broker(context: typer.Context, host: Host, seconds: Seconds = 20.0) -> None:
    """Stop one RabbitMQ node where it stands: its connections stay open, and nothing answers."""
    with _evidence():
        broker_faults.pause(_kubernetes(context), host, seconds, say)


@app.command("partition-broker")
def partition_broker(context: typer.Context, host: Host, seconds: Seconds = 40.0) -> None:
    """Part one RabbitMQ node from the others, but not from its clients."""
    with _evidence():
        broker_faults.partition(_kubernetes(context), host, seconds, say)


@app.command()
def drain(context: typer.Context, node: Node) -> None:
    """Evict Millrace's pods from a node, let them come back, and see that a quorum of brokers was always ready."""
    with _evidence():
        drain_node(_kubernetes(context), node, say)


@app.command("lose-node")
def lose_node(context: typer.Context, node: Node, seconds: Seconds = 45.0) -> None:
    """Pull a node's cable, and put it back."""
    with _evidence():
        lose(_kubernetes(context), node, seconds, say)


@app.command("restart-brokers")
def restart_brokers(context: typer.Context) -> None:
    """Restart RabbitMQ's nodes one after the other."""
    with _evidence():
        roll(_kubernetes(context), "statefulset", ["rabbitmq"], say)


@app.command("restart-application")
def restart_application(context: typer.Context) -> None:
    """Roll every Deployment of the application at once."""
    with _evidence():
        target = _kubernetes(context)
        roll(target, "deployment", deployments(target), say)


def _target(context: typer.Context) -> ComposeTarget | KubernetesTarget:
    return ComposeTarget() if context.obj is Place.COMPOSE else KubernetesTarget.connect()


def _kubernetes(context: typer.Context) -> KubernetesTarget:
    if context.obj is Place.COMPOSE:
        message = "Say --target kubernetes. For the local stack there are experiments: `make drills-list`."
        raise NotSupportedError(message)
    return KubernetesTarget.connect()


@contextmanager
def _evidence() -> Iterator[None]:
    """Write an error as the last line of the evidence, and exit with 1."""
    try:
        yield
    except ChaosError as error:
        say({"event": "failed", "error": str(error)})
        raise typer.Exit(1) from error
    finally:
        release()


def say(record: dict[str, Any]) -> None:
    """One line of evidence, out at once: whoever waits for it must not wait for a buffer."""
    sys.stdout.write(json.dumps(record) + "\n")
    sys.stdout.flush()
    sys.stderr.write(f"{record.get('event')}: {', '.join(f'{k}={v}' for k, v in record.items() if k != 'event')}\n")


def _interrupt(signum: int, _frame: FrameType | None) -> None:
    """End in order: the drill's `finally` starts the node again, undisturbed by a second signal."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise DrillInterruptedError(signal.Signals(signum).name)
