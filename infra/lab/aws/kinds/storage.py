"""KMS and S3."""

from __future__ import annotations

from infra.lab.aws.kind import Kind, call, only

KINDS = {
    "aws:kms/key:Key": Kind(
        service="kms",
        creates=[
            call("create_key"),
            only("enable_key_rotation", KeyId="id", RotationPeriodInDays="rotationPeriodInDays"),
        ],
        identity="answer.KeyMetadata.KeyId",
        reads=[
            (only("describe_key", KeyId="id"), "KeyMetadata"),
            (only("get_key_policy", KeyId="id", PolicyName="'default'"), "{policy: Policy}"),
            (
                only("get_key_rotation_status", KeyId="id"),
                "{enableKeyRotation: KeyRotationEnabled, rotationPeriodInDays: RotationPeriodInDays}",
            ),
        ],
        updates=[
            only("update_key_description", KeyId="id", Description="description"),
            only("put_key_policy", KeyId="id", PolicyName="'default'", Policy="policy"),
            only("enable_key_rotation", KeyId="id", RotationPeriodInDays="rotationPeriodInDays"),
        ],
        deletes=[only("schedule_key_deletion", KeyId="id", PendingWindowInDays="deletionWindowInDays")],
        ended="PendingDeletion",
        outputs={"arn": "said.Arn", "keyId": "id"},
    ),
    "aws:kms/alias:Alias": Kind(
        service="kms",
        creates=[call("create_alias", AliasName="name")],
        identity="name",
        reads=[(only("list_aliases"), "Aliases[?AliasName=='$name'] | [0]")],
        updates=[call("update_alias", AliasName="name")],
        deletes=[only("delete_alias", AliasName="name")],
    ),
    "aws:s3/bucket:Bucket": Kind(
        service="s3",
        creates=[
            call("create_bucket", CreateBucketConfiguration="{LocationConstraint: region}"),
            only("put_bucket_tagging", Bucket="bucket", Tagging="{TagSet: tagSet}"),
        ],
        identity="bucket",
        reads=[
            (only("head_bucket", Bucket="id"), "{bucket: '$id'}"),
        ],
        deletes=[only("delete_bucket", Bucket="id")],
        outputs={"arn": "join('', ['arn:aws:s3:::', id])"},
    ),
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": Kind(
        service="s3",
        creates=[only("put_bucket_ownership_controls", Bucket="bucket", OwnershipControls="{Rules: [rule]}")],
        identity="bucket",
        reads=[(only("get_bucket_ownership_controls", Bucket="id"), "{rule: OwnershipControls.Rules}")],
        updates=[only("put_bucket_ownership_controls", Bucket="bucket", OwnershipControls="{Rules: [rule]}")],
        deletes=[only("delete_bucket_ownership_controls", Bucket="id")],
    ),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": Kind(
        service="s3",
        creates=[only("put_public_access_block", Bucket="bucket", PublicAccessBlockConfiguration="@")],
        identity="bucket",
        reads=[(only("get_public_access_block", Bucket="id"), "PublicAccessBlockConfiguration")],
        updates=[call("put_public_access_block", Bucket="bucket", PublicAccessBlockConfiguration="@")],
        deletes=[only("delete_public_access_block", Bucket="id")],
    ),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": Kind(
        service="s3",
        creates=[only("put_bucket_encryption", Bucket="bucket", ServerSideEncryptionConfiguration="@")],
        identity="bucket",
        reads=[(only("get_bucket_encryption", Bucket="id"), "ServerSideEncryptionConfiguration")],
        updates=[call("put_bucket_encryption", Bucket="bucket", ServerSideEncryptionConfiguration="@")],
        deletes=[only("delete_bucket_encryption", Bucket="id")],
        renames={"sseAlgorithm": "SSEAlgorithm", "kmsMasterKeyId": "KMSMasterKeyID"},
    ),
    "aws:s3/bucketVersioning:BucketVersioning": Kind(
        service="s3",
        creates=[only("put_bucket_versioning", Bucket="bucket", VersioningConfiguration="versioningConfiguration")],
        identity="bucket",
        reads=[(only("get_bucket_versioning", Bucket="id"), "{versioningConfiguration: {Status: Status}}")],
        updates=[only("put_bucket_versioning", Bucket="bucket", VersioningConfiguration="versioningConfiguration")],
        deletes=[only("put_bucket_versioning", Bucket="bucket", VersioningConfiguration="{Status: 'Suspended'}")],
    ),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": Kind(
        service="s3",
        creates=[only("put_bucket_lifecycle_configuration", Bucket="bucket", LifecycleConfiguration="@")],
        identity="bucket",
        reads=[(only("get_bucket_lifecycle_configuration", Bucket="id"), "{Rules: Rules}")],
        updates=[call("put_bucket_lifecycle_configuration", Bucket="bucket", LifecycleConfiguration="@")],
        deletes=[only("delete_bucket_lifecycle", Bucket="id")],
    ),
    "aws:s3/bucketPolicy:BucketPolicy": Kind(
        service="s3",
        creates=[only("put_bucket_policy", Bucket="bucket", Policy="policy")],
        identity="bucket",
        reads=[(only("get_bucket_policy", Bucket="id"), "{policy: Policy}")],
        updates=[only("put_bucket_policy", Bucket="bucket", Policy="policy")],
        deletes=[only("delete_bucket_policy", Bucket="id")],
    ),
}
