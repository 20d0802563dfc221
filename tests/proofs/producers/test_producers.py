"""docs/producers.md: plain Celery sends our tasks, and can do nothing else."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import amqp
import httpx
import pytest
from amqp.exceptions import AMQPError

from app import contract
from app.contract import Role
from infra.local.state import REPOSITORY
from tests.harness import images
from tests.harness.load import drain
from tests.harness.messages import channel, task_body
from tests.harness.page import read, write
from tests.harness.stack import Stack
from tests.harness.stacks import session_stack
from tests.harness.waiting import PATIENCE_SECONDS, eventually

PAGE = REPOSITORY / "docs" / "producers.md"
PROCESSES = ("gateway", "relay-1", "worker-interactive", "archiver")
BILLING, REPORTS = contract.producer_user("billing"), contract.producer_user("reports")
IN_AMQP, IN_HTTP = "8a316501-e7df-5a55-bdfa-64d1c8570655", "5f1d0a4e-3c39-4f7e-8d0a-0d6f2b0c7a11"
#: The delay ladder's key for one second.
ONE_SECOND = ".".join(["0"] * 27 + ["1"])


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack whose image has the page's task."""
    context = tmp_path_factory.mktemp("acme")
    write(read(REPOSITORY / "docs" / "tasks.md", "Dockerfile"), context)
    shutil.copytree(Path(__file__).parent / "acme", context / "acme", ignore=shutil.ignore_patterns("__pycache__"))
    own = "millrace-test-producers:latest"
    build = ["docker", "build", "--tag", own, "--build-arg", f"MILLRACE={images.reference('APP')}", str(context)]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    try:
        for made in session_stack(tmp_path_factory, "producers", image=own):
            made.ensure(*PROCESSES)
            (made.state.secrets / "client" / "api_key").write_text(made.api_key)
            yield made
    finally:
        subprocess.run(["docker", "image", "rm", "--force", own], capture_output=True, check=False)


