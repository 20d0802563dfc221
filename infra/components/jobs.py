"""Pods that run and end: migrations and topology before all others, retention every night, the operator's commands."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
from pulumi_kubernetes.batch import v1 as batch
from pulumi_kubernetes.core import v1 as core
from pulumi_kubernetes.meta import v1 as meta

from app.contract import Role
from infra import naming
from infra.application import Process, pod_of, ready_servers
from infra.components.component import Component
from infra.components.deployment import service_account
from infra.endpoints import Backends
from infra.settings.stack import Stack
from infra.workloads import fingerprint, name_of, pod_metadata, workload_metadata

#: A migration that takes longer is one that a person should watch.
DEADLINE_SECONDS = 900
RETRIES = 6
GRACE_SECONDS = 30
#: Longer than the Job's own deadline, after which Kubernetes says why it failed.
AWAIT = f"{DEADLINE_SECONDS + 120}s"
#: A Job that has failed keeps its name, which only another image or setting changes: the next `up` makes it anew.
REPLACE_UNREADY = {"pulumi.com/replaceUnready": "true"}
#: How long a finished job stays to be looked at.
KEPT_SECONDS = 24 * 3600


class OneShot(Component):
    """A Job that runs once for each image and each set of settings: its name is made from both."""

    def __init__(
        self,
        stack: Stack,
        backends: Backends,
        component: str,
        role: Role,
        server: str,
        *,
        after: Sequence[pulumi.Resource],
    ) -> None:
        """`component` is also the command."""
        process = _process(stack, component, role, (server,), (component,))
        super().__init__(component, stack, after=[*after, *ready_servers(process, backends)])
        account = service_account(self, component)
        spec = _job(stack, process, backends, kept_seconds=None)
        # A Job's template can never change: another image or setting is another Job, and the old one is pruned.
        batch.Job(
            f"{component}-{fingerprint(spec)}",
            metadata=workload_metadata(stack, component, name_of(component, spec), more=REPLACE_UNREADY),
            spec=spec,
            opts=self.child(after=[account], custom_timeouts=pulumi.CustomTimeouts(create=AWAIT, update=AWAIT)),
        )
        self.register_outputs({})


class Retention(Component):
    """Drops partitions that are older than they are kept, every night."""

    def __init__(self, stack: Stack, backends: Backends, *, after: Sequence[pulumi.Resource]) -> None:
        """At half past three."""
        process = _process(stack, naming.RETENTION, Role.OWNER, ("postgresql", "s3"), ("retention",))
        super().__init__(naming.RETENTION, stack, after=[*after, *ready_servers(process, backends)])
        _cron_job(self, process, backends, schedule="30 3 * * *", suspend=False)
        self.register_outputs({})


class Operator(Component):
    """The template of the runbooks' commands: never scheduled, `make operate` makes a Job of it."""

    def __init__(self, stack: Stack, backends: Backends, *, after: Sequence[pulumi.Resource]) -> None:
        """Suspended for good."""
        servers = ("postgresql", "broker", "redis")
        process = _process(stack, naming.OPERATOR, Role.OPERATOR, servers, ("--help",))
        super().__init__(naming.OPERATOR, stack, after=[*after, *ready_servers(process, backends)])
        _cron_job(self, process, backends, schedule="0 0 1 1 *", suspend=True)
        self.register_outputs({})


def _process(stack: Stack, component: str, role: Role, servers: tuple[str, ...], arguments: tuple[str, ...]) -> Process:
    return Process(
        component=component,
        role=role,
        arguments=arguments,
        servers=servers,
        direct=True,
        certified=False,
        resources=stack.workloads.job.resources,
        grace_period_seconds=GRACE_SECONDS,
        restart_policy="Never",
    )


def _job(stack: Stack, process: Process, backends: Backends, *, kept_seconds: int | None) -> batch.JobSpecArgs:
    return batch.JobSpecArgs(
        backoff_limit=RETRIES,
        active_deadline_seconds=DEADLINE_SECONDS,
        ttl_seconds_after_finished=kept_seconds,
        template=core.PodTemplateSpecArgs(
            metadata=pod_metadata(stack, process.component, {}), spec=pod_of(stack, process, backends)
        ),
    )


def _cron_job(parent: Component, process: Process, backends: Backends, *, schedule: str, suspend: bool) -> None:
    account = service_account(parent, process.component)
    batch.CronJob(
        process.component,
        metadata=workload_metadata(parent.stack, process.component),
        spec=batch.CronJobSpecArgs(
            schedule=schedule,
            time_zone="Etc/UTC",
            suspend=suspend,
            concurrency_policy="Forbid",
            starting_deadline_seconds=3600,
            successful_jobs_history_limit=3,
            failed_jobs_history_limit=3,
            job_template=batch.JobTemplateSpecArgs(
                metadata=meta.ObjectMetaArgs(labels=naming.labels(process.component, parent.stack.environment)),
                spec=_job(parent.stack, process, backends, kept_seconds=KEPT_SECONDS),
            ),
        ),
        opts=parent.child(after=[account]),
    )
