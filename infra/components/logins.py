"""A Job that makes our logins on a server that somebody else runs, with the login of its administrator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.batch import v1 as batch
from pulumi_kubernetes.core import v1 as core

from infra import naming
from infra.components import files
from infra.components.component import Component
from infra.components.deployment import service_account
from infra.components.jobs import AWAIT, DEADLINE_SECONDS, GRACE_SECONDS, REPLACE_UNREADY, RETRIES
from infra.settings.stack import Stack
from infra.volumes import Files, scratch, secrets
from infra.workloads import Container, fingerprint, name_of, pod, pod_metadata, workload_metadata


@dataclass(frozen=True, kw_only=True)
class Administered:
    """A server that somebody else runs: its address, the login of its administrator, and who signs its certificates."""

    #: The Job, and the name of the server in settings of the application.
    component: str
    server: str
    environment: Mapping[str, pulumi.Input[str]]
    user: str
    password: pulumi.Input[str]
    authorities: Files


class Logins(Component):
    """Runs again for other logins, another server or another image, and not for its administrator's new password."""

    def __init__(
        self,
        stack: Stack,
        administered: Administered,
        contents: Mapping[str, pulumi.Input[str]],
        *,
        folder: str = "",
        after: Sequence[pulumi.Resource],
    ) -> None:
        """`contents` are the files that say which logins there are, below this folder of the folder of secrets."""
        component, server = administered.component, administered.server
        super().__init__(component, stack, after=after)
        login = {f"{server}_user": administered.user, f"{server}_password": administered.password}
        name = f"{component}-secrets"
        secret = files.secret(self, component, name, {**login, **contents})
        account = service_account(self, component)
        paths = {key: key for key in login} | {key: f"{folder}{key}" for key in contents}
        container = Container(
            name=component,
            image=stack.images.reference("app"),
            arguments=("logins", server),
            environment=dict(sorted({"MILLRACE_LOG_LEVEL": stack.log_level, **administered.environment}.items())),
            resources=stack.workloads.job.resources,
            volumes=[scratch(), secrets(Files(secret=name, paths=paths), administered.authorities)],
        )
        spec = batch.JobSpecArgs(
            backoff_limit=RETRIES,
            active_deadline_seconds=DEADLINE_SECONDS,
            template=core.PodTemplateSpecArgs(
                metadata=pod_metadata(stack, component, {naming.ANNOTATION_CONFIG_HASH: files.content_hash(contents)}),
                spec=pod(stack, component, [container], grace_period_seconds=GRACE_SECONDS, restart_policy="Never"),
            ),
        )
        batch.Job(
            f"{component}-{fingerprint(spec)}",
            metadata=workload_metadata(stack, component, name_of(component, spec), more=REPLACE_UNREADY),
            spec=spec,
            opts=self.child(after=[account, secret], custom_timeouts=pulumi.CustomTimeouts(create=AWAIT, update=AWAIT)),
        )
        self.register_outputs({})
