"""The two namespaces: Pod Security `restricted`, a quota, defaults and bounds for a container."""

from __future__ import annotations

from pulumi_kubernetes.core import v1 as core
from pulumi_kubernetes.meta import v1 as meta
from pulumi_kubernetes.scheduling import v1 as scheduling

from infra import naming, sizing
from infra.components.component import Component
from infra.settings.stack import Stack

#: Of https://kubernetes.io/docs/concepts/security/pod-security-standards; `latest` would move under a running system.
POD_SECURITY_VERSION = "v1.34"


#: All others have 0. Far below the cluster's own, which begin at two thousand million.
DATA_PRIORITY = 1_000_000


class Namespaces(Component):
    """Where everything of ours runs, and whose pods find room first."""

    def __init__(self, stack: Stack) -> None:
        """Both of them."""
        super().__init__("namespaces", stack)
        for namespace in naming.NAMESPACES:
            self._namespace(namespace)
        scheduling.PriorityClass(
            naming.PRIORITY_DATA,
            metadata=meta.ObjectMetaArgs(
                name=naming.PRIORITY_DATA, labels=naming.labels(naming.PRIORITY_DATA, stack.environment)
            ),
            value=DATA_PRIORITY,
            global_default=False,
            description="Millrace: brokers and databases find room before workers do.",
            opts=self.child(),
        )
        self.register_outputs({})

    def _namespace(self, name: str) -> None:
        labels = naming.labels(name, self.stack.environment)
        security = {
            f"pod-security.kubernetes.io/{mode}{suffix}": value
            for mode in ("enforce", "audit", "warn")
            for suffix, value in (("", "restricted"), ("-version", POD_SECURITY_VERSION))
        }
        namespace = core.Namespace(
            name, metadata=meta.ObjectMetaArgs(name=name, labels=labels | security), opts=self.keeper()
        )
        inside = meta.ObjectMetaArgs(name=naming.PART_OF, namespace=name, labels=labels)
        core.ResourceQuota(
            name,
            metadata=inside,
            spec=core.ResourceQuotaSpecArgs(hard=sizing.quota(self.stack, name)),
            opts=self.child(after=[namespace]),
        )
        core.LimitRange(
            name,
            metadata=inside,
            spec=core.LimitRangeSpecArgs(
                limits=[
                    core.LimitRangeItemArgs(
                        type="Container",
                        default={"cpu": "500m", "memory": "256Mi"},
                        default_request={"cpu": "100m", "memory": "256Mi"},
                        max=sizing.largest_container(self.stack, name),
                    )
                ]
            ),
            opts=self.child(after=[namespace]),
        )
