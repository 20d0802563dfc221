"""Queues of SQS: each with a second one for what was given up, encrypted, and closed to plain HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_aws import sqs

from app.contract import SQS_MESSAGE_MAX_BYTES
from infra.aws.components.part import Part
from infra.aws.documents import document, tls_only

#: Of a long poll; SQS' largest, and the cheapest.
WAIT_SECONDS = 20
#: So long SQS uses one data key, and asks KMS no more often.
KEY_REUSE_SECONDS = 300
_DAY_SECONDS = 86_400


@dataclass(frozen=True)
class Queue:
    """A queue's address."""

    arn: pulumi.Output[str]
    url: pulumi.Output[str]


class MessageQueues(Part):
    """For each queue of the application two, `<name>` and `<name>-dead`."""

    def __init__(
        self,
        name: str,
        visibility_seconds: Mapping[str, int],
        *,
        key_arn: pulumi.Input[str],
        max_receive_count: int,
        retention_days: int,
        kept: bool,
        opts: pulumi.ResourceOptions,
    ) -> None:
        """`visibility_seconds` says for each queue how long a message is hidden from others once it was delivered."""
        super().__init__(f"{name}-queues", kept=kept, opts=opts)
        self._key_arn = key_arn
        self._retention_seconds = retention_days * _DAY_SECONDS
        self.work: dict[str, Queue] = {}
        self.dead: dict[str, Queue] = {}
        for queue, seconds in visibility_seconds.items():
            dead = self._queue(f"{name}-{queue}-dead", visibility_seconds=60)
            redrive = pulumi.Output.json_dumps({"deadLetterTargetArn": dead.arn, "maxReceiveCount": max_receive_count})
            work = self._queue(f"{name}-{queue}", visibility_seconds=seconds, redrive_policy=redrive)
            sqs.RedriveAllowPolicy(
                f"{name}-{queue}-dead",
                queue_url=dead.url,
                redrive_allow_policy=pulumi.Output.json_dumps(
                    {"redrivePermission": "byQueue", "sourceQueueArns": [work.arn]}
                ),
                opts=self.child(),
            )
            self.work[queue] = Queue(work.arn, work.url)
            self.dead[queue] = Queue(dead.arn, dead.url)
        self.register_outputs({})

    def _queue(
        self, name: str, *, visibility_seconds: int, redrive_policy: pulumi.Input[str] | None = None
    ) -> sqs.Queue:
        queue = sqs.Queue(
            name,
            name=name,
            visibility_timeout_seconds=visibility_seconds,
            max_message_size=SQS_MESSAGE_MAX_BYTES,
            message_retention_seconds=self._retention_seconds,
            receive_wait_time_seconds=WAIT_SECONDS,
            kms_master_key_id=self._key_arn,
            kms_data_key_reuse_period_seconds=KEY_REUSE_SECONDS,
            redrive_policy=redrive_policy,
            opts=self.keeper(),
        )
        policy = document(tls_only("sqs", queue.arn))
        sqs.QueuePolicy(name, queue_url=queue.url, policy=policy, opts=self.child())
        return queue
