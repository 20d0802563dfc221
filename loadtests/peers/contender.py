"""The contenders: each peer as two commands in containers of one image, and Millrace as it runs."""

from __future__ import annotations

from dataclasses import dataclass

_PROGRAMS = "loadtests.peers.programs"
#: Celery's own default is a process for each processor; this says the two of the machine that the figures are of.
PROCESSES = 2


def _gateway(program: str) -> tuple[str, ...]:
    """One process, as Millrace's gateway has."""
    return ("uvicorn", f"{_PROGRAMS}.{program}:api", "--host", "0.0.0.0", "--port", "8080", "--no-access-log")  # noqa: S104 - in a container


def _celery(program: str) -> tuple[str, ...]:
    return ("celery", "-A", f"{_PROGRAMS}.{program}", "worker", "--concurrency", str(PROCESSES))


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A program of loadtests/peers/programs."""

    name: str
    title: str
    gateway: tuple[str, ...]
    worker: tuple[str, ...]
    #: Run once before the others.
    prepare: tuple[str, ...] = ()
    #: Of RabbitMQ; empty if it has none, or if it is not asked to survive the loss of its leader.
    queue: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """Millrace, whose containers run already."""

    name: str
    title: str
    #: Events of one request; more than one are sent as a list.
    events_a_request: int
    connections: int


Contender = Peer | Ours

CELERY_PLAIN = Peer(
    name="celery_plain",
    title="Celery, no options",
    gateway=_gateway("celery_plain"),
    worker=_celery("celery_plain"),
    queue="celery",
)
CELERY_DURABLE = Peer(
    name="celery_durable",
    title="Celery, every durability option",
    gateway=_gateway("celery_durable"),
    worker=_celery("celery_durable"),
    queue="durable",
)
OTHERS = (
    Peer(
        name="dramatiq",
        title="Dramatiq",
        gateway=_gateway("on_dramatiq"),
        worker=("python", "-m", "dramatiq", f"{_PROGRAMS}.on_dramatiq", "--processes", str(PROCESSES)),
    ),
    Peer(
        name="taskiq",
        title="Taskiq",
        gateway=_gateway("on_taskiq"),
        worker=("python", "-m", "taskiq", "worker", f"{_PROGRAMS}.on_taskiq:broker", "--workers", str(PROCESSES)),
    ),
    Peer(
        name="procrastinate",
        title="Procrastinate",
        gateway=_gateway("on_procrastinate"),
        worker=(
            "python",
            "-m",
            "procrastinate",
            "--app",
            f"{_PROGRAMS}.on_procrastinate.app",
            "worker",
            "--concurrency",
            "8",
        ),
        prepare=("python", "-m", "procrastinate", "--app", f"{_PROGRAMS}.on_procrastinate.app", "schema", "--apply"),
    ),
)
SINGLES = Ours(name="millrace", title="Millrace, single events", events_a_request=1, connections=32)
LISTS = Ours(name="millrace_lists", title="Millrace, lists of 1,000", events_a_request=1_000, connections=2)
ALL: tuple[Contender, ...] = (CELERY_PLAIN, CELERY_DURABLE, *OTHERS, SINGLES, LISTS)
#: Those whose worker and whose queue's leader are killed.
KILLED: tuple[Contender, ...] = (CELERY_PLAIN, CELERY_DURABLE, SINGLES)
