"""Data is encrypted by keys of ours, where it lies and where it travels, and nobody deletes it by accident."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from infra.aws.rules.reading import document, spec, words
from infra.policy.manifests import at, kind, name, of_kind
from infra.policy.model import Context, Finding, Manifest, ResourceRule, StackRule

_SSE = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
_QUEUE, _QUEUE_POLICY = "aws:sqs/queue:Queue", "aws:sqs/queuePolicy:QueuePolicy"
_BUCKET, _BUCKET_POLICY = "aws:s3/bucket:Bucket", "aws:s3/bucketPolicy:BucketPolicy"
_PASSWORD = "random:index/randomPassword:RandomPassword"  # noqa: S105 - a type's name
#: Where each kind names its key.
KEYS: dict[str, tuple[tuple[str | int, ...], ...]] = {
    _QUEUE: (("kmsMasterKeyId",),),
    _SSE: (("rules", 0, "applyServerSideEncryptionByDefault", "kmsMasterKeyId"),),
    "aws:rds/instance:Instance": (("kmsKeyId",), ("masterUserSecretKmsKeyId",), ("performanceInsightsKmsKeyId",)),
    "aws:elasticache/replicationGroup:ReplicationGroup": (("kmsKeyId",),),
    "aws:mq/broker:Broker": (("encryptionOptions", "kmsKeyId"),),
    "aws:eks/cluster:Cluster": (("encryptionConfig", "provider", "keyArn"),),
    "aws:ecr/repository:Repository": (("encryptionConfigurations", 0, "kmsKey"),),
    "aws:cloudwatch/logGroup:LogGroup": (("kmsKeyId",),),
    "aws:sns/topic:Topic": (("kmsMasterKeyId",),),
    "aws:ec2/launchTemplate:LaunchTemplate": tuple(("blockDeviceMappings", disk, "ebs", "kmsKeyId") for disk in (0, 1)),
}
#: What else encryption needs to be said, at rest and in transit.
_SAID: dict[str, dict[tuple[str | int, ...], object]] = {
    "aws:rds/instance:Instance": {("storageEncrypted",): True},
    "aws:elasticache/replicationGroup:ReplicationGroup": {
        ("atRestEncryptionEnabled",): True,
        ("transitEncryptionEnabled",): True,
        ("transitEncryptionMode",): "required",
    },
    "aws:kms/key:Key": {("enableKeyRotation",): True, ("deletionWindowInDays",): 30},
    "aws:ec2/launchTemplate:LaunchTemplate": {
        ("metadataOptions", "httpTokens"): "required",
        ("metadataOptions", "httpPutResponseHopLimit"): 1,
    },
}
#: What holds data. In prod Pulumi refuses to delete it, and AWS too where it has a switch for it.
STATEFUL: dict[str, str] = {
    "aws:kms/key:Key": "",
    _QUEUE: "",
    _BUCKET: "",
    "aws:rds/instance:Instance": "deletionProtection",
    "aws:elasticache/replicationGroup:ReplicationGroup": "",
    "aws:mq/broker:Broker": "",
    "aws:eks/cluster:Cluster": "deletionProtection",
    "aws:ecr/repository:Repository": "",
    _PASSWORD: "",
}


def _encrypted(manifest: Manifest, _: Context) -> Iterator[Finding]:
    for path in KEYS.get(kind(manifest), ()):
        if "aws_kms_key." not in str(spec(manifest, *path)):
            yield Finding(manifest, ".".join(map(str, path)), spec(manifest, *path), "name a key of the stack")
    for path, wanted in _SAID.get(kind(manifest), {}).items():
        if spec(manifest, *path) != wanted:
            yield Finding(manifest, ".".join(map(str, path)), spec(manifest, *path), f"set it to {wanted!r}")


def _forces_tls(manifest: Manifest) -> bool:
    found = document(manifest)
    return found is not None and any(
        one.get("Effect") == "Deny"
        and one.get("Principal") == "*"
        and str(at(one, "Condition", "Bool", "aws:SecureTransport")) == "false"
        and all(action.endswith(":*") for action in words(one.get("Action")))
        for one in found.statements
    )


def _tls_only(manifests: Sequence[Manifest], _: Context) -> Iterator[Finding]:
    for data, policy in ((_QUEUE, _QUEUE_POLICY), (_BUCKET, _BUCKET_POLICY)):
        closed = {name(one) for one in of_kind(manifests, policy) if _forces_tls(one)}
        for one in of_kind(manifests, data):
            if name(one) not in closed:
                advice = f"give it a {policy.rpartition(':')[2]} of its name that denies aws:SecureTransport false"
                yield Finding(one, "policy", None, advice)


def _protected(manifest: Manifest, context: Context) -> Iterator[Finding]:
    if not context.prod or kind(manifest) not in STATEFUL:
        return
    for field in ("protect", "retainOnDelete"):
        if manifest.get(field) is not True:
            yield Finding(manifest, field, manifest.get(field), "make it with keeper(), not child()")
    field = STATEFUL[kind(manifest)]
    if field and spec(manifest, field) is not True:
        yield Finding(manifest, field, spec(manifest, field), "set it to true")


RULES = (
    ResourceRule(
        name="encrypted",
        description="Data lies under a key of the stack, and travels under TLS.",
        reason="A key of AWS' own cannot be taken from somebody, and its use is in no log of ours.",
        check=_encrypted,
    ),
    StackRule(
        name="tls-only",
        description="Each queue and bucket has a policy that refuses plain HTTP to everybody.",
        reason="Both answer on port 80 as well.",
        check=_tls_only,
    ),
    ResourceRule(
        name="kept-in-prod",
        description="In prod what holds data is protected, and stays when its stack goes.",
        reason="A renamed component would replace a database by an empty one.",
        check=_protected,
    ),
)
