"""Tasks of hours, in steps: each step commits with its checkpoint, and a message holds a bounded slice of them.

    @in_steps(slice_seconds=20, key="range_id", http=True)
    def count_primes(job: Range, position: Position, tx: Transaction) -> Position | None: ...

The function does one step and returns the state of the next step, or None at the end. After `slice_seconds` the task
goes on as a new message, which the step's commit sends. So a deploy waits for one slice at most, and no message reaches
the broker's consumer timeout. After a kill the task goes on with the step after the last committed one.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, get_args, get_type_hints

import structlog
from celery.exceptions import Ignore
from pydantic import BaseModel
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DataError

from app import contract
from app.brokers.transactional import in_transaction
from app.errors import ComeBackLaterError, DeclarationError, JobRevokedError, PoisonError
from app.kinds import Transaction, once
from app.kinds.declared import DeclaredTask, OnceTask, poison
from app.kinds.metrics import count_effects
from app.settings import load
from app.storage import checkpoints, inbox
from app.storage.checkpoints import Checkpoint
from app.storage.engine import engine

log = structlog.get_logger(__name__)

#: A third of the usual soft time limit.
SLICE_SECONDS = 20.0

Step = Callable[..., BaseModel | None]


class SteppedTask(OnceTask):
    """Runs steps until the task ends or its slice is over."""

    abstract = True
    #: The user's function, which does a step; the name and the model of its parameter for the state.
    step: ClassVar[Step]
    state_name: ClassVar[str]
    state_model: ClassVar[type[BaseModel]]
    slice_seconds: ClassVar[float]

    def execute(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Run a slice.

        Raises:
            Ignore: the task goes on as another message, so this message has no result.
            JobRevokedError: the job was revoked; the effects of its committed steps stay.
        """
        arguments = self.decoded(self.arguments(args, kwargs))
        # In a pool whose tasks have less time a slice is shorter, so that its last step fits.
        over_at = time.monotonic() + min(self.slice_seconds, load().task_soft_time_limit_seconds / 3)
        while self.patiently(lambda: self._do_step(arguments, over_at)):
            pass

    def _do_step(self, arguments: Mapping[str, Any], over_at: float) -> bool:
        """Do a step in a transaction. Returns whether this slice has more steps."""
        run_id, paused = self.dedupe_key, self.paused
        with engine().begin() as connection:
            checkpoint = checkpoints.lock(connection, run_id, self.name, self.job_id)
            if checkpoint is None:
                return True  # another delivery ended the task meanwhile: look again
            if checkpoint.ended:
                checkpoints.remove(connection, run_id)
                count_effects(stored=0, duplicate=1)
                return False
            if checkpoint.slice != self._slice:
                self._wait_or_take_over(connection, checkpoint)
            if self.job_id is not None and inbox.revoked_jobs(connection, [self.job_id]):
                raise JobRevokedError(f"({self.job_id})")
            state = self._next(connection, checkpoint, arguments)
            if state is not None:
                is_over = time.monotonic() >= over_at or paused
                slice_ = self._slice + is_over
                checkpoints.keep(connection, run_id, job_id=self.job_id, slice_=slice_, state=state.model_dump_json())
                if is_over:
                    self._send_next(connection, slice_)
            else:
                checkpoints.remove(connection, run_id)
                inbox.enter(connection, {run_id: self.job_id}, attempt=self.attempt)
        if state is None:
            count_effects(stored=1, duplicate=0)
        elif is_over:
            log.info("task_goes_on", run_id=str(run_id), slice=slice_, steps=checkpoint.steps + 1)
            raise Ignore(f"goes on in slice {slice_}")
        return state is not None

    def _wait_or_take_over(self, connection: Connection, checkpoint: Checkpoint) -> None:
        """Return if the task's newest message is another job's, which was revoked: no other message would go on.

        Raises:
            Ignore: this is a second delivery; the task is in a later message of the same job.
            ComeBackLaterError: another job does the same, and may yet be revoked.
            PoisonError: retention has forgotten the checkpoint of this message.
        """
        if checkpoint.state is None and self._slice:
            raise PoisonError(f"the checkpoint of slice {self._slice} is gone: send the task anew")
        if checkpoint.job_id == self.job_id:
            raise Ignore(f"slice {self._slice} is over")
        if checkpoint.job_id is None or not inbox.revoked_jobs(connection, [checkpoint.job_id]):
            raise ComeBackLaterError(f"(job {checkpoint.job_id} does the same)", delay_seconds=self.slice_seconds)

    def _next(self, connection: Connection, checkpoint: Checkpoint, arguments: Mapping[str, Any]) -> BaseModel | None:
        model = self.state_model
        state = model() if checkpoint.state is None else model.model_validate_json(checkpoint.state)
        try:
            with in_transaction(connection):
                return type(self).step(
                    **arguments, **{self.state_name: state}, **self.transaction(connection, [self.job_id])
                )
        except DataError as error:
            raise poison(error) from None

    def _send_next(self, connection: Connection, slice_: int) -> None:
        """Send the task again like a retry, but with all attempts, and without expiry because the task has begun."""
        again = self.signature_from_request(self.request, retries=0, expires=None)
        again.options["headers"] = {**again.options["headers"], contract.MESSAGE_SLICE: slice_}
        with in_transaction(connection):
            again.apply_async()

    @property
    def _slice(self) -> int:
        return int(getattr(self.request, contract.MESSAGE_SLICE, None) or 0)


