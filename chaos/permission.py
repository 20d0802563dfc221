"""Whether a target may be broken: it must say so itself, and be on this machine."""

from __future__ import annotations

import os
from collections.abc import Sequence

from app import contract
from chaos.components import DRILLS_OPEN, Member
from chaos.errors import NotSupportedError, TargetClosedError

#: The label of a stack that real users work on. Whoever breaks it repeats the name of its project in writing.
DRILLS_CONFIRM = "confirm"
CONFIRMATION_VARIABLE = "MILLRACE_DRILLS_CONFIRM"
_DOCKER_VARIABLE, _LOCAL = "DOCKER_HOST", "unix:"


def require_open(listed: Sequence[Member], project: str) -> None:
    """See that every container of the target may be broken, and that the dead man's switch can live beside them.

    Raises:
        NotSupportedError: they are on another machine.
        TargetClosedError: says what to do.
    """
    engine = os.environ.get(_DOCKER_VARIABLE, _LOCAL)
    if not engine.startswith(_LOCAL):
        raise NotSupportedError(
            f"The dead man's switch must live where the containers do, and {_DOCKER_VARIABLE} is {engine}: "
            "run the drill on that machine."
        )
    said = {member.drills for member in listed}
    if said == {DRILLS_CONFIRM} and os.environ.get(CONFIRMATION_VARIABLE) != project:
        raise TargetClosedError(
            f"Real users work on {project}. If it shall be broken, write so: {CONFIRMATION_VARIABLE}={project}"
        )
    if said not in ({DRILLS_OPEN}, {DRILLS_CONFIRM}):
        closed = ", ".join(member.service for member in listed if member.drills not in {DRILLS_OPEN, DRILLS_CONFIRM})
        raise TargetClosedError(
            f"The label {contract.DRILLS_LABEL} of {closed or 'its containers'} does not say {DRILLS_OPEN}. "
            f"Start the stack with MILLRACE_DRILLS={DRILLS_OPEN}: make up"
        )
