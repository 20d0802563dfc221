"""The whole of a stack of AWS, and what its parts ask of each other and of the application."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PlainValidator, WithJsonSchema, model_validator

from infra.aws.settings import application
from infra.aws.settings.cluster import Cluster
from infra.aws.settings.network import Network
from infra.aws.settings.servers import AmazonMQ, BrokerChoice, Cache, Database, Sqs
from infra.aws.visibility import MAX_VISIBILITY_SECONDS, visibility_seconds
from infra.settings import load
from infra.settings.explain import JOINED
from infra.settings.queues import REPOSITORY
from infra.settings.stack import Stack
from infra.settings.values import Model

#: Amazon MQ's own limit of queues a broker; each of ours has a second one for its dead letters.
MQ_MAX_QUEUES = 1000
#: What CloudWatch takes; 0 (for ever) is left out.
Days = Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653]
Email = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]


def _application(path: Any) -> Stack:
    file = REPOSITORY / str(path)
    try:
        return load.parse(load.read_stack_file(file), str(path))
    except (OSError, load.SettingsError) as error:
        raise ValueError(f"{error}: name a stack file of the main program, from the repository") from error


class Logs(Model):
    """Of the control plane, the network and the servers."""

    retention_days: Days


class Watch(Model):
    """The people who get emails of alarms and of the budget."""

    emails: tuple[Email, ...] = Field(min_length=1, max_length=10, description="for alarms and for the budget")
    monthly_usd: int = Field(ge=1, description="what it may cost a month; they are told when it will cost more")


class AwsStack(Model):
    """One environment, whole."""

    environment: Literal["staging", "prod"]
    account: str = Field(pattern=r"^\d{12}$", description="the only one that is touched; in quotes, or zeros are lost")
    region: str = Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")
    owner: str = Field(min_length=1, description="a tag of everything")
    cost_center: str = Field(min_length=1, description="a tag of everything, in quotes if it is a number")
    application: Annotated[Stack, PlainValidator(_application), WithJsonSchema({"type": "string"})] = Field(
        description="the stack file of the main program that runs on this"
    )
    network: Network
    cluster: Cluster
    database: Database
    cache: Cache
    broker: BrokerChoice
    logs: Logs
    watch: Watch

    @property
    def is_prod(self) -> bool:
        """Whether people depend on it."""
        return self.environment == "prod"

    @property
    def name(self) -> str:
        """The prefix of every name."""
        return f"millrace-{self.environment}"

    @property
    def tags(self) -> dict[str, str]:
        """What everything is tagged with."""
        return {
            "Project": "millrace",
            "Environment": self.environment,
            "Owner": self.owner,
            "CostCenter": self.cost_center,
            "ManagedBy": "pulumi",
        }

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        problems = [*self._places(), *self._of_prod(), *self._sqs(), *self._amazon_mq(), *application.broken(self)]
        if problems:
            raise ValueError(JOINED.join(problems))
        return self

    def _places(self) -> Iterator[str]:
        for zone in self.network.zones:
            if zone[:-1] != self.region:
                yield f"network.zones: {zone} is not in region {self.region}: name zones of that region"
        for role in self.cluster.admin_roles:
            if f"::{self.account}:" not in role:
                yield f"cluster.adminRoles: {role} is not in account {self.account}: EKS takes roles of its own account"
        if self.application.environment != self.environment:
            yield (
                f"application is a stack of {self.application.environment} and environment is {self.environment}: "
                f"write Pulumi.{self.environment}.yaml"
            )

    def _of_prod(self) -> Iterator[str]:
        if not self.is_prod:
            return
        if not self.database.multi_az:
            yield "database.multiAz is false: prod survives the loss of a zone: leave it out"
        if self.database.backup_days < 14:
            yield f"database.backupDays {self.database.backup_days}: prod keeps 14 or more"
        if self.cache.nodes < 3:
            yield f"cache.nodes {self.cache.nodes}: prod has one in each of three zones: write 3"
        small = {"database.instanceClass": self.database.instance_class, "cache.nodeType": self.cache.node_type}
        for path, kind in small.items():
            if kind.split(".")[1].startswith("t"):
                yield f"{path} {kind} is slowed down when its credits are used up: prod takes another family, say m7g"
        if isinstance(self.broker, AmazonMQ) and self.broker.instance_type.endswith(".medium"):
            yield f"broker.instanceType {self.broker.instance_type} is for tests: prod takes mq.m7g.large or more"

    def _sqs(self) -> Iterator[str]:
        if not isinstance(self.broker, Sqs):
            return
        for pool in self.application.workloads.pools:
            if pool.application is not None:
                yield f"broker: the application on queue {pool.queue} speaks AMQP, which SQS does not: choose amazonmq"
            elif (needed := visibility_seconds(pool)) > MAX_VISIBILITY_SECONDS:
                yield (
                    f"broker: a message of pool {pool.name} may be held for {needed} s, and SQS hides it for "
                    f"{MAX_VISIBILITY_SECONDS} s at most: lower its timeLimitSeconds or prefetchMultiplier"
                )
        for queue in self.application.queues:
            if queue.producers:
                yield f"broker: producers of queue {queue.name} speak AMQP, which SQS does not: choose amazonmq"

    def _amazon_mq(self) -> Iterator[str]:
        if not isinstance(self.broker, AmazonMQ):
            return
        if (count := 2 * len(self.application.queues)) > MQ_MAX_QUEUES:
            yield f"broker: {count} queues with their dead letters, and Amazon MQ holds {MQ_MAX_QUEUES}: declare fewer"
        wanted = self.application.timings.consumer_timeout_seconds
        if self.broker.consumer_timeout_seconds != wanted:
            yield (
                f"broker.consumerTimeoutSeconds {self.broker.consumer_timeout_seconds} is not the application's "
                f"timings.consumerTimeoutSeconds {wanted}: write the same in both"
            )
