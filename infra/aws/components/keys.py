"""Keys, one for each class of data: who reads one class does not read the others."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import pulumi
from pulumi_aws import kms

from infra.aws.components.part import Part
from infra.aws.documents import Statement, document

DELETION_DAYS = 30
ROTATION_DAYS = 365
_ENCRYPTS = ("kms:Encrypt", "kms:Decrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:GenerateDataKey")
_USES = (*_ENCRYPTS, "kms:DescribeKey")


class Data(StrEnum):
    """What a key is for."""

    CLUSTER = "cluster"  # Kubernetes' Secrets
    VOLUMES = "volumes"  # disks of nodes and of pods
    IMAGES = "images"
    DATABASE = "database"
    CACHE = "cache"
    BROKER = "broker"  # messages, on SQS or Amazon MQ
    UPLOADS = "uploads"
    LOGS = "logs"
    ALARMS = "alarms"


class Keys(Part):
    """The keys and their names."""

    def __init__(
        self, name: str, account: str, region: str, data: Iterable[Data], *, kept: bool, opts: pulumi.ResourceOptions
    ) -> None:
        """One for each of `data`."""
        super().__init__(f"{name}-keys", kept=kept, opts=opts)
        self.arn: dict[Data, pulumi.Output[str]] = {}
        for one in data:
            key = kms.Key(
                f"{name}-{one}",
                description=f"{name}: {one}",
                enable_key_rotation=True,
                rotation_period_in_days=ROTATION_DAYS,
                deletion_window_in_days=DELETION_DAYS,
                policy=document(_account(account), *_services(one, account, region)),
                opts=self.keeper(),
            )
            kms.Alias(f"{name}-{one}", name=f"alias/{name}-{one}", target_key_id=key.key_id, opts=self.child())
            self.arn[one] = key.arn
        self.register_outputs({})


def _account(account: str) -> Statement:
    """Hands the key over to the account's IAM, which says who may use it. Without it nobody could ever change it."""
    return Statement(
        sid="AccountDecides",
        principals={"AWS": [f"arn:aws:iam::{account}:root"]},
        actions=("kms:*",),
        resources=("*",),
    )


def _services(data: Data, account: str, region: str) -> list[Statement]:
    """Services that use the key in their own name, for our resources only."""
    if data is Data.LOGS:
        groups = f"arn:aws:logs:{region}:{account}:log-group:*"
        # DescribeKey has no encryption context: under this condition it would never be allowed.
        conditions = {"StringLike": {"kms:EncryptionContext:aws:logs:arn": groups}}
        return [_service("Logs", f"logs.{region}.amazonaws.com", conditions, _ENCRYPTS)]
    if data is Data.ALARMS:
        ours = {"StringEquals": {"aws:SourceAccount": account}}
        return [
            _service("Alarms", "cloudwatch.amazonaws.com", ours),
            _service("Budgets", "budgets.amazonaws.com", ours),
        ]
    if data is Data.VOLUMES:
        # The nodes' groups start instances under a role of their own, which must unlock the disk.
        role = f"arn:aws:iam::{account}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
        grant = Statement(
            sid="NodesAttach",
            principals={"AWS": [role]},
            actions=("kms:CreateGrant",),
            resources=("*",),
            conditions={"Bool": {"kms:GrantIsForAWSResource": "true"}},
        )
        return [Statement(sid="Nodes", principals={"AWS": [role]}, actions=_USES, resources=("*",)), grant]
    return []


def _service(
    sid: str, service: str, conditions: dict[str, dict[str, str]], actions: tuple[str, ...] = _USES
) -> Statement:
    return Statement(
        sid=sid, principals={"Service": [service]}, actions=actions, resources=("*",), conditions=conditions
    )
