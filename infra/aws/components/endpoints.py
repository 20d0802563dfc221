"""Endpoints: the only way from the network to AWS's APIs, for the account's own principals."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
from pulumi_aws import ec2, vpc

from infra.aws.components.network import Network
from infra.aws.components.part import Part
from infra.aws.documents import Statement, document
from infra.settings.managed import PORT_HTTPS

#: What a cluster without the internet asks, and nothing else: each is billed by zone and hour.
CLUSTER_SERVICES = ("ec2", "ecr.api", "ecr.dkr", "eks", "eks-auth", "sts")


class Endpoints(Part):
    """A gateway for S3, and an interface in each zone for each service."""

    def __init__(
        self,
        name: str,
        account: str,
        region: str,
        services: Sequence[str],
        network: Network,
        *,
        group_id: pulumi.Input[str],
        nodes_group_id: pulumi.Input[str],
        buckets: Sequence[pulumi.Input[str]],
        opts: pulumi.ResourceOptions,
    ) -> None:
        """`services` as AWS names them; `buckets` are the ARNs of those that nodes may reach."""
        super().__init__(f"{name}-endpoints", opts=opts)
        gateway = ec2.VpcEndpoint(
            f"{name}-s3",
            vpc_id=network.vpc_id,
            vpc_endpoint_type="Gateway",
            service_name=f"com.amazonaws.{region}.s3",
            route_table_ids=[network.route_table_id],
            policy=document(_own_buckets(account, buckets), _image_layers(region)),
            tags={"Name": f"{name}-s3"},
            opts=self.child(),
        )
        vpc.SecurityGroupEgressRule(
            f"{name}-nodes-s3",
            security_group_id=nodes_group_id,
            prefix_list_id=gateway.prefix_list_id,
            ip_protocol="tcp",
            from_port=PORT_HTTPS,
            to_port=PORT_HTTPS,
            description="S3, by its gateway",
            opts=self.child(),
        )
        self.s3_id = gateway.id
        for service in services:
            ec2.VpcEndpoint(
                f"{name}-{service}",
                vpc_id=network.vpc_id,
                vpc_endpoint_type="Interface",
                service_name=f"com.amazonaws.{region}.{service}",
                subnet_ids=network.subnet_ids,
                security_group_ids=[group_id],
                private_dns_enabled=True,
                policy=document(_own_account(account, service)),
                tags={"Name": f"{name}-{service}"},
                opts=self.child(),
            )
        self.register_outputs({})


def _own_account(account: str, service: str) -> Statement:
    """An endpoint's policy grants nothing: it says whose grants count here."""
    prefix = service.partition(".")[0]
    return Statement(
        sid="OwnAccount",
        principals="*",
        actions=(f"{prefix}:*",),
        resources=("*",),
        conditions={"StringEquals": {"aws:PrincipalAccount": account}},
    )


def _own_buckets(account: str, buckets: Sequence[pulumi.Input[str]]) -> Statement:
    arns = [arn for bucket in buckets for arn in (bucket, pulumi.Output.concat(bucket, "/*"))]
    return Statement(
        sid="OwnBuckets",
        principals="*",
        actions=("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListBucket"),
        resources=arns,
        conditions={"StringEquals": {"aws:PrincipalAccount": account}},
    )


def _image_layers(region: str) -> Statement:
    """ECR keeps the layers of images in a bucket of AWS's."""
    bucket = f"arn:aws:s3:::prod-{region}-starport-layer-bucket/*"
    return Statement(sid="ImageLayers", principals="*", actions=("s3:GetObject",), resources=(bucket,))
