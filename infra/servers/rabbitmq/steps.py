"""Which changes of a cluster that runs are one step too many: fewer nodes, and a version that no path leads to."""

from __future__ import annotations

from collections.abc import Iterator


def fewer_nodes(pods: str, before: int, after: int) -> Iterator[str]:
    """The problem, if there is one: pods that Kubernetes removes stay members of the cluster and of every queue."""
    if after < before:
        gone = [f"{pods}-{number}" for number in range(before - 1, after - 1, -1)]
        yield (
            f"millrace:broker.nodes: {after}, and there are {before}: {' and '.join(gone)} would go with their "
            "replicas of every queue and stay members of it. Take them out one after the other by hand "
            f"(docs/rabbitmq.md, Fewer nodes), then run `pulumi refresh` and deploy; or write nodes: {before}"
        )


def skipped_version(before: str, after: str) -> Iterator[str]:
    """The problem, if there is one, as infra/images/rabbitmq/version-step finds it on a volume."""
    (old_major, old), (major, new) = (map(int, version.split(".")) for version in (before, after))
    if old_major != major or abs(new - old) > 1:
        yield (
            f"millrace:broker.version: {after}, and RabbitMQ {before} runs: no supported path leads there in one step. "
            "Take one minor version after the other, or replace the broker by an empty one (docs/rabbitmq.md, Another "
            f"version), then run `pulumi refresh` and deploy; or write version: {before}"
        )
