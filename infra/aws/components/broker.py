"""A cluster of RabbitMQ that AWS runs, over three zones, reached from the network alone."""

from __future__ import annotations

import pulumi
import pulumi_random as random
from pulumi_aws import mq

from infra.aws.components.part import Part, Place
from infra.aws.settings.servers import AmazonMQ

ADMIN = "millrace-admin"
#: Amazon MQ takes 12 and more, and refuses `,`, `:` and `=`.
PASSWORD_LENGTH = 48


class Broker(Part):
    """Broker, configuration, and the one user that AWS makes. All others are made over the management API."""

    def __init__(
        self,
        name: str,
        settings: AmazonMQ,
        place: Place,
        *,
        kept: bool,
        opts: pulumi.ResourceOptions,
    ) -> None:
        """As its settings say."""
        super().__init__(f"{name}-broker", kept=kept, opts=opts)
        # Another password is another broker, with no messages in it: it stays as long as the stack does.
        made = random.RandomPassword(f"{name}-broker", length=PASSWORD_LENGTH, special=False, opts=self.keeper())
        self.password: pulumi.Output[str] = made.result.apply(pulumi.Output.secret)
        configuration = mq.Configuration(
            name,
            name=name,
            description=f"{name}: the application's timings",
            engine_type="RabbitMQ",
            engine_version=settings.version,
            data=_configuration(settings),
            opts=self.child(),
        )
        day, _, time = settings.maintenance.partition(":")
        broker = mq.Broker(
            name,
            broker_name=name,
            engine_type="RabbitMQ",
            engine_version=settings.version,
            auto_minor_version_upgrade=True,  # Amazon MQ takes no other value for this engine
            host_instance_type=settings.instance_type,
            deployment_mode="CLUSTER_MULTI_AZ",
            publicly_accessible=False,
            subnet_ids=place.subnet_ids,
            security_groups=[place.group_id],
            encryption_options={"use_aws_owned_key": False, "kms_key_id": place.key_arn},
            configuration={"id": configuration.id, "revision": configuration.latest_revision},
            logs={"general": True},
            maintenance_window_start_time={"day_of_week": _DAYS[day], "time_of_day": time, "time_zone": "UTC"},
            users=[{"username": ADMIN, "password": self.password}],
            apply_immediately=False,
            opts=self.keeper(),
        )
        self.id = broker.id
        self.endpoint = broker.instances.apply(lambda nodes: (nodes[0].endpoints or [""])[0])
        self.register_outputs({})


_DAYS = {
    "mon": "MONDAY",
    "tue": "TUESDAY",
    "wed": "WEDNESDAY",
    "thu": "THURSDAY",
    "fri": "FRIDAY",
    "sat": "SATURDAY",
    "sun": "SUNDAY",
}


def _configuration(settings: AmazonMQ) -> str:
    """RabbitMQ's own format; its time-out is in milliseconds."""
    return f"heartbeat = {settings.heartbeat_seconds}\nconsumer_timeout = {settings.consumer_timeout_seconds * 1000}\n"
