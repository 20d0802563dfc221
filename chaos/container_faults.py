"""Faults of one container: its processes die, stand still, start again, or get little of a processor."""

from __future__ import annotations

from chaos.components import Member
from chaos.errors import NotSupportedError
from chaos.plan import Plan, Scene
from chaos.steps import docker

#: Docker's own default, after which it kills.
_STOP_SECONDS = "10"


def kill(member: Member, scene: Scene) -> Plan:
    """SIGKILL to every process, and dead until it is taken back.

    The restart policy is taken off first: Docker must not start it again while it is to be dead.
    """

    def lacks() -> str:
        now = scene.look(member)
        if now.running:
            return f"{member.service} runs"
        return "" if now.started_at == member.started_at else f"{member.service} was started in between"

    return Plan(
        what=f"SIGKILL to {member.service}",
        inject=(
            docker("update", "--restart", "no", member.identifier),
            docker("kill", "--signal", "KILL", member.identifier, already="is not running"),
        ),
        undo=(
            docker("start", member.identifier),
            docker("update", "--restart", member.restart_policy, member.identifier),
        ),
        lacks=lacks,
    )


def pause(member: Member, scene: Scene) -> Plan:
    """Freeze every process where it stands: sockets stay open, and nothing answers."""
    return Plan(
        what=f"freeze {member.service}",
        inject=(docker("pause", member.identifier, already="already paused"),),
        undo=(docker("unpause", member.identifier, already="is not paused"),),
        lacks=lambda: "" if scene.look(member).paused else f"{member.service} is not frozen",
    )


def restart(member: Member, scene: Scene) -> Plan:
    """SIGTERM, then start again: what a person does first. Nothing is left to take back but a start that failed."""

    def lacks() -> str:
        now = scene.look(member)
        if not now.running:
            return f"{member.service} does not run"
        return f"{member.service} was not started again" if now.started_at == member.started_at else ""

    return Plan(
        what=f"restart {member.service}",
        inject=(docker("restart", "--time", _STOP_SECONDS, member.identifier),),
        undo=(docker("start", member.identifier),),
        lacks=lacks,
    )


def starve(member: Member, scene: Scene, *, cpus: float) -> Plan:
    """Leave it a share of one processor.

    Raises:
        NotSupportedError: it has no limit to go back to.
    """
    if not member.cpus:
        raise NotSupportedError(f"{member.service} has no limit of processors that could be set back.")

    def lacks() -> str:
        now = scene.look(member).cpus
        return "" if now == cpus else f"{member.service} may use {now:g} processors"

    return Plan(
        what=f"leave {member.service} {cpus:g} of a processor",
        inject=(docker("update", "--cpus", f"{cpus:g}", member.identifier),),
        undo=(docker("update", "--cpus", f"{member.cpus:g}", member.identifier),),
        lacks=lacks,
    )
