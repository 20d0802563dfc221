"""What an experiment may ask of its target. Chaos Toolkit calls these functions and compares what they return."""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from app import contract
from chaos.components import Member, members
from chaos.errors import ManagementError, NotConfirmedError
from chaos.injections import held
from chaos.waiting import wait_until

#: What `whole` says when all is well, and so the tolerance of every steady state.
WHOLE = "whole"
_ANSWER_SECONDS = 5.0


def whole(within_seconds: float = 180.0) -> str:
    """`whole` when every part of the target works, as it was before the drill; else what is not so when time is up."""
    problem = ""

    def well() -> bool:
        nonlocal problem
        problem = "; ".join(_problems())
        return not problem

    held().open()
    wait_until(well, within_seconds, every_seconds=1.0)
    return problem or WHOLE


def stays(seconds: float) -> str:
    """Hold the faults for so long, and see that they are in place all the while: the evidence that they happened.

    Raises:
        NotConfirmedError: one was not.
    """
    until = time.monotonic() + seconds
    while True:
        if lack := held().lacks():
            raise NotConfirmedError(f"{lack}.")
        rest = until - time.monotonic()
        if rest <= 0:
            return f"in place for {seconds:g} s"
        time.sleep(min(rest, 1.0))


def _problems() -> Iterator[str]:
    listed = members(held().project)
    yield from containers_problems(listed, dict(held().before))
    yield from _broker_problems(listed)
    yield from _gateway_problems()


def containers_problems(listed: tuple[Member, ...], before: dict[str, tuple[str, float]]) -> Iterator[str]:
    """Containers that do not run, are unhealthy, or have other limits than before the drill."""
    for member in listed:
        once = member.restart_policy == "no" and member.exit_code == 0
        if not member.running and not once:
            yield f"{member.service} ended with {member.exit_code}"
        elif member.paused:
            yield f"{member.service} is frozen"
        elif member.running and member.health not in {"", "healthy"}:
            yield f"{member.service} is {member.health}"
        was, now = before.get(member.service), (member.restart_policy, member.cpus)
        if was not in {None, now}:
            yield f"{member.service} has restart policy and processors {now}, and had {was}"


def _broker_problems(listed: tuple[Member, ...]) -> Iterator[str]:
    management = held().management
    nodes = [member for member in listed if member.component == "rabbitmq"]
    roles = {member.role for member in listed if member.component == "worker" and member.running}
    try:
        missing = [name for name in management.nodes() if not management.running(name)]
        if missing or len(management.nodes()) < len(nodes):
            yield f"RabbitMQ's nodes do not all run: {', '.join(missing) or management.nodes()}"
        yield from (f"RabbitMQ has an alarm: {alarm}" for alarm in management.alarms())
        consumed = {consumer.queue for consumer in management.consumers()}
        queues = {queue.name: queue for queue in management.queues()}
        for name in sorted(roles & set(contract.queue_names())):
            if name not in queues:
                yield f"queue {name} is missing"
            elif name not in consumed:
                yield f"queue {name} has no consumer"
            elif set(queues[name].online) != set(queues[name].members):
                yield f"queue {name} lacks a replica"
    except ManagementError as error:
        yield str(error)


def _gateway_problems() -> Iterator[str]:
    state = Path(os.environ.get("MILLRACE_STATE_DIR", ".millrace")).resolve()
    url = f"https://localhost:{os.environ.get('MILLRACE_PORT_GATEWAY', contract.PORT_GATEWAY)}/readyz"
    context = ssl.create_default_context(cafile=str(state / "secrets" / "client" / "ca.crt"))
    try:
        answer = httpx.get(url, verify=context, timeout=_ANSWER_SECONDS, trust_env=False)
    except httpx.HTTPError as error:
        yield f"the gateway does not answer: {error}"
        return
    if not answer.is_success:
        yield f"the gateway is not ready: {answer.status_code} {answer.text[:200]}"
