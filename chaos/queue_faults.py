"""Mistakes of a tired operator at a queue: purged or deleted, with what it held. `reconcile` is the way back."""

from __future__ import annotations

import json

from app import contract
from chaos.components import Member
from chaos.node_faults import rabbitmqctl
from chaos.operator import operate
from chaos.plan import Plan, Scene
from chaos.steps import Step, docker, perform

_VHOST = ("-p", contract.VHOST)
#: The reconciler takes a message for lost if its item is older than this and has not ended. A message that is only slow
#: is then sent twice and has its effect once. The fault is held for twice this time, so each lost one is old enough.
_LOST_AFTER_SECONDS = 7.0


def purge(member: Member, scene: Scene, *, name: str) -> Plan:
    """Purge a queue. The fault did not happen if the queue was empty."""
    before = least = _waiting(member).get(name, 0)

    def lacks() -> str:
        # It fills again at once, so the least of all looks counts.
        nonlocal least
        least = min(least, _waiting(member).get(name, 0))
        return "" if least < before else f"queue {name} has lost none of its {before} messages"

    return Plan(
        what=f"purge queue {name} of {before} messages",
        inject=(rabbitmqctl(member, "purge_queue", *_VHOST, name),),
        undo=(_reconcile(scene),),
        lacks=lacks,
    )


def delete_queue(member: Member, scene: Scene, *, name: str) -> Plan:
    """Delete a queue with what it holds; the topology declares it again."""
    [topology] = scene.every("topology")

    def lacks() -> str:
        return f"queue {name} is there" if name in _waiting(member) else ""

    return Plan(
        what=f"delete queue {name}",
        inject=(rabbitmqctl(member, "delete_queue", *_VHOST, name),),
        undo=(docker("start", "--attach", topology.identifier), _reconcile(scene)),
        lacks=lacks,
    )


def _reconcile(scene: Scene) -> Step:
    hours = _LOST_AFTER_SECONDS / 3600
    return operate(
        scene.every("relay")[0],
        "reconcile", "--older-than-seconds", f"{_LOST_AFTER_SECONDS:g}", "--busy-older-than-hours", f"{hours:.5f}",
    )  # fmt: skip


def _waiting(member: Member) -> dict[str, int]:
    """How many messages of each queue wait; asked of the queues themselves, not of statistics."""
    said = perform(
        rabbitmqctl(member, "--quiet", "list_queues", *_VHOST, "name", "messages_ready", "--formatter", "json")
    )
    return {each["name"]: each["messages_ready"] for each in json.loads(said)}