def in_steps(*, slice_seconds: float = SLICE_SECONDS, **options: Any) -> Callable[[Step], DeclaredTask]:
    """Declare a task whose function does one step: `step(item: Item, state: State, tx) -> State | None`.

    Item and State are pydantic models; the first step gets `State()`. Options are those of `once`.
    slice_seconds: after this time, or a third of the pool's soft time limit, the task goes on as another message.

    Raises:
        DeclarationError: the task cannot work as declared; the message says why.
    """

    def decorate(function: Step) -> DeclaredTask:
        where = f"{function.__module__}:{function.__name__}"
        if not slice_seconds > 0:
            raise DeclarationError(f"({where}: slice_seconds must be above 0)")
        item, state, tx = _parameters(function, where)
        runs_as = type(
            "SteppedTask", (SteppedTask,),
            {
                "abstract": True, "step": staticmethod(function), "state_name": state,
                "state_model": get_type_hints(function)[state], "slice_seconds": slice_seconds,
            },
        )  # fmt: skip
        declared = {"name": function.__name__, "runs_as": runs_as, **options}
        return once(**declared)(_without_state(function, item, tx))

    return decorate


def _parameters(function: Step, where: str) -> tuple[str, str, str]:
    hints, names = get_type_hints(function), list(inspect.signature(function).parameters)
    state = hints.get(names[1]) if len(names) == len(("item", "state", "transaction")) else None
    if not isinstance(state, type) or not issubclass(state, BaseModel) or hints.get(names[2]) is not Transaction:
        raise DeclarationError(f"({where}: takes an item, a state and a Transaction, in this order)")
    if any(field.is_required() for field in state.model_fields.values()):
        raise DeclarationError(
            f"({where}: {state.__name__} needs a default for each member: a task begins with {state.__name__}())"
        )
    if set(get_args(hints.get("return"))) != {state, type(None)}:
        raise DeclarationError(f"({where}: returns {state.__name__} | None)")
    return names[0], names[1], names[2]


def _without_state(function: Step, item: str, tx: str) -> Callable[..., None]:
    """A function with the signature that senders see: without the state."""

    def run(**_: Any) -> None:
        raise RuntimeError(f"{function.__name__} runs in steps: send it with delay()")

    hints = get_type_hints(function)
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    run.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in (item, tx)])  # type: ignore[attr-defined]  # inspect reads it
    run.__annotations__ = {item: hints[item], tx: Transaction}
    run.__module__, run.__name__, run.__doc__ = function.__module__, function.__name__, function.__doc__
    return run
