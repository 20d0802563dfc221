"""The oracle is real: each planted bug turns the verdict red."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from app.failpoints import Failpoint
from infra.local.state import REPOSITORY
from tests.harness.containers import Machine
from tests.harness.load import Load, assert_exact
from tests.harness.stack import QUICK, Stack
from tests.harness.waiting import eventually

SECONDS = 4.0


def _mutant(stack: Stack, service: str, name: str, crash_at: Failpoint, **options: Any) -> Machine:
    """Start a service with a bug in it, and with the fault that shows the bug."""
    return stack.replace(
        service,
        environment={**QUICK, "MILLRACE_CRASH_AT": crash_at},
        mounts={str(REPOSITORY / "tests" / "mutants"): "/mutants"},
        # Under an init, as in the image: the kernel lets no process 1 kill itself.
        options={"entrypoint": ["tini", "--", "python", f"/mutants/{name}.py"]},
        **options,
    )


def test_early_acknowledgement_loses(single: Stack, load: Callable[..., Load]) -> None:
    """Messages acknowledged on arrival are lost when their child is killed, and the reconciler says so."""
    _mutant(single, "worker-bulk", "early_acknowledgement", Failpoint.WORKER_MIDDLE_OF_CHUNK)
    with load(single, seconds=SECONDS) as running:
        pass
    accounting = running.accounting()
    assert accounting.lost > 0
    with pytest.raises(AssertionError):
        assert_exact(accounting)


def test_effect_outside_the_inbox_transaction_duplicates(single: Stack, load: Callable[..., Load]) -> None:
    """An effect that commits before its inbox row happens twice when the child dies between; both witnesses show it."""
    _mutant(single, "worker-bulk", "effect_outside_inbox", Failpoint.WORKER_MIDDLE_OF_CHUNK)
    with load(single, seconds=SECONDS) as running:
        pass
    accounting = running.accounting()
    assert accounting.duplicated_by_rows > 0
    assert accounting.duplicated_by_totals > 0


def test_marking_before_the_confirm_loses(single: Stack, load: Callable[..., Load]) -> None:
    """A relay that marks before the confirm loses what it had taken when it dies, and the reconciler says so."""
    single.remove("relay-1", "relay-2")
    with load(single, seconds=SECONDS) as running:
        relay = _mutant(single, "relay-1", "mark_before_confirm", Failpoint.RELAY_AFTER_CLAIM, wait=False)
        eventually(lambda: not relay.running, within=120, what="the relay crashed")
        single.ensure("relay-2")
    assert running.accounting().lost > 0
