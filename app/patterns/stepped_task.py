"""The task that `in_steps` declares: it runs the steps of one slice, each in a transaction with its checkpoint."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import structlog
from celery.exceptions import Ignore
from pydantic import BaseModel
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DataError

from app import contract
from app.brokers.transactional import in_transaction
from app.errors import ComeBackLaterError, JobRevokedError, PoisonError
from app.kinds.declared import OnceTask, poison
from app.kinds.metrics import count_effects
from app.settings import load
from app.storage import checkpoints, inbox
from app.storage.checkpoints import Checkpoint
from app.storage.engine import engine

log = structlog.get_logger(__name__)

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
