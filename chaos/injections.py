"""Every fault that this process holds on the one target that it may break, from the lock to the way back."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from app import contract
from chaos.components import Member, members, project_name, select
from chaos.errors import (
    ManagementError,
    NotConfirmedError,
    NotHealedError,
    StepFailedError,
    TargetBusyError,
    TargetMissingError,
)
from chaos.faults import Wanted
from chaos.management import Management, local_access
from chaos.permission import require_open
from chaos.plan import Plan, Scene
from chaos.steps import perform
from chaos.switch import Switch, undo_note
from chaos.waiting import wait_until

#: Erlang calls a silent neighbour lost after 60 s; everything else is seen within seconds.
NOTICE_SECONDS = 100.0
#: Docker gives up at times: "unable to freeze".
_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A fault in place, and what takes it back."""

    plan: Plan
    switch: Switch


@dataclass(slots=True)
class Injections:
    """One a process. Use `held()`: actions and probes are functions, and must meet here."""

    project: str
    folder: Path
    management: Management
    held: list[Held] = field(default_factory=list)
    #: How the containers were when the target was opened: restart policy and processors.
    before: Mapping[str, tuple[str, float]] = field(default_factory=dict)
    _lock: int | None = None

    def open(self) -> None:
        """Take the target for this process, and first take back what an earlier drill could not.

        Raises:
            TargetBusyError: another drill has it.
            TargetClosedError: it may not be broken.
            NotHealedError: what an earlier drill left cannot be taken back.
        """
        if self._lock is not None:
            return
        require_open(members(self.project), self.project)
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for note in sorted(self.folder.glob("*.undo.json")):
                if wrong := undo_note(note):
                    raise NotHealedError(f"What an earlier drill left is still there ({note}): {'; '.join(wrong)}")
        except BlockingIOError as error:
            os.close(lock)
            raise TargetBusyError(f"({self.folder / 'lock'} is locked)") from error
        except BaseException:
            os.close(lock)
            raise
        self._lock = lock
        self.before = {member.service: (member.restart_policy, member.cpus) for member in members(self.project)}

    def plan(self, wanted: Wanted, queue: str) -> list[Plan]:
        """What a fault would do here; nothing is changed."""
        chosen = select(members(self.project), wanted.component, wanted.role, self.management, queue=queue)
        scene = Scene(management=self.management, look=self.look, every=self.every)
        return [wanted.plan(member, scene) for member in chosen]

    def inject(self, wanted: Wanted, *, queue: str = contract.EVENT_QUEUE, deadline_seconds: float) -> dict[str, Any]:
        """Arm the switch, break it, and wait until it shows; returns what was done and when (Unix seconds).

        Raises:
            NotConfirmedError: it does not show.
        """
        self.open()
        plans = self.plan(wanted, queue)
        injected_at = time.time()
        for plan in plans:
            assert self._lock is not None  # noqa: S101 - open did that
            note = self.folder / f"{time.time_ns()}.undo.json"
            switch = Switch(plan.undo, deadline_seconds=deadline_seconds, note=note, lock=self._lock)
            self.held.append(Held(plan=plan, switch=switch))
            for step in plan.inject:
                perform(step, tries=_TRIES)
        if not wait_until(lambda: not self.lacks(), NOTICE_SECONDS):
            raise NotConfirmedError(f"After {NOTICE_SECONDS:.0f} s {self.lacks()}.")
        what = "; ".join(plan.what for plan in plans)
        return {"what": what, "injected_at": injected_at, "confirmed_at": time.time()}

    def lacks(self) -> str:
        """What shows that not every fault is in place; empty while they are."""
        if not self.held:
            return "nothing is injected"
        for each in self.held:
            if not each.switch.alive:
                return f"the fault was taken back before its time ({each.plan.what})"
            try:
                if lack := each.plan.lacks():
                    return lack
            except (ManagementError, StepFailedError) as error:
                return str(error)
        return ""

    def take_back(self) -> list[str]:
        """All of them, the last first; returns what went wrong. May be asked any number of times."""
        wrong: list[str] = []
        while self.held:
            # It is held until its way back has ended: an interrupt in the middle leaves it to the next call.
            wrong += self.held[-1].switch.take_back()
            self.held.pop()
        return wrong

    def close(self) -> None:
        """Leave the target to others."""
        self.take_back()
        self.management.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def look(self, member: Member) -> Member:
        """The same container as it is now.

        Raises:
            TargetMissingError: it is gone.
        """
        for now in members(self.project):
            if now.identifier == member.identifier:
                return now
        raise TargetMissingError(f"The container of {member.service} is gone.")

    def every(self, component: str) -> tuple[Member, ...]:
        """The members of a component, running or not.

        Raises:
            TargetMissingError: there is none.
        """
        found = tuple(member for member in members(self.project) if member.component == component)
        if not found:
            raise TargetMissingError(f"The target has no {component}.")
        return found


def release() -> None:
    """Take back what this process holds, if it holds anything, and leave the target to others."""
    if held.cache_info().currsize:
        held().close()
        held.cache_clear()


@lru_cache(maxsize=1)
def held() -> Injections:
    """This process's."""
    state = Path(os.environ.get("MILLRACE_STATE_DIR", ".millrace")).resolve()
    return Injections(project=project_name(), folder=state / "drills", management=Management(local_access()))
