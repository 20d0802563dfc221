"""Which metrics of AWS wake somebody, and from which value on."""

from __future__ import annotations

from collections.abc import Iterator

import pulumi

from infra.aws.components.alarms import Alarm

#: SQS refuses to deliver more when 120,000 messages of a queue are held by workers.
IN_FLIGHT = 100_000
#: The oldest message of a queue waited so long: nobody works on it.
OLDEST_SECONDS = 3600
_GIB = 1024**3


def of_queue(queue: str, work: str, dead: str) -> Iterator[Alarm]:
    """Of a queue of SQS and its dead letters, by their names on AWS."""
    for name, metric, why, threshold, whose in (
        (
            "old",
            "ApproximateAgeOfOldestMessage",
            "a message waits: workers are too few or stand still",
            OLDEST_SECONDS,
            work,
        ),
        ("in-flight", "ApproximateNumberOfMessagesNotVisible", "SQS soon delivers no more", IN_FLIGHT, work),
        ("dead", "ApproximateNumberOfMessagesVisible", "dead letters that nobody archived", 0, dead),
    ):
        yield Alarm(
            name=f"{queue}-{name}",
            why=f"{queue}: {why}",
            namespace="AWS/SQS",
            metric=metric,
            dimensions={"QueueName": whose},
            threshold=threshold,
            silence_is_well=True,
        )


def of_database(identifier: pulumi.Input[str], storage_gib: int) -> Iterator[Alarm]:
    """Of RDS."""
    for name, metric, why, threshold, below in (
        ("database-cpu", "CPUUtilization", "the database computes at its limit", 90.0, False),
        ("database-storage", "FreeStorageSpace", "the database's disk is nearly full", 0.1 * storage_gib * _GIB, True),
    ):
        yield Alarm(
            name=name,
            why=why,
            namespace="AWS/RDS",
            metric=metric,
            dimensions={"DBInstanceIdentifier": identifier},
            threshold=threshold,
            below=below,
            statistic="Average",
        )


def of_cache(replication_group: str, nodes: int) -> Iterator[Alarm]:
    """Of each node of ElastiCache, whose names AWS counts from one."""
    for number in range(1, nodes + 1):
        yield Alarm(
            name=f"cache-{number}-memory",
            why="the cache is nearly full, and evicts nothing: it will refuse writes",
            namespace="AWS/ElastiCache",
            metric="DatabaseMemoryUsagePercentage",
            dimensions={"CacheClusterId": f"{replication_group}-{number:03d}"},
            threshold=80,
        )


def of_broker(name: str) -> Iterator[Alarm]:
    """Of Amazon MQ. It has no metrics of single queues."""
    for short, metric, why, threshold in (
        ("cpu", "SystemCpuUtilization", "the broker computes at its limit", 90),
        ("ready", "MessageReadyCount", "messages wait: workers are too few or stand still", 100_000),
        ("connections", "ConnectionCount", "near Amazon MQ's limit of connections", 3_600),
    ):
        yield Alarm(
            name=f"broker-{short}",
            why=why,
            namespace="AWS/AmazonMQ",
            metric=metric,
            dimensions={"Broker": name},
            threshold=threshold,
        )
