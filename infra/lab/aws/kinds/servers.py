"""RDS, ElastiCache and Amazon MQ."""

from __future__ import annotations

from infra.lab.aws.kind import Call, Kind, call, only

_PARAMETERS = "parameters[].{ParameterName: name, ParameterValue: value, ApplyMethod: applyMethod}"
_PARAMETERS_OF_CACHE = "parameters[].{ParameterName: name, ParameterValue: value}"

_GROUP = (
    "ReplicationGroups[0] | (@ && merge(@, {numCacheClusters: length(NodeGroups[0].NodeGroupMembers), "
    "multiAzEnabled: MultiAZ == 'enabled', automaticFailoverEnabled: AutomaticFailover == 'enabled'}))"
)
#: What a group does not say of itself, its first node says.
_MEMBER = (
    "CacheClusters[?ReplicationGroupId=='$id'] | [0].{engineVersion: EngineVersion, "
    "maintenanceWindow: PreferredMaintenanceWindow, subnetGroupName: CacheSubnetGroupName, "
    "parameterGroupName: CacheParameterGroup.CacheParameterGroupName, "
    "securityGroupIds: SecurityGroups[].SecurityGroupId}"
)
_USER = "Users[0].{userId: UserId, userName: UserName, engine: Engine, accessString: AccessString}"
_INSTANCE = (
    "DBInstances[0] | (@ && merge(@, {vpcSecurityGroupIds: VpcSecurityGroups[].VpcSecurityGroupId, "
    "parameterGroupName: DBParameterGroups[0].DBParameterGroupName, "
    "dbSubnetGroupName: DBSubnetGroup.DBSubnetGroupName, "
    "masterUserSecretKmsKeyId: MasterUserSecret.KmsKeyId}))"
)
#: The administrator's password, as RDS makes it where it is asked to manage it. ministack makes none.
_ADMIN_NAME = "join('', ['rds-', id])"
_SECRET = Call(
    "create_secret",
    {
        "Name": _ADMIN_NAME,
        "SecretString": """join('', ['{"username": "', username, '", "password": "made-for-', id, '"}'])""",
    },
    fitted=False,
    service="secretsmanager",
)

