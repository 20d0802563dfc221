"""The one place that knows which broker a stack of AWS has: makes it, and says what the others need to know of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pulumi

from infra.aws import watched
from infra.aws.components.alarms import Alarm
from infra.aws.components.broker import Broker
from infra.aws.components.keys import Data
from infra.aws.components.message_queues import MessageQueues, Queue
from infra.aws.grants import Account, Grant, Target, accounts
from infra.aws.ground import Ground
from infra.aws.reach import BROKER
from infra.aws.settings.servers import AmazonMQ, Sqs
from infra.aws.settings.stack import AwsStack
from infra.aws.visibility import queue_visibility_seconds


@dataclass(frozen=True)
class Built:
    """A broker as the rest sees it."""

    alarms: Sequence[Alarm]
    work: Mapping[str, Queue] = field(default_factory=dict)
    dead: Mapping[str, Queue] = field(default_factory=dict)
    endpoint: pulumi.Output[str] | None = None
    admin_password: pulumi.Output[str] | None = None


def service_accounts(stack: AwsStack) -> tuple[Account, ...]:
    """Who may do what on AWS."""
    if isinstance(stack.broker, Sqs):
        return accounts(stack.application, broker="sqs", keda_namespace=stack.broker.keda_namespace)
    return accounts(stack.application, broker="amazonmq")


def targets(built: Built, base: Ground) -> Callable[[Grant], pulumi.Input[str]]:
    """The ARN of a grant's target."""

    def arn(grant: Grant) -> pulumi.Input[str]:
        match grant.target:
            case Target.WORK:
                return built.work[grant.queue].arn
            case Target.DEAD:
                return built.dead[grant.queue].arn
            case Target.QUEUES_KEY:
                return base.keys[Data.BROKER]
            case Target.BUCKET:
                return base.uploads.arn
            case Target.OBJECTS:
                return pulumi.Output.concat(base.uploads.arn, "/*")
            case Target.UPLOADS_KEY:
                return base.keys[Data.UPLOADS]

    return arn


def build(
    stack: AwsStack,
    ground: Ground,
    *,
    opts: pulumi.ResourceOptions,
) -> Built:
    """Make the broker of a stack's choice."""
    if isinstance(stack.broker, AmazonMQ):
        broker = Broker(
            stack.name,
            stack.broker,
            ground.place(BROKER, Data.BROKER),
            kept=stack.is_prod,
            opts=opts,
        )
        alarms = tuple(watched.of_broker(stack.name))
        return Built(alarms, endpoint=broker.endpoint, admin_password=broker.password)
    pools = stack.application.workloads.own_pools
    names = [queue.name for queue in stack.application.queues]
    queues = MessageQueues(
        stack.name,
        {name: queue_visibility_seconds(name, pools) for name in names},
        key_arn=ground.keys[Data.BROKER],
        max_receive_count=stack.broker.max_receive_count,
        retention_days=stack.broker.retention_days,
        kept=stack.is_prod,
        opts=opts,
    )
    alarms = tuple(
        alarm for name in names for alarm in watched.of_queue(name, f"{stack.name}-{name}", f"{stack.name}-{name}-dead")
    )
    return Built(alarms, work=queues.work, dead=queues.dead)
