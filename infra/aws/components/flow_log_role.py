"""The role with which the network writes down what it refused."""

from __future__ import annotations

import pulumi
from pulumi_aws import iam

from infra.aws.components.part import Part
from infra.aws.documents import Statement, assumed_by, document


class FlowLogRole(Part):
    """It may write into one group."""

    def __init__(self, name: str, account: str, group_arn: pulumi.Input[str], *, opts: pulumi.ResourceOptions) -> None:
        """For the group of this ARN."""
        super().__init__(f"{name}-flow-log-role", opts=opts)
        role = iam.Role(
            f"{name}-flow-log",
            name=f"{name}-flow-log",
            assume_role_policy=assumed_by("vpc-flow-logs.amazonaws.com", account),
            opts=self.child(),
        )
        writes = Statement(
            sid="Writes",
            actions=("logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"),
            resources=(pulumi.Output.concat(group_arn, ":*"),),
        )
        iam.RolePolicy(f"{name}-flow-log", role=role.name, policy=document(writes), opts=self.child())
        self.arn = role.arn
        self.register_outputs({})
