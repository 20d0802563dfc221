"""A network without a way to the internet: private subnets, no gateway, and a record of what was refused."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
from pulumi_aws import ec2

from infra.aws.components.part import Part


class Network(Part):
    """The VPC and a private subnet in each zone."""

    def __init__(
        self,
        name: str,
        cidr: str,
        subnets: Mapping[str, str],
        flow_log_group_arn: pulumi.Input[str],
        flow_log_role_arn: pulumi.Input[str],
        *,
        opts: pulumi.ResourceOptions,
    ) -> None:
        """`subnets` gives the addresses of each zone."""
        super().__init__(f"{name}-network", opts=opts)
        vpc = ec2.Vpc(
            name,
            cidr_block=cidr,
            enable_dns_support=True,
            enable_dns_hostnames=True,  # or endpoints have no private names
            tags={"Name": name},
            opts=self.child(),
        )
        self.vpc_id = vpc.id
        # Whoever forgets a group gets this one, with which nothing is reached.
        ec2.DefaultSecurityGroup(name, vpc_id=vpc.id, ingress=[], egress=[], opts=self.child())
        table = ec2.RouteTable(f"{name}-private", vpc_id=vpc.id, tags={"Name": f"{name}-private"}, opts=self.child())
        self.route_table_id = table.id
        self.subnet_of: dict[str, pulumi.Output[str]] = {}
        for zone, block in subnets.items():
            subnet = ec2.Subnet(
                f"{name}-{zone}",
                vpc_id=vpc.id,
                availability_zone=zone,
                cidr_block=block,
                map_public_ip_on_launch=False,
                tags={"Name": f"{name}-{zone}", "kubernetes.io/role/internal-elb": "1"},
                opts=self.child(),
            )
            ec2.RouteTableAssociation(f"{name}-{zone}", subnet_id=subnet.id, route_table_id=table.id, opts=self.child())
            self.subnet_of[zone] = subnet.id
        ec2.FlowLog(
            name,
            vpc_id=vpc.id,
            traffic_type="REJECT",
            log_destination=flow_log_group_arn,
            iam_role_arn=flow_log_role_arn,
            max_aggregation_interval=60,
            opts=self.child(),
        )
        self.register_outputs({})

    @property
    def subnet_ids(self) -> list[pulumi.Output[str]]:
        """Of all zones."""
        return list(self.subnet_of.values())
