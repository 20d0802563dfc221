"""A bucket that is nobody's but ours: encrypted, versioned, never public, and reached from our network alone."""

from __future__ import annotations

import pulumi
from pulumi_aws import s3

from infra.aws.accepted import Accepted
from infra.aws.components.part import Part
from infra.aws.documents import Statement, document, tls_only

INCOMPLETE_DAYS = 7
NONCURRENT_DAYS = 30
#: What a scanner finds here, and why it stays.
ACCEPTED = (
    Accepted(
        check="CKV_AWS_18",
        type="aws_s3_bucket",
        reason="who read what is an audit's question: CloudTrail's data events answer it for the whole account",
    ),
    Accepted(check="CKV_AWS_144", type="aws_s3_bucket", reason="Millrace promises one region"),
    Accepted(check="CKV2_AWS_62", type="aws_s3_bucket", reason="nothing of ours waits for objects"),
)


class Bucket(Part):
    """A bucket; its policy comes with `closed_to_others`, when there is an endpoint."""

    def __init__(self, name: str, *, key_arn: pulumi.Input[str], kept: bool, opts: pulumi.ResourceOptions) -> None:
        """A bucket of this name, which is one name in all of AWS."""
        super().__init__(f"{name}-bucket", kept=kept, opts=opts)
        self._name = name
        bucket = s3.Bucket(name, bucket=name, force_destroy=False, opts=self.keeper())
        self.arn, self.id = bucket.arn, bucket.id
        s3.BucketOwnershipControls(
            name, bucket=bucket.id, rule={"object_ownership": "BucketOwnerEnforced"}, opts=self.child()
        )
        self._closed = s3.BucketPublicAccessBlock(
            name,
            bucket=bucket.id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=self.child(),
        )
        s3.BucketServerSideEncryptionConfiguration(
            name,
            bucket=bucket.id,
            rules=[
                {
                    "apply_server_side_encryption_by_default": {
                        "sse_algorithm": "aws:kms",
                        "kms_master_key_id": key_arn,
                    },
                    "bucket_key_enabled": True,
                }
            ],
            opts=self.child(),
        )
        s3.BucketVersioning(name, bucket=bucket.id, versioning_configuration={"status": "Enabled"}, opts=self.child())
        s3.BucketLifecycleConfiguration(
            name,
            bucket=bucket.id,
            rules=[
                {
                    "id": "leftovers",
                    "status": "Enabled",
                    "filter": {"prefix": ""},
                    "abort_incomplete_multipart_upload": {"days_after_initiation": INCOMPLETE_DAYS},
                    "noncurrent_version_expiration": {"noncurrent_days": NONCURRENT_DAYS},
                }
            ],
            opts=self.child(),
        )
        self.register_outputs({})

    def closed_to_others(self, endpoint_id: pulumi.Input[str]) -> None:
        """Objects are reached by this endpoint alone, and over TLS; people with rights still manage the bucket."""
        objects = pulumi.Output.concat(self.arn, "/*")
        elsewhere = Statement(
            sid="OwnNetworkOnly",
            effect="Deny",
            principals="*",
            actions=("s3:GetObject", "s3:PutObject", "s3:DeleteObject"),
            resources=(objects,),
            conditions={"StringNotEquals": {"aws:SourceVpce": endpoint_id}},
        )
        s3.BucketPolicy(
            self._name,
            bucket=self.id,
            policy=document(tls_only("s3", self.arn, objects), elsewhere),
            opts=self.child(depends_on=[self._closed]),
        )
