"""PostgreSQL, one of it, with a nightly dump: for staging. A crash loses nothing; the loss of its disk loses a day."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
from pulumi_kubernetes.batch import v1 as batch
from pulumi_kubernetes.core import v1 as core
from pulumi_kubernetes.meta import v1 as meta

from app import contract
from app.contract import Role
from infra import naming
from infra.components import files
from infra.components.certificates import LOCALHOST, Certificates
from infra.components.component import Component
from infra.components.deployment import disruption_budget, service_account
from infra.components.passwords import Passwords
from infra.components.stateful import data_at, headless_service, service, stateful_set
from infra.probes import Probes, exec_probe, tcp_probe
from infra.servers.capacity import session_limits
from infra.servers.postgresql import roles_sql
from infra.servers.postgresql_conf import pg_hba_conf, postgresql_conf
from infra.settings.backends import SinglePostgreSQL, VolumeStore
from infra.settings.stack import Stack
from infra.volumes import Files, Volume, config, scratch, secrets
from infra.workloads import Container, metadata, pod, pod_metadata, workload_metadata

#: The fast shutdown ends sessions at once; what takes time is the last checkpoint.
GRACE_SECONDS = 120
SECRET = "postgresql-secrets"  # noqa: S105 - a name
BACKUPS = "postgresql-backups"
BACKUP_DEADLINE_SECONDS = 3600


class PostgreSQL(Component):
    """StatefulSet, service, roles, certificate; a CronJob that dumps, and the volume it dumps to."""

    def __init__(
        self,
        stack: Stack,
        settings: SinglePostgreSQL,
        certificates: Certificates,
        passwords: Passwords,
        *,
        after: Sequence[pulumi.Resource],
    ) -> None:
        """As the stack's database says."""
        super().__init__(naming.POSTGRESQL, stack, after=after)
        self.settings = settings
        self.host = naming.service_host(naming.POSTGRESQL)
        ports = {"postgresql": contract.PORT_POSTGRESQL}
        limits = session_limits(stack.fleet)
        settings_files = {
            "postgresql.conf": postgresql_conf(settings.resources.memory_bytes, limits),
            "pg_hba.conf": pg_hba_conf(),
        }
        secret_files = {"roles.sql": passwords.all_of("postgresql").apply(lambda known: roles_sql(known, limits))}
        before: list[pulumi.Resource] = [
            certificates.leaf(naming.POSTGRESQL, [*naming.service_names(naming.POSTGRESQL), LOCALHOST]),
            files.config_map(self, naming.POSTGRESQL, settings_files),
            files.secret(self, naming.POSTGRESQL, SECRET, secret_files),
            headless_service(self, naming.POSTGRESQL, f"{naming.POSTGRESQL}-nodes", ports),
            service_account(self, naming.POSTGRESQL),
        ]
        service(self, naming.POSTGRESQL, ports)
        disruption_budget(self, naming.POSTGRESQL)
        stateful_set(
            self,
            naming.POSTGRESQL,
            replicas=1,
            headless_service=f"{naming.POSTGRESQL}-nodes",
            pod=self._pod(),
            storage=settings.storage,
            # Without the roles: the pod sets them while it runs (images/postgresql/healthy), and no password stops it.
            config_hash=files.content_hash(settings_files),
            after=before,
        )
        self._backup(passwords)
        self.register_outputs({})

    def _pod(self) -> core.PodSpecArgs:
        container = Container(
            name=naming.POSTGRESQL,
            image=self.stack.images.reference("postgresql"),
            resources=self.settings.resources,
            ports={"postgresql": contract.PORT_POSTGRESQL},
            volumes=[
                data_at("/var/lib/postgresql"),
                scratch(),
                scratch("/run/postgresql"),
                config(f"{naming.POSTGRESQL}-config"),
                secrets(Files(secret=SECRET), certified=naming.POSTGRESQL),
            ],
            probes=Probes(
                # Recovery after a crash reads the log from the last checkpoint on: up to ten minutes of it.
                startup=exec_probe(["millrace-healthy"], every=5, failures=120),
                readiness=exec_probe(["millrace-healthy"], every=5, failures=3),
                liveness=tcp_probe(contract.PORT_POSTGRESQL, every=20, failures=6),
            ),
        )
        return pod(self.stack, naming.POSTGRESQL, [container], grace_period_seconds=GRACE_SECONDS)

    def _backup(self, passwords: Passwords) -> None:
        """`kubectl create job --from=cronjob/postgresql-backup` makes one more; the same pod restores."""
        assert isinstance(self.stack.object_store, VolumeStore)  # noqa: S101 - the settings refuse anything else
        component = naming.POSTGRESQL_BACKUP
        secret = files.secret(
            self,
            component,
            f"{component}-secrets",
            {
                "postgresql_user": passwords.login(Role.BACKUP),
                "postgresql_password": passwords.of(Role.BACKUP, "postgresql"),
            },
        )
        claim = core.PersistentVolumeClaim(
            BACKUPS,
            metadata=metadata(self.stack, component, BACKUPS, {"pulumi.com/skipAwait": "true"}),
            spec=core.PersistentVolumeClaimSpecArgs(
                access_modes=["ReadWriteOnce"],
                storage_class_name=self.stack.cluster.storage_class,
                resources=core.VolumeResourceRequirementsArgs(requests={"storage": self.stack.object_store.storage}),
            ),
            opts=self.keeper(),
        )
        spec = pod(
            self.stack,
            component,
            [
                Container(
                    name=component,
                    image=self.stack.images.reference("postgresql"),
                    command=("millrace-backup",),
                    environment={
                        "PGHOST": self.host,
                        "MILLRACE_BACKUPS_KEEP": str(self.settings.backup.keep),
                    },
                    resources=self.stack.workloads.job.resources,
                    volumes=[
                        scratch(),
                        secrets(Files(secret=f"{component}-secrets")),
                        Volume(
                            name="backups",
                            path="/backups",
                            source=core.VolumeArgs(
                                name="backups",
                                persistent_volume_claim=core.PersistentVolumeClaimVolumeSourceArgs(claim_name=BACKUPS),
                            ),
                        ),
                    ],
                )
            ],
            grace_period_seconds=30,
            restart_policy="Never",
        )
        batch.CronJob(
            component,
            metadata=workload_metadata(self.stack, component),
            spec=batch.CronJobSpecArgs(
                schedule=self.settings.backup.schedule,
                time_zone="Etc/UTC",
                concurrency_policy="Forbid",
                starting_deadline_seconds=3600,
                successful_jobs_history_limit=3,
                failed_jobs_history_limit=3,
                job_template=batch.JobTemplateSpecArgs(
                    metadata=meta.ObjectMetaArgs(labels=naming.labels(component, self.stack.environment)),
                    spec=batch.JobSpecArgs(
                        backoff_limit=3,
                        active_deadline_seconds=BACKUP_DEADLINE_SECONDS,
                        ttl_seconds_after_finished=7 * 24 * 3600,
                        template=core.PodTemplateSpecArgs(metadata=pod_metadata(self.stack, component, {}), spec=spec),
                    ),
                ),
            ),
            opts=self.child(after=[secret, claim, service_account(self, component)]),
        )
