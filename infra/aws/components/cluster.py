"""Kubernetes on EKS: reached from the network alone, by named roles, with everything in it encrypted and logged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi
from pulumi_aws import eks, iam

from infra.aws.components.part import Part, Place
from infra.aws.documents import Statement, assumed_by, document
from infra.aws.settings.cluster import Cluster as Settings
from infra.aws.settings.network import SERVICES

LOGS = ("api", "audit", "authenticator", "controllerManager", "scheduler")
_POLICY = "arn:aws:iam::aws:policy/AmazonEKSClusterPolicy"
_ADMIN = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"


class Cluster(Part):
    """The control plane, and who may do everything in it."""

    def __init__(
        self,
        name: str,
        account: str,
        settings: Settings,
        place: Place,
        *,
        logs: pulumi.Resource,
        kept: bool,
        opts: pulumi.ResourceOptions,
    ) -> None:
        """As its settings say; the log group, whose name EKS prescribes, is there before."""
        super().__init__(f"{name}-cluster", kept=kept, opts=opts)
        role = iam.Role(
            f"{name}-cluster",
            name=f"{name}-cluster",
            assume_role_policy=assumed_by("eks.amazonaws.com", account),
            opts=self.child(),
        )
        attached = iam.RolePolicyAttachment(f"{name}-cluster", role=role.name, policy_arn=_POLICY, opts=self.child())
        unlocks = Statement(
            sid="Secrets",
            actions=("kms:Encrypt", "kms:Decrypt", "kms:DescribeKey", "kms:CreateGrant"),
            resources=(place.key_arn,),
        )
        unlocked = iam.RolePolicy(f"{name}-cluster", role=role.name, policy=document(unlocks), opts=self.child())
        cluster = eks.Cluster(
            name,
            name=name,
            version=settings.version,
            role_arn=role.arn,
            # Every one of them is declared, with a version.
            bootstrap_self_managed_addons=False,
            access_config={"authentication_mode": "API", "bootstrap_cluster_creator_admin_permissions": False},
            vpc_config={
                "subnet_ids": place.subnet_ids,
                "security_group_ids": [place.group_id],
                "endpoint_private_access": True,
                "endpoint_public_access": False,
            },
            kubernetes_network_config={"service_ipv4_cidr": SERVICES},
            encryption_config={"provider": {"key_arn": place.key_arn}, "resources": ["secrets"]},
            enabled_cluster_log_types=list(LOGS),
            upgrade_policy={"support_type": "STANDARD"},
            deletion_protection=kept,
            opts=self.keeper(depends_on=[attached, unlocked, logs]),
        )
        self.name, self.arn, self.endpoint = cluster.name, cluster.arn, cluster.endpoint
        self.certificate_authority = cluster.certificate_authority.data
        self._admins(name, settings.admin_roles)
        self.register_outputs({})

    def _admins(self, name: str, roles: Sequence[str]) -> None:
        for role in roles:
            label = f"{name}-{role.rpartition('/')[2]}"
            entry = eks.AccessEntry(
                label, cluster_name=self.name, principal_arn=role, type="STANDARD", opts=self.child()
            )
            eks.AccessPolicyAssociation(
                label,
                cluster_name=self.name,
                principal_arn=role,
                policy_arn=_ADMIN,
                access_scope={"type": "cluster"},
                opts=self.child(depends_on=[entry]),
            )


def addon_roles() -> Mapping[str, tuple[str, str]]:
    """Addons that call AWS: their service account, and AWS' own policy for them."""
    prefix = "arn:aws:iam::aws:policy"
    return {
        "vpc-cni": ("aws-node", f"{prefix}/AmazonEKS_CNI_Policy"),
        "aws-ebs-csi-driver": ("ebs-csi-controller-sa", f"{prefix}/service-role/AmazonEBSCSIDriverPolicy"),
    }
