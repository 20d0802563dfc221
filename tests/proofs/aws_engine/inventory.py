"""What an account holds, asked of each service directly: nothing here knows how the stand-in makes a resource."""

from __future__ import annotations

from collections.abc import Mapping

import jmespath

from infra.lab.aws.server import Server

#: Service and operation, its arguments, and the names in its answer. What AWS itself brings is left out.
_ASKED: tuple[tuple[str, str, Mapping[str, object], str], ...] = (
    ("budgets", "describe_budgets", {"AccountId": "000000000000"}, "Budgets[].BudgetName"),
    ("cloudwatch", "describe_alarms", {}, "MetricAlarms[].AlarmName"),
    ("ec2", "describe_vpcs", {}, "Vpcs[?!IsDefault].VpcId"),
    ("ec2", "describe_subnets", {}, "Subnets[?!DefaultForAz].SubnetId"),
    ("ec2", "describe_route_tables", {}, "RouteTables[].RouteTableId"),
    ("ec2", "describe_security_groups", {}, "SecurityGroups[].GroupId"),
    ("ec2", "describe_security_group_rules", {}, "SecurityGroupRules[].SecurityGroupRuleId"),
    ("ec2", "describe_vpc_endpoints", {}, "VpcEndpoints[].VpcEndpointId"),
    ("ec2", "describe_flow_logs", {}, "FlowLogs[].FlowLogId"),
    ("ec2", "describe_launch_templates", {}, "LaunchTemplates[].LaunchTemplateId"),
    ("ecr", "describe_repositories", {}, "repositories[].repositoryName"),
    ("eks", "list_clusters", {}, "clusters"),
    ("elasticache", "describe_replication_groups", {}, "ReplicationGroups[].ReplicationGroupId"),
    ("elasticache", "describe_cache_subnet_groups", {}, "CacheSubnetGroups[].CacheSubnetGroupName"),
    ("elasticache", "describe_cache_parameter_groups", {}, "CacheParameterGroups[].CacheParameterGroupName"),
    ("elasticache", "describe_users", {}, "Users[].UserId"),
    ("elasticache", "describe_user_groups", {}, "UserGroups[].UserGroupId"),
    ("iam", "list_roles", {}, "Roles[].RoleName"),
    ("iam", "list_policies", {"Scope": "Local"}, "Policies[].PolicyName"),
    ("kms", "list_aliases", {}, "Aliases[].AliasName"),
    ("logs", "describe_log_groups", {}, "logGroups[].logGroupName"),
    ("mq", "list_brokers", {}, "BrokerSummaries[].BrokerName"),
    ("rds", "describe_db_instances", {}, "DBInstances[].DBInstanceIdentifier"),
    ("rds", "describe_db_subnet_groups", {}, "DBSubnetGroups[].DBSubnetGroupName"),
    ("rds", "describe_db_parameter_groups", {}, "DBParameterGroups[].DBParameterGroupName"),
    ("s3", "list_buckets", {}, "Buckets[].Name"),
    ("secretsmanager", "list_secrets", {}, "SecretList[].Name"),
    ("sns", "list_topics", {}, "Topics[].TopicArn"),
    ("sns", "list_subscriptions", {}, "Subscriptions[].SubscriptionArn"),
    ("sqs", "list_queues", {}, "QueueUrls"),
)


def of(server: Server) -> frozenset[str]:
    """Everything, as `service operation name`. Keys of KMS count while they are not about to be deleted."""
    found = {
        f"{service} {operation} {name}"
        for service, operation, arguments, place in _ASKED
        for name in jmespath.search(place, getattr(server.client(service), operation)(**arguments)) or ()
    }
    return frozenset(found | {f"kms key {key}" for key in usable_keys(server)})


def usable_keys(server: Server) -> frozenset[str]:
    """The keys that nobody has deleted. AWS keeps the others for thirty days, as the stack says."""
    client = server.client("kms")
    keys = [one["KeyId"] for one in client.list_keys()["Keys"]]
    return frozenset(
        key for key in keys if client.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] != "PendingDeletion"
    )
