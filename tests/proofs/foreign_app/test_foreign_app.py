"""docs/foreign-apps.md: what holds for an application that imports nothing of ours, unchanged and with late acks."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import uuid4

import amqp
import pytest
from amqp.exceptions import AMQPError

from app import contract
from infra.local import images
from infra.local.state import REPOSITORY
from tests.harness.containers import Machine
from tests.harness.load import drain
from tests.harness.messages import channel, task_body
from tests.harness.page import read, write
from tests.harness.stack import Stack
from tests.harness.stacks import session_stack
from tests.harness.waiting import eventually

PAGE = REPOSITORY / "docs" / "foreign-apps.md"
POOL, IMAGE = "worker-legacy", "millrace-test-legacy:1"
BILLING = contract.producer_user("billing")
#: The delay ladder's key for one second.
ONE_SECOND = ".".join(["0"] * 27 + ["1"])


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack with the application's image; its worker starts where a test wants it."""
    context = tmp_path_factory.mktemp("legacy")
    shutil.copytree(Path(__file__).parent / "legacy", context, dirs_exist_ok=True)
    write(read(PAGE, "celeryconfig.py", "late.py"), context)
    (context / "ca-bundle.crt").write_bytes(images.ca_bundle())
    arguments = {"CELERY": version("celery")} | {
        name: value for name, value in os.environ.items() if "proxy" in name.lower()
    }
    words = [part for name, value in arguments.items() for part in ("--build-arg", f"{name}={value}")]
    build = ["docker", "build", "--tag", IMAGE, *words, str(context)]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for made in session_stack(tmp_path_factory, "foreign"):
        made.ensure("relay-1", "archiver")
        yield made


def _worker(stack: Stack, settings: str, **environment: str) -> Machine:
    """The application with these settings, started anew."""
    return stack.replace(POOL, environment={"LEGACY_SETTINGS": settings, **environment})


@pytest.fixture
def unchanged(stack: Stack) -> Machine:
    """With what it needs to run at all."""
    return _worker(stack, "celeryconfig")


@pytest.fixture
def late(stack: Stack) -> Machine:
    """With the page's four settings."""
    return _worker(stack, "late")


def _send(stack: Stack, task: str, body: bytes | None = None) -> str:
    """As a producer; returns the mark that the application prints."""
    mark = uuid4().hex
    message = amqp.Message(
        body or task_body(mark), application_headers={"task": f"legacy.{task}", "id": str(uuid4()), "lang": "py"},
        content_type="application/json", content_encoding="utf-8", correlation_id=mark, delivery_mode=2,
    )  # fmt: skip
    with channel(stack, BILLING) as opened:
        opened.confirm_select()
        opened.basic_publish_confirm(message, exchange="tasks", routing_key="legacy", mandatory=True)
    return mark


def _said(worker: Machine, words: str) -> int:
    return worker.logs().count(words)


def _wait_said(worker: Machine, words: str) -> None:
    eventually(lambda: _said(worker, words), what=f"the application says {words!r}")


def _letters(stack: Stack, mark: str) -> list[tuple[Any, ...]]:
    return stack.query(
        "SELECT dead_letter_id::text, queue, reason FROM dead_letters WHERE body LIKE %s", f"%{mark}%".encode()
    )


def test_the_page_is_short() -> None:
    """It is read in four minutes."""
    assert len(PAGE.read_text().splitlines()) <= 80


def test_unchanged_it_loses_what_fails(stack: Stack, unchanged: Machine) -> None:
    """Acknowledged before it ran: nothing in the queue, nothing in the dead letters."""
    marks = {task: _send(stack, task) for task in ("fails", "hangs", "kills")}
    for mark in marks.values():
        _wait_said(unchanged, f"tried {mark}")
    _wait_said(unchanged, "TimeLimitExceeded")
    _wait_said(unchanged, "WorkerLostError")
    _wait_said(unchanged, f"ValueError: {marks['fails']}")
    drain(stack)
    assert [_letters(stack, mark) for mark in marks.values()] == [[], [], []]
    assert [_said(unchanged, f"tried {mark}") for mark in marks.values()] == [1, 1, 1]


def test_what_it_cannot_understand(stack: Stack, unchanged: Machine) -> None:
    """A task that it does not know is a dead letter; a body that is no JSON is lost, whatever the settings."""
    mark = _send(stack, "unknown")
    _send(stack, "works", b"\xff\xfe")
    [(_, queue, reason)] = eventually(lambda: _letters(stack, mark), what="the unknown task is a dead letter")
    assert (queue, reason) == ("legacy", "rejected")
    _wait_said(unchanged, "decode message body")
    drain(stack)
    assert stack.query("SELECT * FROM dead_letters WHERE body = %s", b"\xff\xfe") == []


