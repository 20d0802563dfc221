"""Nothing reaches the internet, and nothing is reached from it."""

from __future__ import annotations

from collections.abc import Iterator

from infra.aws.rules.reading import spec
from infra.policy.manifests import kind
from infra.policy.model import Context, Finding, Manifest, ResourceRule

#: Each of them is a way out, or in.
_WAYS = ("InternetGateway", "NatGateway", "EgressOnlyInternetGateway", "Eip", "Route", "TransitGateway")
_PUBLIC: dict[str, tuple[tuple[tuple[str | int, ...], bool], ...]] = {
    "aws:ec2/subnet:Subnet": ((("mapPublicIpOnLaunch",), False),),
    "aws:rds/instance:Instance": ((("publiclyAccessible",), False),),
    "aws:mq/broker:Broker": ((("publiclyAccessible",), False),),
    "aws:eks/cluster:Cluster": (
        (("vpcConfig", "endpointPublicAccess"), False),
        (("vpcConfig", "endpointPrivateAccess"), True),
    ),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": tuple(
        ((field,), True)
        for field in ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    ),
}


def _no_way_out(manifest: Manifest, _: Context) -> Iterator[Finding]:
    if kind(manifest).startswith("aws:ec2") and kind(manifest).rpartition(":")[2] in _WAYS:
        yield Finding(manifest, "kind", kind(manifest), "take it out: APIs of AWS are reached by endpoints")
    for address in ("cidrIpv4", "cidrIpv6"):
        if kind(manifest).startswith("aws:vpc/securityGroup") and spec(manifest, address) is not None:
            advice = "name a security group or a prefix list"
            yield Finding(manifest, address, spec(manifest, address), advice)
    for rules in ("ingress", "egress"):
        if kind(manifest).startswith("aws:ec2/") and "ecurityGroup" in kind(manifest) and spec(manifest, rules):
            yield Finding(manifest, rules, spec(manifest, rules), "say it as a rule of its own")


def _not_public(manifest: Manifest, _: Context) -> Iterator[Finding]:
    for path, wanted in _PUBLIC.get(kind(manifest), ()):
        if spec(manifest, *path) is not wanted:
            yield Finding(manifest, ".".join(map(str, path)), spec(manifest, *path), f"set it to {str(wanted).lower()}")


RULES = (
    ResourceRule(
        name="no-internet",
        description="There is no gateway, no translation and no rule that names an address.",
        reason="A worker that runs somebody's code must not send its data away.",
        check=_no_way_out,
    ),
    ResourceRule(
        name="not-public",
        description="No subnet, server, cluster or bucket is public, in so many words.",
        reason="AWS' defaults differ from service to service, and have changed.",
        check=_not_public,
    ),
)
