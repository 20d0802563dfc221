"""A group of logs: encrypted, and deleted when its time is over."""

from __future__ import annotations

import pulumi
from pulumi_aws import cloudwatch

from infra.aws.accepted import Accepted
from infra.aws.components.part import Part

#: What a scanner finds here, and why it stays.
ACCEPTED = (
    Accepted(
        check="CKV_AWS_338",
        type="aws_cloudwatch_log_group",
        reason="staging's logs are kept for as long as its settings say, less than a year",
        in_prod=False,
    ),
)


def names(name: str) -> dict[str, str]:
    """Where EKS, RDS and Amazon MQ write, whether the group is there or not; and two names of our own."""
    return {
        "cluster": f"/aws/eks/{name}/cluster",
        "database": f"/aws/rds/instance/{name}/postgresql",
        "database-upgrade": f"/aws/rds/instance/{name}/upgrade",
        "cache": f"/{name}/cache",
        "flow": f"/{name}/refused-connections",
    }


class LogGroups(Part):
    """Groups by their names. They are made before whoever writes, or AWS makes them, for ever and in plain text."""

    def __init__(
        self,
        name: str,
        names: dict[str, str],
        *,
        key_arn: pulumi.Input[str],
        retention_days: int,
        opts: pulumi.ResourceOptions,
    ) -> None:
        """`names` gives each group's name, some of which AWS prescribes."""
        super().__init__(f"{name}-logs", opts=opts)
        groups = {
            key: cloudwatch.LogGroup(
                f"{name}-{key}",
                name=value,
                kms_key_id=key_arn,
                retention_in_days=retention_days,
                opts=self.child(),
            )
            for key, value in names.items()
        }
        self.arn = {key: group.arn for key, group in groups.items()}
        self.name = {key: group.name for key, group in groups.items()}
        self.register_outputs({})
