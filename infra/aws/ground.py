"""The ground under every server: keys, logs, a network without the internet, and who may reach whom in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from infra.aws.components.bucket import Bucket
from infra.aws.components.endpoints import CLUSTER_SERVICES, Endpoints
from infra.aws.components.firewall import Firewall
from infra.aws.components.flow_log_role import FlowLogRole
from infra.aws.components.keys import Data, Keys
from infra.aws.components.log_group import LogGroups, names
from infra.aws.components.network import Network
from infra.aws.components.part import Place
from infra.aws.reach import ENDPOINTS, NODES, openings
from infra.aws.settings.servers import AmazonMQ, Sqs
from infra.aws.settings.stack import AwsStack


@dataclass(frozen=True)
class Ground:
    """All of it."""

    keys: Mapping[Data, pulumi.Output[str]]
    logs: LogGroups
    network: Network
    groups: Mapping[str, pulumi.Output[str]]
    uploads: Bucket

    def place(self, group: str, data: Data) -> Place:
        """For a server of this security group, with this kind of data."""
        return Place(self.network.subnet_ids, self.groups[group], self.keys[data])


def build(stack: AwsStack, *, opts: pulumi.ResourceOptions) -> Ground:
    """Make it for a stack."""
    name, account, region, kept = stack.name, stack.account, stack.region, stack.is_prod
    keys = Keys(name, account, region, Data, kept=kept, opts=opts).arn
    logs = LogGroups(name, names(name), key_arn=keys[Data.LOGS], retention_days=stack.logs.retention_days, opts=opts)
    flow = FlowLogRole(name, account, logs.arn["flow"], opts=opts)
    network = Network(name, stack.network.cidr, stack.network.subnets, logs.arn["flow"], flow.arn, opts=opts)
    # A broker that is a server in the network has a group; SQS has an endpoint.
    arrows = openings(stack.application, managed_broker=isinstance(stack.broker, AmazonMQ))
    groups = Firewall(name, network.vpc_id, arrows, opts=opts).group
    # A bucket's name is one in all of AWS, so that the account stands in it.
    uploads = Bucket(f"{name}-{account}-uploads", key_arn=keys[Data.UPLOADS], kept=kept, opts=opts)
    endpoints = Endpoints(
        name,
        account,
        region,
        (*CLUSTER_SERVICES, *(["sqs"] if isinstance(stack.broker, Sqs) else [])),
        network,
        group_id=groups[ENDPOINTS],
        nodes_group_id=groups[NODES],
        buckets=[uploads.arn],
        opts=opts,
    )
    uploads.closed_to_others(endpoints.s3_id)
    return Ground(keys, logs, network, groups, uploads)
