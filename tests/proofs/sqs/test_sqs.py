"""Work on SQS: executed once, through a killed worker and whatever SQS answers."""

from __future__ import annotations

from collections.abc import Callable

from infra.local.state import REPOSITORY
from tests.harness.load import Load, assert_exact
from tests.harness.sqs_stack import SqsStack
from tests.harness.stack import QUICK
from tests.harness.waiting import eventually

Make = Callable[..., Load]

WORKERS = ("worker-interactive", "worker-bulk")


def test_events_and_lists_are_executed_once_though_workers_are_killed(sqs: SqsStack, load: Make) -> None:
    """What they held is seen again when its time is over, and is executed once."""
    with load(sqs) as running:
        running.wait_stored()
        for name in WORKERS:
            sqs.machines[name].kill()
        for name in WORKERS:
            sqs.machines[name].start_again()
            sqs.wait(name)
        running.wait_executed(since=running.began_at)

    assert_exact(running.accounting())


def test_processes_outlive_errors_throttling_and_an_expired_token(sqs: SqsStack, load: Make) -> None:
    """They poll on, and say what they met; what was accepted meanwhile is executed once."""
    with load(sqs) as running:
        running.wait_stored()
        for how, status in (("error", 503), ("throttled", 400), ("expired", 400)):
            with running.window(how) as window:
                sqs.break_door(how)
                for name in WORKERS:
                    sqs.failures_seen(name, status, how)
                sqs.break_door("open")
                running.wait_executed(since=window.began_at)

    assert_exact(running.accounting())
    assert all(sqs.machines[name].running for name in (*WORKERS, "relay-1", "relay-2", "archiver"))


def test_a_half_open_connection_is_noticed(sqs: SqsStack, load: Make) -> None:
    """Curl has no time-outs of its own: kombu's worker waits for ever, and looks well."""
    with load(sqs) as running:
        running.wait_stored()
        with running.window("silent") as window:
            sqs.break_door("silent")
            for name in WORKERS:
                sqs.failures_seen(name, 599, "")
            sqs.break_door("open")
            running.wait_executed(since=window.began_at)

    assert_exact(running.accounting())


def test_kombus_own_transport_ends_at_the_first_error(sqs: SqsStack) -> None:
    """A planted bug (tests/mutants): without what is mended, the worker of the tests above would be gone."""
    name = "worker-bulk"
    sqs.replace(
        name, environment=QUICK, mounts={str(REPOSITORY / "tests" / "mutants"): "/mutants"},
        options={"entrypoint": ["tini", "--", "python", "/mutants/sqs_errors_are_lists.py"]},
    )  # fmt: skip

    sqs.break_door("error")

    eventually(lambda: not sqs.machines[name].running, what="the worker has ended")
