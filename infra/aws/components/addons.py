"""Add-ons that EKS itself runs in the cluster, each with a version and, if it calls AWS, a role of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pulumi
from pulumi_aws import eks, iam

from infra.aws.components.cluster import addon_roles
from infra.aws.components.part import Part
from infra.aws.documents import assumed_by_pods
from infra.aws.settings.cluster import AddonName

#: Strict: a pod that no NetworkPolicy allows anything can do nothing, from its first packet on.
_VALUES = {"vpc-cni": {"enableNetworkPolicy": "true", "env": {"NETWORK_POLICY_ENFORCING_MODE": "strict"}}}
#: Pods of these need nodes to run on before they are ready.
_AFTER_NODES = ("coredns", "aws-ebs-csi-driver")


class Addons(Part):
    """All of them."""

    def __init__(
        self,
        name: str,
        versions: Mapping[AddonName, str],
        cluster_name: pulumi.Input[str],
        cluster_arn: pulumi.Input[str],
        nodes: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions,
    ) -> None:
        """At these versions."""
        super().__init__(f"{name}-addons", opts=opts)
        for addon, version in versions.items():
            associations: list[eks.AddonPodIdentityAssociationArgs] = []
            if addon in addon_roles():
                account, policy = addon_roles()[addon]
                role = self._role(f"{name}-{addon}", account, policy, cluster_arn)
                associations = [eks.AddonPodIdentityAssociationArgs(service_account=account, role_arn=role.arn)]
            eks.Addon(
                f"{name}-{addon}",
                cluster_name=cluster_name,
                addon_name=addon,
                addon_version=version,
                configuration_values=json.dumps(_VALUES[addon]) if addon in _VALUES else None,
                pod_identity_associations=associations,
                resolve_conflicts_on_create="OVERWRITE",
                resolve_conflicts_on_update="PRESERVE",
                opts=self.child(depends_on=list(nodes) if addon in _AFTER_NODES else []),
            )
        self.register_outputs({})

    def _role(self, name: str, account: str, policy: str, cluster_arn: pulumi.Input[str]) -> iam.Role:
        role = iam.Role(
            name,
            name=name,
            assume_role_policy=assumed_by_pods(cluster_arn, "kube-system", account),
            opts=self.child(),
        )
        iam.RolePolicyAttachment(name, role=role.name, policy_arn=policy, opts=self.child())
        return role
