"""Celery's Redis backend, changed so that every chord ends even if a worker, the broker or Redis dies meanwhile.

Celery 5.7 counts a part once even if it is delivered twice, and one worker claims the sending of the body. Four of its
ways break our promises, so this module replaces the end of a chord:

- If a worker dies after its claim, the part is delivered again, finds the claim taken and is acknowledged, and the
  chord never ends. Here the part waits until the chord is over or the claim has run out.
- If the broker is away, the body cannot be published and the chord fails. Here the body is published later.
- If Redis goes away between the last part and the body, the chord fails too. Here the part is reported again.
- The result is stored before the part is counted. Here it is stored after (`reporting.PatientReports.mark_as_done`).

If a worker publishes the body and dies before it has recorded that, the body is published again with the same task id.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple
from uuid import uuid4

from celery.backends.redis import RedisBackend, SentinelBackend
from celery.canvas import maybe_signature
from celery.exceptions import ChordError, SoftTimeLimitExceeded
from celery.result import GroupResult, ResultSet
from celery.utils.functional import _regen  # type: ignore[attr-defined]  # not in the stubs
from kombu.exceptions import OperationalError

from app.errors import ChordHeaderError, ChordWaitsError
from app.failpoints import Failpoint, failpoint
from app.results.reporting import PatientReports

#: Longer than a publish may take with its retries (socket time-outs of 10 s). After a crash the chord waits this long.
CLAIM_SECONDS = 30
#: How long Redis remembers that a chord is over. A part that comes later finds no counter, which means the same.
_OVER_SECONDS = 300


class _Count(NamedTuple):
    """What Celery's script returns after it has counted a part."""

    parts: int
    more: bytes | None
    size: bytes | None
    claimed: int

    @property
    def over(self) -> bool:
        return self.parts < 0

    @property
    def complete(self) -> bool:
        return self.size is not None and self.parts == int(self.size) + int(self.more or 0)


class ChordEnds(PatientReports):
    """Our end of a chord, for a single Redis and for one behind sentinels."""

    # Celery subscribes to a result before it publishes the task, and to each member of a group when the group is made.
    # Publishing would then wait for Redis (finding 8), so here `get` subscribes.

    def on_task_call(self, producer: Any, task_id: str) -> dict[str, Any]:
        """Subscribe to nothing; Celery calls this before it publishes a task."""
        return {}

    def add_pending_result(self, result: Any, weak: bool = False, start_drainer: bool = True) -> Any:
        """Subscribe to nothing; Celery calls this when a result object is made."""
        return result

    def _wait_for_pending(self, result: Any, **options: Any) -> Any:
        for one in _each(result):
            super().add_pending_result(one)  # type: ignore[misc]
        return super()._wait_for_pending(result, **options)  # type: ignore[misc]

    def apply_chord(self: Any, header_result_args: Any, body: Any, **options: Any) -> None:
        """Check the header; Celery calls this before the first message of a chord leaves.

        Raises:
            ChordHeaderError: a chain in it ends in a group. Celery would read the results of its tasks, which are not
                kept.
            redis.RedisError: Redis is away. Celery itself notices that only after it has sent all messages but one.
        """
        results = header_result_args[1]
        if not isinstance(results, _regen) and any(isinstance(result, GroupResult) for result in results):
            raise ChordHeaderError
        self.client.ping()

    def on_chord_part_return(
        self: Any, request: Any, state: str, result: Any, propagate: Any = None, **options: Any
    ) -> None:
        """Count a part; if it completes the chord, send the body.

        Raises:
            ChordWaitsError: another worker is about to send the body, or it cannot be published now: report again.
            redis.RedisError: Redis is away.
        """
        if not request.id or not request.group:
            return
        token = uuid4().hex
        count = self._count(request, state, result, token)
        if count.over or not count.complete:
            return
        if not count.claimed:
            raise ChordWaitsError("(another worker has claimed it)")
        failpoint(Failpoint.WORKER_AFTER_CHORD_CLAIM)
        try:
            self._end_chord(request)
        except Exception:
            self._claim(request, token, seconds=0)
            raise
        failpoint(Failpoint.WORKER_AFTER_CHORD_BODY)
        keys = [self.get_key_for_group(request.group, suffix) for suffix in (".c", ".j", ".t", ".s", ".d")]
        self._chord_cleanup_script(keys=keys, args=[token, _OVER_SECONDS], client=self.client)

    def _count(self: Any, request: Any, state: str, result: Any, token: str) -> _Count:
        index = "+inf" if request.group_index is None else request.group_index
        part = self.encode([1, request.id, state, self.encode_result(result, state)])
        keys = [self.get_key_for_group(request.group, suffix) for suffix in (".j", ".t", ".s", ".d", "", ".c")]
        expire = [self.chord_expires or 0, self._chord_result_expires]
        arguments = [request.id, part, 1, index, *expire, CLAIM_SECONDS, token]
        return _Count(*self._chord_part_return_script(keys=keys, args=arguments, client=self.client))

    def _claim(self: Any, request: Any, token: str, *, seconds: int) -> None:
        keys = [self.get_key_for_group(request.group, suffix) for suffix in (".c", ".s")]
        self._chord_claim_extend_script(keys=keys, args=[token, seconds], client=self.client)

    def _end_chord(self: Any, request: Any) -> None:
        """Send the body, or call the chord's errbacks if a member failed or the body can never be sent."""
        body: Any = maybe_signature(request.chord, app=self.app)
        parts = self.client.zrange(self.get_key_for_group(request.group, ".j"), 0, -1)
        try:
            results = [self._unpack_chord_result(part, self.decode) for part in parts]
            self.app.amqp._retry_publish(body.delay, results)  # noqa: SLF001 - as Celery does here
        except SoftTimeLimitExceeded:
            raise  # the member's time is over, and not the chord
        except (OperationalError, OSError) as error:
            raise ChordWaitsError(f"({error})") from error
        except ChordError as error:
            self.chord_error_from_stack(body, error)
        except Exception as error:  # noqa: BLE001 - its queue does not exist, or its function takes no list of results
            self.chord_error_from_stack(body, ChordError(f"Callback error: {error!r}"))


def _each(result: Any) -> Iterator[Any]:
    """The results of all single tasks in `result`, which may be that of a group."""
    if isinstance(result, ResultSet):
        for part in result.results or ():
            yield from _each(part)
    else:
        yield result


class RedisResults(ChordEnds, RedisBackend):  # type: ignore[misc]  # to mypy Any
    """The backend for a single Redis, as in the local stack."""


class SentinelResults(ChordEnds, SentinelBackend):  # type: ignore[misc]
    """The backend for several: it asks the sentinels which one is the primary."""