@pytest.fixture(scope="module")
def shell(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """A shell beside the page's file, where nothing of ours can be imported; only addresses are this stack's."""
    folder = tmp_path_factory.mktemp("billing")
    write(read(PAGE, "billing.py"), folder)
    ours = {
        ".millrace/": f"{stack.state.root}/",
        "localhost:5671": f"localhost:{stack.port(stack.nodes[0], contract.PORT_AMQPS)}",
        "localhost:8443": f"localhost:{stack.port('gateway', contract.PORT_GATEWAY)}",
    }
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"

    def run(script: str) -> str:
        for theirs, own in ours.items():
            script = script.replace(theirs, own)
        done = subprocess.run(
            ["bash", "-ec", script], cwd=folder, text=True, capture_output=True, timeout=PATIENCE_SECONDS, check=False,
            env={"PATH": path, "HOME": str(folder)},
        )  # fmt: skip
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        return done.stdout.strip()

    return run


@pytest.fixture(scope="module")
def python(shell: Callable[[str], str]) -> Callable[[str], str]:
    """A line of Python beside the page's file."""
    settings = "".join(line for line in read(PAGE).commands[0].splitlines(keepends=True) if line.startswith("export"))
    return lambda line: shell(f"{settings}python -c '\nimport billing\n{line}'")


def _billed(stack: Stack, order_id: str) -> int:
    return int(stack.query("SELECT count(*) FROM tasks.invoices WHERE order_id = %s", order_id)[0][0])


def _wait_billed(stack: Stack, order_id: str) -> None:
    eventually(lambda: _billed(stack, order_id) == 1, what=f"order {order_id} is billed")


def _invoice(order_id: str) -> str:
    return f'{{"order_id": "{order_id}", "amount": 7}}'


def _publish(stack: Stack, task: str, order_id: str, **headers: Any) -> None:
    """As billing would, with headers of its own."""
    embed = headers.pop("embed", {})
    body = task_body({"order_id": order_id, "amount": 7})
    body = body.replace(b'"chain": null', f'"chain": {embed or "null"}'.encode())
    task_id = str(uuid4())
    message = amqp.Message(
        body, application_headers={"task": task, "id": task_id, "lang": "py", **headers},
        content_type="application/json", content_encoding="utf-8", correlation_id=task_id, delivery_mode=2,
    )  # fmt: skip
    with channel(stack, BILLING) as opened:
        opened.confirm_select()
        opened.basic_publish_confirm(message, exchange="tasks", routing_key="interactive", mandatory=True)


def test_the_page_is_short() -> None:
    """It is read in three minutes."""
    assert len(PAGE.read_text().splitlines()) <= 80


def test_the_page_as_it_stands(stack: Stack, shell: Callable[[str], str], python: Callable[[str], str]) -> None:
    """Plain Celery, and curl: each order is billed, once however often it was sent, and nothing of ours is imported."""
    over_amqp, over_http = read(PAGE).commands
    shell(over_amqp)
    _wait_billed(stack, IN_AMQP)
    shell(over_http)
    shell(over_http)
    _wait_billed(stack, IN_HTTP)
    assert python('import sys; print([name for name in sys.modules if name in ("app", "infra")])') == "[]"
    order, later = str(uuid4()), str(uuid4())
    once = f'billing.send("send_invoice", {_invoice(order)}, headers={{"millrace_key": "{order}"}})'
    delayed = f'billing.send("send_invoice", {_invoice(later)}, countdown=1)'
    python(f"{once}\n{once}\n{delayed}")
    _wait_billed(stack, later)
    drain(stack)
    assert _billed(stack, order) == 1


def test_groups_and_expiry(stack: Stack, python: Callable[[str], str]) -> None:
    """A group is single tasks; what expires before a worker takes it is a dead letter."""
    orders = [str(uuid4()) for _ in range(2)]
    steps = ", ".join(f'billing.app.signature("send_invoice", ({_invoice(order)},))' for order in orders)
    python(f'import celery; celery.group({steps}, app=billing.app).apply_async(queue="interactive")')
    for order in orders:
        _wait_billed(stack, order)
    stack.remove("worker-interactive")
    try:
        python(f'billing.send("send_invoice", {_invoice(str(uuid4()))}, expires=1)')
        expired = "SELECT * FROM dead_letters WHERE task_name = 'send_invoice' AND reason = 'expired'"
        eventually(lambda: stack.query(expired), what="the expired one is a dead letter")
    finally:
        stack.ensure(*PROCESSES)


def test_what_cannot_be_routed_raises(stack: Stack, python: Callable[[str], str]) -> None:
    """A queue that is not the producer's, and its own when it is not there."""
    attempt = "try: {}\nexcept Exception as error: print(type(error).__name__, error)"
    bulk = 'billing.Queue("bulk", billing.tasks, routing_key="bulk", no_declare=True)'
    elsewhere = f'billing.app.send_task("send_invoice", [{_invoice(str(uuid4()))}], queue={bulk})'
    own = f'billing.send("send_invoice", {_invoice(str(uuid4()))})'
    refused = python(attempt.format(elsewhere))
    assert "AccessRefused" in refused, refused
    assert "write access to topic" in refused, refused
    with channel(stack) as opened:
        opened.queue_unbind("interactive", "tasks", routing_key="interactive")
        opened.queue_unbind("interactive", "tasks", routing_key="#.interactive")
    try:
        assert "NO_ROUTE" in python(attempt.format(own))
    finally:
        stack.run("topology")


def _say(opened: Any, exchange: str, key: str, **properties: Any) -> None:
    opened.confirm_select()
    opened.basic_publish_confirm(amqp.Message(b"{}", **properties), exchange=exchange, routing_key=key)


REFUSED: dict[str, Callable[[Any], object]] = {
    "publish to another queue": lambda it: _say(it, "tasks", "bulk"),
    "publish to a pattern": lambda it: _say(it, "tasks", "interactive.bulk"),
    "publish past the exchange": lambda it: _say(it, "", "bulk"),
    "publish to its own queue past the exchange": lambda it: _say(it, "", "interactive"),
    "publish a dead letter": lambda it: _say(it, "tasks.dead", "interactive.dead"),
    "delay to another queue": lambda it: _say(it, "celery_delayed_27", f"{ONE_SECOND}.bulk"),
    "delay to a longer key": lambda it: _say(it, "celery_delayed_27", f"{ONE_SECOND}.interactive.bulk"),
    "delay by a step of the ladder": lambda it: _say(it, "celery_delayed_0", f"{ONE_SECOND}.interactive"),
    "delay out of the ladder": lambda it: _say(it, "celery_delayed_delivery", "interactive"),
    "publish a copy": lambda it: _say(it, "tasks", "interactive", application_headers={"CC": ["bulk"]}),
    "publish a hidden copy": lambda it: _say(it, "tasks", "interactive", application_headers={"BCC": ["bulk"]}),
    "publish as the relay": lambda it: _say(it, "tasks", "interactive", user_id="relay"),
    "broadcast to workers": lambda it: _say(it, "celery.pidbox", ""),
    "consume": lambda it: it.basic_consume("interactive"),
    "get": lambda it: it.basic_get("interactive"),
    "get a dead letter": lambda it: it.basic_get("interactive.dead"),
    "declare a queue": lambda it: it.queue_declare("mine"),
    "declare an exclusive queue": lambda it: it.queue_declare("mine", exclusive=True),
    "declare its own queue": lambda it: it.queue_declare("interactive", durable=True, auto_delete=False),
    "declare an exchange": lambda it: it.exchange_declare("mine", "topic"),
    "bind": lambda it: it.queue_bind("bulk", "tasks", routing_key="interactive"),
    "purge": lambda it: it.queue_purge("interactive"),
    "delete": lambda it: it.queue_delete("interactive"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_a_producer_can_do_nothing_else(stack: Stack, what: str) -> None:
    """Each is refused by the broker: 403, or 406 for a name that is not its own."""
    with channel(stack, BILLING) as opened, pytest.raises(AMQPError) as refused:
        REFUSED[what](opened)
    assert refused.value.code in {403, 406}, refused.value


def test_a_producer_reads_nothing_over_http(stack: Stack) -> None:
    """The management API knows it not; another producer's password is not its own."""
    for user in (BILLING, REPORTS):
        asked = httpx.get(
            f"https://localhost:{stack.port(stack.nodes[0], contract.PORT_RABBITMQ_MANAGEMENT)}/api/queues",
            auth=(user, stack.password(user, "rabbitmq")), trust_env=False, timeout=60,
            verify=ssl.create_default_context(cafile=str(stack.ca_file)),
        )  # fmt: skip
        assert asked.status_code == httpx.codes.UNAUTHORIZED
    with pytest.raises(AMQPError), channel(stack, REPORTS, password=stack.password(BILLING, "rabbitmq")):
        pass


def _key_id(stack: Stack) -> str:
    return str(stack.query("SELECT api_key_id FROM api_keys WHERE label = 'tests'", role=Role.OPERATOR)[0][0])


@pytest.mark.parametrize("task", ["send_invoice", "send_invoice_at_second_attempt"])
@pytest.mark.parametrize("where", ["in the open", "for the retry", "for the second retry", "as a stamp"])
def test_a_forged_scope_suppresses_nobodys_work(stack: Stack, task: str, where: str) -> None:
    """The forged message is one of nobody's; what the API key itself sends under that key is done all the same."""
    forged: dict[str, Any] = {contract.MESSAGE_SCOPE: _key_id(stack), contract.MESSAGE_JOB_ID: str(uuid4())}
    said = {
        "in the open": forged,
        "for the retry": {"headers": forged},
        "for the second retry": {"headers": {"headers": forged}},
        "as a stamp": {"stamped_headers": ["headers"], "stamps": {"headers": forged}},
    }[where]
    order = str(uuid4())
    _publish(stack, task, order, **{contract.MESSAGE_KEY: order}, **said)
    _wait_billed(stack, order)
    with stack.http() as client:
        client.post("/v1/tasks/send_invoice", json={"order_id": order, "amount": 7}).raise_for_status()
    eventually(lambda: _billed(stack, order) == 2, what="the API key's own order is billed as well")


def test_a_chain_is_a_dead_letter_and_stays_one(stack: Stack) -> None:
    """A worker would send it with its own rights, to a queue that is not the producer's; so would a replay."""
    step = '[{"task": "canary", "args": [], "kwargs": {}, "options": {"queue": "bulk"}, "subtask_type": null}]'
    _publish(stack, "send_invoice", str(uuid4()), embed=step)
    dead = "SELECT dead_letter_id::text, reason, exception_message FROM dead_letters WHERE reason <> 'expired'"
    [(letter, reason, message)] = eventually(lambda: stack.query(dead), what="the chain is a dead letter")
    assert (reason, "`chain`" in message) == ("undecodable", True)
    with pytest.raises(AssertionError, match="only our own processes"):
        stack.operate("dead-letters", "replay", letter)
    drain(stack)  # nobody works on `bulk` here: what were there would stay
