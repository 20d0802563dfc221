"""The authorities of servers that are not ours, for those of our pods that talk to them.

They stand beside our own and never in its place: who shows a certificate of theirs is no client of ours.
"""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
from pulumi_kubernetes.core import v1 as core
from pulumi_kubernetes.meta import v1 as meta

from infra import naming
from infra.components.component import Component
from infra.settings.managed import Aws
from infra.settings.stack import Stack
from infra.volumes import Files
from infra.workloads import fingerprint

#: The file, in the folder of secrets of whoever trusts them.
FILE = "aws.crt"


class AwsAuthorities(Component):
    """A ConfigMap in each of our namespaces. Another content is another name, so who reads it once starts anew."""

    def __init__(self, stack: Stack, aws: Aws, *, after: Sequence[pulumi.Resource]) -> None:
        """As the settings say."""
        super().__init__("aws-authorities", stack, after=after)
        name = f"{naming.AWS_AUTHORITIES}-{fingerprint(aws.authorities)}"
        for namespace in naming.NAMESPACES:
            core.ConfigMap(
                f"{namespace}-{name}",
                metadata=meta.ObjectMetaArgs(
                    name=name, namespace=namespace, labels=naming.labels(naming.AWS_AUTHORITIES, stack.environment)
                ),
                data={FILE: aws.authorities},
                opts=self.child(),
            )
        #: As a pod mounts them.
        self.files = Files(config_map=name, paths={FILE: FILE})
        self.register_outputs({})
