"""Every failure of the application; a class's docstring is its message, so the list below is also the manual."""

from __future__ import annotations


class MillraceError(Exception):
    """Something went wrong."""

    def __init__(self, detail: str = "") -> None:
        """Say the docstring's first line, then what was seen."""
        summary = (type(self).__doc__ or "").strip().splitlines()[0]
        super().__init__(f"{summary} {detail}".strip())
        self.detail = detail


class SettingsError(MillraceError):
    """A setting is missing or wrong; set the variable named here and start again."""


class DependencyAwayError(MillraceError):
    """PostgreSQL or Redis cannot be reached; nothing was changed, try again when it is back."""


class ObjectStoreAwayError(MillraceError):
    """S3 cannot be reached, or refuses this role; nothing was changed, try again when it is back."""


class NotReadyError(MillraceError):
    """What this process needs is not there; `python -m app migrate` and `python -m app topology` make it."""


class LoginsRefusedError(MillraceError):
    """A server did not take our logins; its administrator's password or its version may be another one."""


class PoisonError(MillraceError):
    """This can never be executed as it is; it goes to the dead letters without another try."""


class ObjectMissingError(PoisonError):
    """S3 does not have this content; upload it, and replay what refers to it."""


class ObjectDamagedError(PoisonError):
    """What S3 holds is not what was stored under this hash; delete it, upload the content, and replay."""


class ItemRefusedError(PoisonError):
    """The task's model does not take this item; replay it when the model does."""


class LineTooLongError(PoisonError):
    """A line of an upload is longer than its reader takes; cut it, and upload the new content."""


class ComeBackLaterError(MillraceError):
    """The task's message comes back later, at the same attempt; nothing failed."""

    def __init__(self, detail: str = "", *, delay_seconds: float) -> None:
        """Say after how many seconds the message comes back."""
        super().__init__(detail)
        self.delay_seconds = delay_seconds


class PausedError(MillraceError):
    """The task or its queue is paused; its message waits for the resume, at the same attempt."""


class FarSideBusyError(MillraceError):
    """Another system did not do the call; the task calls again, no sooner than that system said."""

    def __init__(self, detail: str = "", *, after_seconds: float = 0.0, surely_not_done: bool = False) -> None:
        """Say after how many seconds the other system may be called, and whether the call surely had no effect."""
        super().__init__(detail)
        self.after_seconds = after_seconds
        self.surely_not_done = surely_not_done


class LineFullError(MillraceError):
    """Too many items wait in this line; send again when some have ended."""


class DeclarationError(MillraceError):
    """A task is declared in a way that cannot work (docs/tasks.md)."""


class BatchResultError(MillraceError):
    """A task in batches hands no result on: a batch may be executed in parts; link to a task that it sends itself."""


class ChordHeaderError(MillraceError):
    """A chord's header takes tasks, chords, and chains that do not end in a group."""


class ChordWaitsError(MillraceError):
    """The body of a chord cannot be sent now; the last part is reported again until it can."""


class TaskPackageError(MillraceError):
    """A module of tasks cannot be imported; mend it, or take it out of MILLRACE_TASK_PACKAGES."""


class TaskSchemaError(MillraceError):
    """PostgreSQL refuses the statements that a task declares as its schema."""


class JobRevokedError(MillraceError):
    """The job of this message was revoked: its items are not executed any more."""


class DrillError(MillraceError):
    """A drill failed, as it was asked to."""


class UnwritableMessageError(MillraceError):
    """The broker cannot carry this message."""


class NotOnThisBrokerError(MillraceError):
    """The broker of this deployment cannot do that (docs/brokers.md)."""


class QueueNotDeclaredError(MillraceError):
    """No queue of this name is declared; declare it (docs/queues.md), or name one that is."""


class QueueStillUsedError(MillraceError):
    """This queue cannot be removed; one that holds work is declared until its workers have emptied it."""


class PauseError(MillraceError):
    """This cannot be paused or resumed as asked."""


class ScheduleNotFoundError(MillraceError):
    """Beat has seen no schedule of this name; `python -m app schedules list` shows the names."""


class DeadLetterNotFoundError(MillraceError):
    """No dead letter has this id; `python -m app dead-letters list` shows those there are."""


class ReplayRefusedError(MillraceError):
    """This dead letter cannot be replayed as asked."""


class SelectionError(MillraceError):
    """The dead letters meant are not clear."""


class ApiKeyNotFoundError(MillraceError):
    """No API key has this id; `python -m app api-keys list` shows those there are."""