def test_unchanged_it_loses_what_a_killed_worker_had(stack: Stack, unchanged: Machine) -> None:
    """The queue has forgotten the message that was at work."""
    mark = _send(stack, "works")
    _wait_said(unchanged, f"tried {mark}")
    unchanged.kill()
    drain(stack)
    after = _worker(stack, "celeryconfig")
    other = _send(stack, "fails")
    _wait_said(after, f"tried {other}")
    assert _said(after, mark) == 0
    assert _letters(stack, mark) == []


@pytest.mark.parametrize(
    ("task", "reason", "runs"),
    [("fails", "rejected", 1), ("hangs", "delivery_limit", 3), ("kills", "delivery_limit", 3)],
)
def test_with_four_settings_what_fails_is_a_dead_letter(
    stack: Stack, late: Machine, task: str, reason: str, runs: int
) -> None:
    """With the broker's reason, after as many runs as the delivery limit allows; replayed, it runs once."""
    mark = _send(stack, task)
    [(letter, queue, why)] = eventually(lambda: _letters(stack, mark), what=f"{task} is a dead letter")
    assert (queue, why, _said(late, f"tried {mark}")) == ("legacy", reason, runs)
    late.execute("touch", "/tmp/mended")  # noqa: S108 - in its container
    stack.operate("dead-letters", "replay", letter)
    _wait_said(late, f"done {mark}")
    with pytest.raises(AssertionError):
        stack.operate("dead-letters", "replay", letter)
    drain(stack)
    assert _said(late, f"done {mark}") == 1


def test_with_four_settings_a_killed_worker_loses_nothing(stack: Stack, late: Machine) -> None:
    """The message goes to the next worker."""
    mark = _send(stack, "works")
    _wait_said(late, f"tried {mark}")
    late.kill()
    _wait_said(_worker(stack, "late", LEGACY_MENDED="yes"), f"done {mark}")


def test_what_it_delays_comes_back(stack: Stack, unchanged: Machine) -> None:
    """Through the broker's ladder, which its worker may not declare."""
    mark = _send(stack, "sends")
    _wait_said(unchanged, f"tried {mark}")


def _say(opened: Any, exchange: str, key: str) -> None:
    opened.confirm_select()
    opened.basic_publish_confirm(amqp.Message(b"{}"), exchange=exchange, routing_key=key)


REFUSED: dict[str, Callable[[Any], object]] = {
    "read another queue": lambda it: it.basic_get("interactive"),
    "consume another queue": lambda it: it.basic_consume("bulk"),
    "read its dead letters": lambda it: it.basic_get("legacy.dead"),
    "publish elsewhere": lambda it: _say(it, "tasks", "bulk"),
    "delay elsewhere": lambda it: _say(it, "celery_delayed_27", f"{ONE_SECOND}.bulk"),
    "control our workers": lambda it: _say(it, "celery.pidbox", ""),
    "declare": lambda it: it.queue_declare("legacy", durable=True, auto_delete=False),
    "delete its queue": lambda it: it.queue_delete("legacy"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_its_user_can_do_nothing_else(stack: Stack, what: str) -> None:
    """Each is refused by the broker."""
    with channel(stack, POOL) as opened, pytest.raises(AMQPError) as refused:
        REFUSED[what](opened)
    assert refused.value.code == 403, refused.value


def test_its_user_may_publish_where_its_pool_says(stack: Stack) -> None:
    """To its own queue, and to those that are named."""
    stack.remove(POOL)
    with channel(stack, POOL) as opened:
        for queue in ("interactive", "legacy"):
            _say(opened, "tasks", queue)
    eventually(lambda: stack.broker.messages() == {"interactive": 1, "legacy": 1}, what="both are there")
    stack.broker.purge()


def test_it_has_no_secret_but_its_own(unchanged: Machine) -> None:
    """Its folder holds the way to the broker; its environment names no server and no user of ours."""
    assert sorted(unchanged.execute("ls", "/run/secrets/millrace").split()) == [
        "broker_url", "ca.crt", "rabbitmq_password", "rabbitmq_user",
    ]  # fmt: skip
    assert "_USER" not in unchanged.execute("env")
