"""A stack whose broker is an emulator of SQS, behind a door that a test may break (`sqs_door.py`)."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import httpx
from botocore.config import Config

from app import contract
from app.contract import Role
from infra.local.brokers import EMULATED_SQS
from tests.harness import images, services
from tests.harness.stack import Stack
from tests.harness.waiting import eventually

_DOOR = Path(__file__).with_name("sqs_door.py")
_EMULATOR = "emulator"
#: Twenty deliveries of a killed child take minutes; the number changes nothing of the path.
DELIVERIES = 4


class SqsQueues:
    """The emulator as an operator sees it: past the door."""

    def __init__(self, port: int) -> None:
        """Connect to nothing yet."""
        self._prefix = f"http://127.0.0.1:{port}/000000000000/millrace-"
        self._client = boto3.client(
            "sqs", endpoint_url=f"http://127.0.0.1:{port}", region_name="eu-central-1", aws_access_key_id="tests",
            aws_secret_access_key="tests", config=Config(read_timeout=60),
        )  # fmt: skip

    def _urls(self) -> dict[str, str]:
        names = contract.queue_names()
        return {name: f"{self._prefix}{name}" for name in (*names, *(f"{name}-dead" for name in names))}

    def messages(self) -> dict[str, int]:
        """Messages in each queue, in hands of workers and delayed ones too; empty queues left out."""
        found: dict[str, int] = {}
        for name, url in self._urls().items():
            answer = self._client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
            total = sum(int(value) for key, value in answer.items() if key.startswith("ApproximateNumberOfMessages"))
            found |= {name: total} if total else {}
        return found

    def purge(self) -> None:
        """Throw away whatever an earlier test left."""
        for url in self._urls().values():
            self._client.purge_queue(QueueUrl=url)

    def send(self, queue: str, text: str) -> None:
        """Send any text."""
        self._client.send_message(QueueUrl=f"{self._prefix}{queue}", MessageBody=text)

    def limit_deliveries(self, queue: str, deliveries: int) -> None:
        """How often a message may be received."""
        url = f"{self._prefix}{queue}"
        policy = self._client.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])["Attributes"]
        changed = json.loads(policy["RedrivePolicy"]) | {"maxReceiveCount": deliveries}
        self._client.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": json.dumps(changed)})

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


class SqsStack(Stack):
    """As `make up BROKER=sqs` runs it, but for the door."""

    queues: SqsQueues

    def __init__(self, name: str, folder: Path) -> None:
        """Describe it; `start` makes it."""
        super().__init__(name, folder, nodes=0)
        self.servers = ("postgresql", "redis", "objectstore", _EMULATOR, "sqs")

    def _prepare_rabbitmq(self) -> None:
        for server in self.servers[1:]:
            self.wait(server)
        self.queues = SqsQueues(self.port(_EMULATOR, contract.PORT_SQS_EMULATOR))
        self.broker.close()
        self.broker = self.queues  # type: ignore[assignment]  # what drains and heals asks it only for its messages
        self.run("topology")
        for queue in contract.queue_names():
            self.queues.limit_deliveries(queue, DELIVERIES)

    def service(self, name: str) -> services.Service:
        """With what the local stack's broker tells every process."""
        if name in {_EMULATOR, "sqs"}:
            found = services.described(name, EMULATED_SQS.service or {}, self._variables)
            return replace(found, image=images.reference("MINISTACK"))
        found = super().service(name)
        return replace(found, environment={**found.environment, **EMULATED_SQS.environment})

    def _create(self, name: str, **options: Any) -> Any:
        if name == "sqs":
            door = {"entrypoint": ["/opt/ministack/.venv/bin/python", "/door.py"]}
            options |= {"options": door, "mounts": {str(_DOOR): "/door.py"}}
        return super()._create(name, **options)

    def _answers(self, name: str) -> bool:
        return self.machines[name].healthy() if name in {_EMULATOR, "sqs"} else super()._answers(name)

    def break_door(self, how: str) -> None:
        """From now on SQS is `open` or fails: `error`, `silent`, `throttled`, `expired`."""
        url = f"http://127.0.0.1:{self.port('sqs', contract.PORT_SQS_EMULATOR)}/door/{how}"
        httpx.post(url, trust_env=False).raise_for_status()

    def healed(self) -> SqsStack:
        """Everything running, the door open, nothing under way."""
        self.heal()
        self.break_door("open")
        if self.queues.messages():
            self.queues.purge()
        self.query("DELETE FROM outbox_pending", role=Role.OWNER)
        return self

    def failures_seen(self, name: str, status: int, how: str) -> None:
        """Wait until a process has met such an answer and says so; 599 is none in time."""
        word = {"throttled": "RequestThrottled", "expired": "ExpiredToken"}.get(how, "")

        def seen() -> bool:
            failed = (line for line in self.machines[name].lines() if line.get("event") == "sqs_failed")
            return any(line.get("status") == status and word in str(line.get("answer")) for line in failed)

        eventually(seen, what=f"{name} meets {status} {word}", every=0.5)
