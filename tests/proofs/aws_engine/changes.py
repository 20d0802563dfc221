"""What a change of each part that keeps state does, written by hand from the source of terraform-provider-aws 6.47.1.

infra/lab/aws/force_new.py has the same from the same source, but for the provider; here are edits that people make.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from infra.lab.staging.run import Step
from tests.proofs.aws_engine.account import edited
from tests.proofs.engine.harness.engine import Engine

REPLACE, UPDATE = "replace", "update"


@dataclass(frozen=True)
class Row:
    """One property: as Python and as Pulumi name it, another value, and what becomes of the resource."""

    type: str
    name: str
    field: str
    value: Any
    does: str


def _rows(kind: str, **edits: tuple[str, Any, str]) -> tuple[Row, ...]:
    return tuple(Row(kind, name, field, value, does) for name, (field, value, does) in edits.items())


_OTHER = "arn:aws:kms:eu-central-1:123456789012:key/another"
STAGING = (
    *_rows(
        "aws:rds/instance:Instance",
        instance_class=("instanceClass", "db.m7g.xlarge", UPDATE),
        engine_version=("engineVersion", "17.7", UPDATE),
        allocated_storage=("allocatedStorage", 500, UPDATE),
        max_allocated_storage=("maxAllocatedStorage", 900, UPDATE),
        multi_az=("multiAz", True, UPDATE),
        backup_retention_period=("backupRetentionPeriod", 8, UPDATE),
        deletion_protection=("deletionProtection", True, UPDATE),
        ca_cert_identifier=("caCertIdentifier", "rds-ca-rsa4096-g1", UPDATE),
        storage_encrypted=("storageEncrypted", False, REPLACE),
        kms_key_id=("kmsKeyId", _OTHER, REPLACE),
        db_name=("dbName", "another", REPLACE),
        username=("username", "another", REPLACE),
        engine=("engine", "mysql", REPLACE),
    ),
    *_rows(
        "aws:elasticache/replicationGroup:ReplicationGroup",
        node_type=("nodeType", "cache.m7g.large", UPDATE),
        num_cache_clusters=("numCacheClusters", 3, UPDATE),
        engine_version=("engineVersion", "8.2", UPDATE),
        snapshot_retention_limit=("snapshotRetentionLimit", 9, UPDATE),
        kms_key_id=("kmsKeyId", _OTHER, REPLACE),
        at_rest_encryption_enabled=("atRestEncryptionEnabled", False, REPLACE),
        subnet_group_name=("subnetGroupName", "another", REPLACE),
        replication_group_id=("replicationGroupId", "another", REPLACE),
    ),
    *_rows(
        "aws:s3/bucket:Bucket",
        bucket=("bucket", "another", REPLACE),
        force_destroy=("forceDestroy", True, UPDATE),
    ),
    *_rows(
        "aws:s3/bucketVersioning:BucketVersioning",
        versioning_configuration=("versioningConfiguration.status", {"status": "Suspended"}, UPDATE),
    ),
    *_rows(
        "aws:sqs/queue:Queue",
        visibility_timeout_seconds=("visibilityTimeoutSeconds", 11, UPDATE),
        message_retention_seconds=("messageRetentionSeconds", 86_400, UPDATE),
        kms_master_key_id=("kmsMasterKeyId", _OTHER, UPDATE),
        redrive_policy=("redrivePolicy", '{"maxReceiveCount": 3}', UPDATE),
        name=("name", "another", REPLACE),
    ),
    *_rows(
        "aws:kms/key:Key",
        description=("description", "another", UPDATE),
        policy=("policy", '{"Statement": []}', UPDATE),
        enable_key_rotation=("enableKeyRotation", False, UPDATE),
        deletion_window_in_days=("deletionWindowInDays", 7, UPDATE),
        key_usage=("keyUsage", "SIGN_VERIFY", REPLACE),
    ),
    *_rows(
        "aws:eks/cluster:Cluster",
        version=("version", "1.36", UPDATE),
        deletion_protection=("deletionProtection", True, UPDATE),
        role_arn=("roleArn", "arn:aws:iam::123456789012:role/another", REPLACE),
    ),
    *_rows(
        "aws:ecr/repository:Repository",
        image_tag_mutability=("imageTagMutability", "MUTABLE", UPDATE),
        name=("name", "another", REPLACE),
    ),
)
PROD = (
    *_rows(
        "aws:mq/broker:Broker",
        host_instance_type=("hostInstanceType", "mq.m7g.xlarge", UPDATE),
        engine_version=("engineVersion", "4.3", UPDATE),
        security_groups=("securityGroups[0]", ["sg-another"], UPDATE),
        # The source does not replace it, and AWS has no such change for RabbitMQ: docs/aws.md.
        users=("users[0].username", [{"username": "another", "password": "another-of-twelve"}], UPDATE),
    ),
)


def refused(engine: Engine, rows: Sequence[Row]) -> list[str]:
    """The rows of which the engine says something else. One type at a time: a replacement replaces what hangs on it."""
    wrong = []
    for kind in dict.fromkeys(row.type for row in rows):
        ours = [row for row in rows if row.type == kind]
        steps = engine.running(edited({kind: {row.name: row.value for row in ours}})).preview().steps
        said = {row.field: _said(steps, row) for row in ours}
        wrong += [
            f"{kind} {row.field}: {said[row.field]}, not {row.does}" for row in ours if said[row.field] != {row.does}
        ]
    return wrong


def _said(steps: Sequence[Step], row: Row) -> set[str]:
    changing = [step for step in steps if step.type == row.type and step.operation in {REPLACE, UPDATE}]
    return {REPLACE if row.field in step.replacing else UPDATE for step in changing if row.field in step.fields}


#: The server has no new versions of EKS and ElastiCache. The others would close the stack to the tests that follow.
_NOT_APPLIED = frozenset({
    ("aws:elasticache/replicationGroup:ReplicationGroup", "engine_version"),
    ("aws:eks/cluster:Cluster", "deletion_protection"),
    ("aws:eks/cluster:Cluster", "version"),
    ("aws:kms/key:Key", "enable_key_rotation"),
    ("aws:kms/key:Key", "policy"),
    ("aws:rds/instance:Instance", "deletion_protection"),
    ("aws:sqs/queue:Queue", "kms_master_key_id"),
    ("aws:sqs/queue:Queue", "redrive_policy"),
})  # fmt: skip


def applied(rows: Sequence[Row]) -> dict[str, dict[str, Any]]:
    """Those that change a resource in place, and that the server can apply."""
    edits: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row.does == UPDATE and (row.type, row.name) not in _NOT_APPLIED:
            edits.setdefault(row.type, {})[row.name] = row.value
    return edits
