"""A circuit breaker that all workers share. It is in PostgreSQL, which calls that happen once need in any case."""

from __future__ import annotations

import random
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.engine import Connection

from app.errors import ComeBackLaterError
from app.patterns.metrics import FAR_SIDE_CALLS

_WAIT = text("""
    SELECT extract(epoch FROM greatest(open_until, probed_until) - clock_timestamp()) AS seconds
    FROM far_sides WHERE far_side = :far_side AND failures_in_a_row >= :failures
        AND greatest(open_until, probed_until) > clock_timestamp()
""")
_PROBE = text("""
    UPDATE far_sides SET probed_until = clock_timestamp() + make_interval(secs => :lease_seconds)
    WHERE far_side = :far_side AND failures_in_a_row >= :failures
        AND greatest(open_until, probed_until) <= clock_timestamp()
""")
_FAILED = text("""
    INSERT INTO far_sides AS f (far_side, failures_in_a_row) VALUES (:far_side, 1)
    ON CONFLICT (far_side) DO UPDATE SET failures_in_a_row = f.failures_in_a_row + 1, probed_until = '-infinity',
        open_until = CASE WHEN f.failures_in_a_row + 1 >= :failures
            THEN clock_timestamp() + make_interval(secs => :open_seconds) ELSE f.open_until END
""")
#: Writes only after a failure: if every call wrote the row, the calls would wait for each other.
_SUCCEEDED = text("""
    UPDATE far_sides SET failures_in_a_row = 0, open_until = '-infinity', probed_until = '-infinity'
    WHERE far_side = :far_side AND failures_in_a_row > 0
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """After `failures` failures in a row nobody calls for `open_seconds`. Then one call at a time tries."""

    failures: int = 5
    open_seconds: float = 30.0

    def check(self, connection: Connection, far_side: str) -> None:
        """Check that a call may be made.

        Raises:
            ComeBackLaterError: the breaker is open, or another run tries the far side now.
        """
        waits = connection.execute(_WAIT, self._named(far_side)).scalar()
        if waits is not None:
            FAR_SIDE_CALLS.labels(far_side, "held").inc()
            # Tasks that waited for the same breaker must not all come back at once.
            spread_seconds = random.random() * self.open_seconds / 3  # noqa: S311
            raise ComeBackLaterError(f"(the breaker of {far_side!r})", delay_seconds=float(waits) + spread_seconds)

    def enter(self, connection: Connection, far_side: str, *, lease_seconds: float) -> None:
        """Begin a call. While the breaker is not closed, this claims the only permitted call for `lease_seconds`.

        Raises:
            ComeBackLaterError: another run has claimed the call.
        """
        if not connection.execute(_PROBE, self._named(far_side) | {"lease_seconds": lease_seconds}).rowcount:
            self.check(connection, far_side)

    def failed(self, connection: Connection, far_side: str) -> None:
        """Count a failure."""
        connection.execute(_FAILED, self._named(far_side))

    def succeeded(self, connection: Connection, far_side: str) -> None:
        """Close the breaker."""
        connection.execute(_SUCCEEDED, self._named(far_side))

    def _named(self, far_side: str) -> dict[str, object]:
        return {"far_side": far_side, "failures": self.failures, "open_seconds": self.open_seconds}
