"""PostgreSQL on RDS: two zones, TLS only, no password of ours, and backups that outlive it."""

from __future__ import annotations

import pulumi
from pulumi_aws import iam, rds

from app.contract import POSTGRESQL_DATABASE
from infra.aws.accepted import Accepted
from infra.aws.components.part import Part, Place
from infra.aws.documents import assumed_by
from infra.aws.settings.servers import Database as Settings

#: Times in UTC that do not meet each other; SETTINGS of a stack would only move them.
BACKUP_WINDOW = "01:30-02:30"
MAINTENANCE_WINDOW = "sun:03:30-sun:04:30"
OWNER = "millrace_admin"
#: AWS signs the servers' certificates itself; clients need its bundle, not the system's authorities.
AUTHORITY = "rds-ca-rsa2048-g1"
_MONITORING = "arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"
#: What a scanner finds here, and why it stays.
ACCEPTED = (
    Accepted(
        check="CKV_AWS_226",
        type="aws_db_instance",
        reason="a version comes with `pulumi up`: after an upgrade by AWS the next one would want to go back",
    ),
    Accepted(check="CKV_AWS_157", type="aws_db_instance", reason="staging may have one zone", in_prod=False),
    Accepted(check="CKV_AWS_293", type="aws_db_instance", reason="staging is destroyed and made anew", in_prod=False),
)


class Database(Part):
    """Instance, parameters, subnets and the role of its monitoring."""

    def __init__(
        self,
        name: str,
        account: str,
        settings: Settings,
        place: Place,
        *,
        logs: pulumi.Resource,
        kept: bool,
        opts: pulumi.ResourceOptions,
    ) -> None:
        """As its settings say; its log groups are there before."""
        super().__init__(f"{name}-database", kept=kept, opts=opts)
        subnets = rds.SubnetGroup(name, name=name, subnet_ids=place.subnet_ids, opts=self.child())
        monitoring = iam.Role(
            f"{name}-database-monitoring",
            name=f"{name}-database-monitoring",
            assume_role_policy=assumed_by("monitoring.rds.amazonaws.com", account),
            opts=self.child(),
        )
        iam.RolePolicyAttachment(
            f"{name}-database-monitoring", role=monitoring.name, policy_arn=_MONITORING, opts=self.child()
        )
        instance = rds.Instance(
            name,
            identifier=name,
            engine="postgres",
            engine_version=settings.version,
            engine_lifecycle_support="open-source-rds-extended-support-disabled",
            auto_minor_version_upgrade=False,
            instance_class=settings.instance_class,
            db_name=POSTGRESQL_DATABASE,
            username=OWNER,
            manage_master_user_password=True,
            master_user_secret_kms_key_id=place.key_arn,
            iam_database_authentication_enabled=True,  # for people; pools of connections have passwords
            storage_type="gp3",
            allocated_storage=settings.storage_gib,
            max_allocated_storage=settings.max_storage_gib,
            storage_encrypted=True,
            kms_key_id=place.key_arn,
            multi_az=settings.multi_az,
            publicly_accessible=False,
            db_subnet_group_name=subnets.name,
            vpc_security_group_ids=[place.group_id],
            ca_cert_identifier=AUTHORITY,
            parameter_group_name=self._parameters(name, settings).name,
            backup_retention_period=settings.backup_days,
            backup_window=BACKUP_WINDOW,
            maintenance_window=MAINTENANCE_WINDOW,
            copy_tags_to_snapshot=True,
            delete_automated_backups=False,
            skip_final_snapshot=False,
            final_snapshot_identifier=f"{name}-final",
            deletion_protection=kept,
            performance_insights_enabled=True,
            performance_insights_kms_key_id=place.key_arn,
            monitoring_interval=settings.monitoring_seconds,
            monitoring_role_arn=monitoring.arn,
            enabled_cloudwatch_logs_exports=["postgresql", "upgrade"],
            blue_green_update={"enabled": True},
            apply_immediately=False,
            opts=self.keeper(depends_on=[logs]),
        )
        self.host, self.id = instance.address, instance.identifier
        self.admin_secret_arn = instance.master_user_secrets.apply(lambda secrets: secrets[0].secret_arn or "")
        self.register_outputs({})

    def _parameters(self, name: str, settings: Settings) -> rds.ParameterGroup:
        values = {
            "rds.force_ssl": "1",
            "rds.accepted_password_auth_method": "scram",
            "log_connections": "1",
            "log_disconnections": "1",
            "log_statement": "ddl",
            "log_min_duration_statement": "1000",
        }
        return rds.ParameterGroup(
            name,
            name=name,
            family=f"postgres{settings.version.partition('.')[0]}",
            parameters=[{"name": key, "value": value, "apply_method": "immediate"} for key, value in values.items()],
            opts=self.child(),
        )
