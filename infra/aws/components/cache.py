"""Valkey on ElastiCache: TLS only, a user for each role, nothing evicted, one node a zone."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_random as random
from pulumi_aws import elasticache

from infra.aws.components.part import Part, Place
from infra.aws.settings.servers import Cache as Settings

PASSWORD_LENGTH = 48
SNAPSHOT_WINDOW = "01:30-02:30"
MAINTENANCE_WINDOW = "sun:04:30-sun:05:30"


class Cache(Part):
    """Replication group, parameters, users."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        users: Mapping[str, str],
        place: Place,
        *,
        log_group: pulumi.Input[str],
        kept: bool,
        opts: pulumi.ResourceOptions,
    ) -> None:
        """`users` gives the access string of each."""
        super().__init__(f"{name}-cache", kept=kept, opts=opts)
        self.passwords: dict[str, pulumi.Output[str]] = {}
        subnets = elasticache.SubnetGroup(name, name=name, subnet_ids=place.subnet_ids, opts=self.child())
        parameters = elasticache.ParameterGroup(
            name,
            name=name,
            family=f"valkey{settings.version.partition('.')[0]}",
            parameters=[{"name": "maxmemory-policy", "value": "noeviction"}],
            opts=self.child(),
        )
        group = elasticache.UserGroup(
            name,
            engine="valkey",
            user_group_id=name,
            user_ids=[self._user(name, user, access).user_id for user, access in users.items()],
            opts=self.child(),
        )
        servers = elasticache.ReplicationGroup(
            name,
            replication_group_id=name,
            description=f"{name}: limits, results, chords",
            engine="valkey",
            engine_version=settings.version,
            node_type=settings.node_type,
            cluster_mode="disabled",
            num_cache_clusters=settings.nodes,
            automatic_failover_enabled=True,
            multi_az_enabled=True,
            transit_encryption_enabled=True,
            transit_encryption_mode="required",
            at_rest_encryption_enabled=True,
            kms_key_id=place.key_arn,
            user_group_ids=[group.user_group_id],
            parameter_group_name=parameters.name,
            subnet_group_name=subnets.name,
            security_group_ids=[place.group_id],
            auto_minor_version_upgrade=False,
            snapshot_retention_limit=settings.snapshot_days,
            snapshot_window=SNAPSHOT_WINDOW,
            maintenance_window=MAINTENANCE_WINDOW,
            final_snapshot_identifier=f"{name}-final",
            log_delivery_configurations=[
                {
                    "destination": log_group,
                    "destination_type": "cloudwatch-logs",
                    "log_format": "json",
                    "log_type": kind,
                }
                for kind in ("slow-log", "engine-log")
            ],
            apply_immediately=False,
            opts=self.keeper(),
        )
        self.host, self.id = servers.primary_endpoint_address, servers.replication_group_id
        self.register_outputs({})

    def _user(self, name: str, user: str, access: str) -> elasticache.User:
        made = random.RandomPassword(f"{name}-cache-{user}", length=PASSWORD_LENGTH, special=False, opts=self.keeper())
        password: pulumi.Output[str] = made.result.apply(pulumi.Output.secret)
        self.passwords[user] = password
        return elasticache.User(
            f"{name}-{user}",
            engine="valkey",
            user_id=f"{name}-{user}",
            user_name=user,
            access_string=f"on {access}",
            authentication_mode={"type": "password", "passwords": [password]},
            opts=self.child(),
        )
