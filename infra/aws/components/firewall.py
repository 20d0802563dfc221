"""Security groups and their rules, from a table of openings. Groups name each other; no rule names an address."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
from pulumi_aws import ec2, vpc

from infra.aws.components.part import Part
from infra.aws.reach import EVERY_PORT, Opening


class Firewall(Part):
    """A group for each end of an opening; each opening allows both of its ends."""

    def __init__(
        self, name: str, vpc_id: pulumi.Input[str], openings: Sequence[Opening], *, opts: pulumi.ResourceOptions
    ) -> None:
        """As the table says."""
        super().__init__(f"{name}-firewall", opts=opts)
        ends = sorted({end for one in openings for end in (one.source, one.destination)})
        self.group = {
            end: ec2.SecurityGroup(
                f"{name}-{end}",
                vpc_id=vpc_id,
                description=f"{name}: {end}",
                revoke_rules_on_delete=True,
                tags={"Name": f"{name}-{end}"},
                opts=self.child(),
            ).id
            for end in ends
        }
        for one in openings:
            self._open(name, one)
        self.register_outputs({})

    def _open(self, name: str, one: Opening) -> None:
        every = one.port == EVERY_PORT
        label = f"{name}-{one.source}-{one.destination}-{'every' if every else one.port}"
        protocol, port = ("-1", None) if every else ("tcp", one.port)
        vpc.SecurityGroupIngressRule(
            label,
            security_group_id=self.group[one.destination],
            referenced_security_group_id=self.group[one.source],
            ip_protocol=protocol,
            from_port=port,
            to_port=port,
            description=one.why,
            opts=self.child(),
        )
        vpc.SecurityGroupEgressRule(
            label,
            security_group_id=self.group[one.source],
            referenced_security_group_id=self.group[one.destination],
            ip_protocol=protocol,
            from_port=port,
            to_port=port,
            description=one.why,
            opts=self.child(),
        )