KINDS = {
    "aws:rds/subnetGroup:SubnetGroup": Kind(
        service="rds",
        creates=[call("create_db_subnet_group")],
        identity="name",
        reads=[
            (
                only("describe_db_subnet_groups", DBSubnetGroupName="id"),
                "DBSubnetGroups[0] | (@ && merge(@, {subnetIds: Subnets[].SubnetIdentifier}))",
            )
        ],
        updates=[call("modify_db_subnet_group")],
        deletes=[only("delete_db_subnet_group", DBSubnetGroupName="id")],
        renames={"name": "DBSubnetGroupName", "description": "DBSubnetGroupDescription"},
    ),
    "aws:rds/parameterGroup:ParameterGroup": Kind(
        service="rds",
        creates=[
            call("create_db_parameter_group"),
            only("modify_db_parameter_group", DBParameterGroupName="id", Parameters=_PARAMETERS),
        ],
        identity="name",
        reads=[
            (only("describe_db_parameter_groups", DBParameterGroupName="id"), "DBParameterGroups[0]"),
            (only("describe_db_parameters", DBParameterGroupName="id", Source="'user'"), "{parameters: Parameters}"),
        ],
        updates=[only("modify_db_parameter_group", DBParameterGroupName="id", Parameters=_PARAMETERS)],
        deletes=[only("delete_db_parameter_group", DBParameterGroupName="id")],
        renames={
            "name": "DBParameterGroupName",
            "family": "DBParameterGroupFamily",
            "description": "Description",
            "value": "ParameterValue",
        },
    ),
    "aws:rds/instance:Instance": Kind(
        service="rds",
        creates=[call("create_db_instance"), _SECRET],
        identity="identifier",
        reads=[
            (
                only("describe_db_instances", DBInstanceIdentifier="id"),
                _INSTANCE,
            ),
            (
                Call("describe_secret", {"SecretId": _ADMIN_NAME}, fitted=False, service="secretsmanager"),
                "{secret: ARN}",
            ),
        ],
        updates=[call("modify_db_instance", ApplyImmediately="`true`")],
        deletes=[
            only(
                "delete_db_instance",
                DBInstanceIdentifier="id",
                SkipFinalSnapshot="skipFinalSnapshot",
                FinalDBSnapshotIdentifier="finalSnapshotIdentifier",
                DeleteAutomatedBackups="deleteAutomatedBackups",
            ),
            Call(
                "delete_secret",
                {"SecretId": _ADMIN_NAME, "ForceDeleteWithoutRecovery": "`true`"},
                fitted=False,
                service="secretsmanager",
            ),
        ],
        renames={
            "identifier": "DBInstanceIdentifier",
            "instanceClass": "DBInstanceClass",
            "username": "MasterUsername",
            "backupWindow": "PreferredBackupWindow",
            "maintenanceWindow": "PreferredMaintenanceWindow",
            "caCertIdentifier": "CACertificateIdentifier",
            "enabledCloudwatchLogsExports": "EnableCloudwatchLogsExports",
            "iamDatabaseAuthenticationEnabled": "EnableIAMDatabaseAuthentication",
            "performanceInsightsEnabled": "EnablePerformanceInsights",
            "parameterGroupName": "DBParameterGroupName",
        },
        # It says 03:00-04:00 and no logs, whatever it was told at the creation.
        forgotten=frozenset({"backupWindow", "enabledCloudwatchLogsExports"}),
        outputs={
            "arn": "said.DBInstanceArn",
            "address": "said.Endpoint.Address",
            "endpoint": "said.Endpoint.Address",
            "masterUserSecrets": "[{secretArn: said.secret}]",
        },
    ),
    "aws:elasticache/subnetGroup:SubnetGroup": Kind(
        service="elasticache",
        creates=[call("create_cache_subnet_group")],
        identity="name",
        reads=[
            (
                only("describe_cache_subnet_groups", CacheSubnetGroupName="id"),
                "CacheSubnetGroups[0] | (@ && merge(@, {subnetIds: Subnets[].SubnetIdentifier}))",
            )
        ],
        updates=[call("modify_cache_subnet_group")],
        deletes=[only("delete_cache_subnet_group", CacheSubnetGroupName="id")],
        renames={"name": "CacheSubnetGroupName", "description": "CacheSubnetGroupDescription"},
    ),
    "aws:elasticache/parameterGroup:ParameterGroup": Kind(
        service="elasticache",
        creates=[
            call("create_cache_parameter_group"),
            only(
                "modify_cache_parameter_group",
                CacheParameterGroupName="id",
                ParameterNameValues=_PARAMETERS_OF_CACHE,
            ),
        ],
        identity="name",
        reads=[
            (only("describe_cache_parameter_groups", CacheParameterGroupName="id"), "CacheParameterGroups[0]"),
            (only("describe_cache_parameters", CacheParameterGroupName="id"), "{parameters: Parameters}"),
        ],
        updates=[
            only(
                "modify_cache_parameter_group",
                CacheParameterGroupName="id",
                ParameterNameValues=_PARAMETERS_OF_CACHE,
            )
        ],
        deletes=[only("delete_cache_parameter_group", CacheParameterGroupName="id")],
        renames={"name": "CacheParameterGroupName", "family": "CacheParameterGroupFamily", "value": "ParameterValue"},
    ),
    "aws:elasticache/user:User": Kind(
        service="elasticache",
        creates=[call("create_user")],
        identity="userId",
        # It says how many passwords there are, and none of them.
        reads=[(only("describe_users", UserId="id"), _USER)],
        updates=[call("modify_user")],
        deletes=[only("delete_user", UserId="id")],
    ),
    "aws:elasticache/userGroup:UserGroup": Kind(
        service="elasticache",
        creates=[call("create_user_group")],
        identity="userGroupId",
        reads=[(only("describe_user_groups", UserGroupId="id"), "UserGroups[0]")],
        deletes=[only("delete_user_group", UserGroupId="id")],
    ),
    "aws:elasticache/replicationGroup:ReplicationGroup": Kind(
        service="elasticache",
        creates=[call("create_replication_group", ReplicationGroupDescription="description")],
        identity="replicationGroupId",
        reads=[
            (only("describe_replication_groups", ReplicationGroupId="id"), _GROUP),
            (only("describe_cache_clusters"), _MEMBER),
        ],
        updates=[
            call("modify_replication_group", ReplicationGroupId="id", ApplyImmediately="`true`"),
            # The real provider also takes nodes away; here nothing does.
            only(
                "increase_replica_count",
                ReplicationGroupId="id",
                NewReplicaCount="sum([numCacheClusters, `-1`])",
                ApplyImmediately="`true`",
            ),
        ],
        deletes=[
            only(
                "delete_replication_group",
                ReplicationGroupId="id",
                FinalSnapshotIdentifier="finalSnapshotIdentifier",
            )
        ],
        renames={
            "nodeType": "CacheNodeType",
            "parameterGroupName": "CacheParameterGroupName",
            "subnetGroupName": "CacheSubnetGroupName",
            "maintenanceWindow": "PreferredMaintenanceWindow",
        },
        outputs={"arn": "said.ARN", "primaryEndpointAddress": "said.NodeGroups[0].PrimaryEndpoint.Address"},
    ),
    "aws:mq/configuration:Configuration": Kind(
        service="mq",
        creates=[],
        identity="join('', ['c-', name])",
        outputs={"latestRevision": "`1`"},
        state_only="ministack has no configurations of Amazon MQ: it answers 400",
    ),
    "aws:mq/broker:Broker": Kind(
        service="mq",
        creates=[call("create_broker")],
        identity="answer.BrokerId",
        reads=[(only("describe_broker", BrokerId="id"), "@")],
        updates=[call("update_broker", BrokerId="id")],
        deletes=[only("delete_broker", BrokerId="id")],
        caseless=frozenset({"engineType"}),
        outputs={"instances": "said.BrokerInstances[].{endpoints: Endpoints}"},
    ),
}
