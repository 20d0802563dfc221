"""IAM policy documents as values: who may do what, on what, when. Rendered as JSON once their ARNs are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi

Words = Sequence[pulumi.Input[str]]


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One statement. In a policy of a role there are no principals, in one of a resource there are."""

    sid: str
    actions: Sequence[str]
    resources: Words = ()
    principals: Mapping[str, Words] | str | None = None
    conditions: Mapping[str, Mapping[str, pulumi.Input[str] | Words]] = field(default_factory=dict)
    effect: str = "Allow"

    def rendered(self) -> dict[str, Any]:
        """As IAM reads it."""
        said: dict[str, Any] = {"Sid": self.sid, "Effect": self.effect, "Action": list(self.actions)}
        if self.principals is not None:
            said["Principal"] = self.principals
        if self.resources:
            said["Resource"] = list(self.resources)
        if self.conditions:
            said["Condition"] = self.conditions
        return said


def document(*statements: Statement) -> pulumi.Output[str]:
    """The document as JSON."""
    return pulumi.Output.json_dumps(
        {"Version": "2012-10-17", "Statement": [statement.rendered() for statement in statements]}
    )


def tls_only(service: str, *arns: pulumi.Input[str]) -> Statement:
    """Nobody speaks plain HTTP with these."""
    return Statement(
        sid="TlsOnly",
        effect="Deny",
        principals="*",
        actions=(f"{service}:*",),
        resources=arns,
        conditions={"Bool": {"aws:SecureTransport": "false"}},
    )


def assumed_by(service: str, account: str) -> pulumi.Output[str]:
    """Trust in a service of AWS, when it acts for this account."""
    return document(
        Statement(
            sid="Service",
            principals={"Service": [service]},
            actions=("sts:AssumeRole",),
            conditions={"StringEquals": {"aws:SourceAccount": account}},
        )
    )


def assumed_by_ec2() -> pulumi.Output[str]:
    """Trust in nodes: EC2 sends no source account when it starts one."""
    return document(Statement(sid="Nodes", principals={"Service": ["ec2.amazonaws.com"]}, actions=("sts:AssumeRole",)))


def assumed_by_pods(cluster_arn: pulumi.Input[str], namespace: str, account: str) -> pulumi.Output[str]:
    """Trust in the pods of one service account of one cluster: EKS says both in the session's tags."""
    return document(
        Statement(
            sid="Pods",
            principals={"Service": ["pods.eks.amazonaws.com"]},
            actions=("sts:AssumeRole", "sts:TagSession"),
            conditions={
                "StringEquals": {
                    "aws:RequestTag/eks-cluster-arn": cluster_arn,
                    "aws:RequestTag/kubernetes-namespace": namespace,
                    "aws:RequestTag/kubernetes-service-account": account,
                }
            },
        )
    )
