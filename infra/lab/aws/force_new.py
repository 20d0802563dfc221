"""The properties that AWS lets nobody change: the real provider replaces the resource instead.

From the source of terraform-provider-aws 6.47.1, which pulumi-aws wraps (Go module
github.com/hashicorp/terraform-provider-aws v1.60.1-0.20260602190131-5f2286d6d836): `ForceNew` and `RequiresReplace` in
internal/service/<file>, for the properties that infra/aws sets. Left out, because they depend on values: a lower
version of Valkey replaces the group (elasticache/engine_version.go), and so does the end of a cluster's encryption
(eks/cluster.go).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from infra.lab.plugins.values import Change


@dataclass(frozen=True)
class Source:
    """Properties, as Pulumi names them, and the file that says so."""

    file: str
    fields: frozenset[tuple[str, ...]]


def _source(file: str, *fields: str) -> Source:
    return Source(file, frozenset(tuple(field.split(".")) for field in fields))


FORCE_NEW: Mapping[str, Source] = {
    "aws:budgets/budget:Budget": _source("budgets/budget.go", "name"),
    "aws:cloudwatch/logGroup:LogGroup": _source("logs/group.go", "name"),
    "aws:cloudwatch/metricAlarm:MetricAlarm": _source("cloudwatch/metric_alarm.go", "name"),
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": _source("ec2/vpc_default_security_group.go", "vpcId"),
    "aws:ec2/flowLog:FlowLog": _source(
        "ec2/vpc_flow_log.go", "iamRoleArn", "logDestination", "maxAggregationInterval", "trafficType", "vpcId"
    ),
    "aws:ec2/launchTemplate:LaunchTemplate": _source("ec2/ec2_launch_template.go", "name"),
    "aws:ec2/routeTable:RouteTable": _source("ec2/vpc_route_table.go", "vpcId"),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": _source("ec2/vpc_route_table_association.go", "subnetId"),
    "aws:ec2/securityGroup:SecurityGroup": _source("ec2/vpc_security_group.go", "description", "name", "vpcId"),
    "aws:ec2/subnet:Subnet": _source("ec2/vpc_subnet.go", "availabilityZone", "cidrBlock", "vpcId"),
    "aws:ec2/vpc:Vpc": _source("ec2/vpc_.go", "cidrBlock"),
    "aws:ec2/vpcEndpoint:VpcEndpoint": _source("ec2/vpc_endpoint.go", "serviceName", "vpcEndpointType", "vpcId"),
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": _source("ecr/lifecycle_policy.go", "policy", "repository"),
    "aws:ecr/repository:Repository": _source("ecr/repository.go", "encryptionConfigurations", "name"),
    "aws:eks/accessEntry:AccessEntry": _source("eks/access_entry.go", "clusterName", "principalArn", "type"),
    "aws:eks/accessPolicyAssociation:AccessPolicyAssociation": _source(
        "eks/access_policy_association.go", "accessScope", "clusterName", "policyArn", "principalArn"
    ),
    "aws:eks/addon:Addon": _source("eks/addon.go", "addonName", "clusterName"),
    "aws:eks/cluster:Cluster": _source(
        "eks/cluster.go",
        "accessConfig.bootstrapClusterCreatorAdminPermissions",
        "bootstrapSelfManagedAddons",
        "kubernetesNetworkConfig.serviceIpv4Cidr",
        "name",
        "roleArn",
    ),
    "aws:eks/nodeGroup:NodeGroup": _source(
        "eks/node_group.go",
        "amiType",
        "clusterName",
        "instanceTypes",
        "launchTemplate.id",
        "nodeGroupName",
        "nodeRoleArn",
        "subnetIds",
    ),
    "aws:eks/podIdentityAssociation:PodIdentityAssociation": _source(
        "eks/pod_identity_association.go", "clusterName", "namespace", "serviceAccount"
    ),
    "aws:elasticache/parameterGroup:ParameterGroup": _source(
        "elasticache/parameter_group.go", "description", "family", "name"
    ),
    "aws:elasticache/replicationGroup:ReplicationGroup": _source(
        "elasticache/replication_group.go",
        "atRestEncryptionEnabled",
        "kmsKeyId",
        "replicationGroupId",
        "subnetGroupName",
    ),
    "aws:elasticache/subnetGroup:SubnetGroup": _source("elasticache/subnet_group.go", "name"),
    "aws:elasticache/user:User": _source("elasticache/user.go", "userId", "userName"),
    "aws:elasticache/userGroup:UserGroup": _source("elasticache/user_group.go", "userGroupId"),
    "aws:iam/policy:Policy": _source("iam/policy.go", "description", "name"),
    "aws:iam/role:Role": _source("iam/role.go", "name"),
    "aws:iam/rolePolicy:RolePolicy": _source("iam/role_policy.go", "name", "role"),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": _source("iam/role_policy_attachment.go", "policyArn", "role"),
    "aws:kms/alias:Alias": _source("kms/alias.go", "name"),
    # Nothing that we set: what a key is for and how it encrypts stays, and all else is changed in place.
    "aws:kms/key:Key": _source("kms/key.go", "customerMasterKeySpec", "keyUsage", "multiRegion"),
    # Not its users: the provider tries to change them in place, and Amazon MQ has no such operation for RabbitMQ.
    "aws:mq/broker:Broker": _source(
        "mq/broker.go",
        "brokerName",
        "deploymentMode",
        "encryptionOptions",
        "engineType",
        "publiclyAccessible",
        "subnetIds",
    ),
    "aws:mq/configuration:Configuration": _source("mq/configuration.go", "engineType", "engineVersion", "name"),
    "aws:rds/instance:Instance": _source(
        "rds/instance.go", "dbName", "engine", "kmsKeyId", "storageEncrypted", "username"
    ),
    "aws:rds/parameterGroup:ParameterGroup": _source("rds/parameter_group.go", "description", "family", "name"),
    "aws:rds/subnetGroup:SubnetGroup": _source("rds/subnet_group.go", "name"),
    "aws:s3/bucket:Bucket": _source("s3/bucket.go", "bucket"),
    **{
        f"aws:s3/{name[0].lower()}{name[1:]}:{name}": _source(f"s3/{file}", "bucket")
        for name, file in (
            ("BucketLifecycleConfiguration", "bucket_lifecycle_configuration.go"),
            ("BucketOwnershipControls", "bucket_ownership_controls.go"),
            ("BucketPolicy", "bucket_policy.go"),
            ("BucketPublicAccessBlock", "bucket_public_access_block.go"),
            ("BucketServerSideEncryptionConfiguration", "bucket_server_side_encryption_configuration.go"),
            ("BucketVersioning", "bucket_versioning.go"),
        )
    },
    "aws:sns/topic:Topic": _source("sns/topic.go", "name"),
    "aws:sns/topicPolicy:TopicPolicy": _source("sns/topic_policy.go", "arn"),
    "aws:sns/topicSubscription:TopicSubscription": _source(
        "sns/topic_subscription.go", "endpoint", "protocol", "topic"
    ),
    "aws:sqs/queue:Queue": _source("sqs/queue.go", "fifoQueue", "name"),
    "aws:sqs/queuePolicy:QueuePolicy": _source("sqs/queue_policy.go", "queueUrl"),
    "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy": _source("sqs/queue_redrive_allow_policy.go", "queueUrl"),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": _source(
        "ec2/vpc_security_group_egress_rule.go", "securityGroupId"
    ),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": _source(
        "ec2/vpc_security_group_ingress_rule.go", "securityGroupId"
    ),
}


def replaces(token: str, change: Change) -> bool:
    """Does this change need another resource?

    Raises:
        KeyError: nobody has looked up this type.
    """
    # A block that holds such a field and is changed as a whole may hold another value of it.
    return any(
        change.path[: len(field)] == field or field[: len(change.path)] == change.path
        for field in FORCE_NEW[token].fields
    )
