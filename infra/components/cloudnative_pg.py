"""PostgreSQL replicated by the CloudNativePG operator: for prod. Losing a node, or its disk, loses nothing accepted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.core import v1 as core

from app import contract
from app.contract import Role
from infra import naming
from infra.components import files
from infra.components.certificates import Certificates
from infra.components.component import Component
from infra.components.passwords import SERVERS, Passwords
from infra.servers import hashes
from infra.servers.capacity import session_limits
from infra.servers.logins import Accepted, logins
from infra.servers.postgresql import settings_sql
from infra.servers.postgresql_conf import hba_rules, tuning
from infra.settings.archive import Identity, Irsa, Keys
from infra.settings.backends import CloudNativePG, S3Store
from infra.settings.stack import Stack
from infra.settings.values import Resources
from infra.workloads import cpu_limit, metadata

API_VERSION = "postgresql.cnpg.io/v1"
BARMAN_API_VERSION = "barmancloud.cnpg.io/v1"
#: The plugin that took the place of `spec.backup.barmanObjectStore`.
BARMAN_PLUGIN = "barman-cloud.cloudnative-pg.io"
#: On a Secret: the operator takes what changed in it at once.
RELOAD = {"cnpg.io/reload": "true"}
#: The operator sets these itself and refuses to be told.
_FIXED_BY_OPERATOR = frozenset({"full_page_writes", "superuser_reserved_connections"})
#: What the cluster calls the one whose archive it is restored from.
_LOST = "lost"
#: A primary that stops writes its last log to a replica and to the bucket first.
STOP_SECONDS, SMART_STOP_SECONDS = 300, 60


class CloudNativePGCluster(Component):
    """Cluster, roles, certificate, object store and scheduled backup; the operator makes the rest."""

    def __init__(
        self,
        stack: Stack,
        settings: CloudNativePG,
        certificates: Certificates,
        passwords: Passwords,
        *,
        after: Sequence[pulumi.Resource],
    ) -> None:
        """As the stack's database says."""
        super().__init__(naming.POSTGRESQL, stack, after=after)
        self.settings = settings
        self.host = f"{naming.POSTGRESQL}-rw.{naming.NAMESPACE_DATA}.svc"
        certificate = certificates.leaf(
            naming.POSTGRESQL,
            [
                name
                for service in ("rw", "r", "ro")
                for host in (f"{naming.POSTGRESQL}-{service}", f"{naming.POSTGRESQL}-{service}.{naming.NAMESPACE_DATA}")
                for name in (host, f"{host}.svc", f"{host}.svc.cluster.local")
            ],
            labels=RELOAD,
        )
        roles = [self._login(role, number, passwords) for role in contract.POSTGRESQL_ROLES for number in (1, 2)]
        sql = files.config_map(self, naming.POSTGRESQL, {"settings.sql": settings_sql()})
        store = self._custom(BARMAN_API_VERSION, "ObjectStore", naming.POSTGRESQL, self._store())
        cluster = self._custom(
            API_VERSION, "Cluster", naming.POSTGRESQL, self._cluster(), after=[certificate, sql, store, *roles]
        )
        self._custom(
            API_VERSION,
            "ScheduledBackup",
            naming.POSTGRESQL_BACKUP,
            {
                # The operator's cron has a field for seconds before the usual five.
                "schedule": f"0 {settings.backup.schedule}",
                "backupOwnerReference": "self",
                "cluster": {"name": naming.POSTGRESQL},
                "method": "plugin",
                "pluginConfiguration": {"name": BARMAN_PLUGIN},
                "target": "prefer-standby",
                "immediate": True,
            },
            after=[cluster],
        )
        self.register_outputs({})

    def _custom(
        self, api_version: str, kind: str, name: str, spec: dict[str, Any], *, after: Sequence[pulumi.Resource] = ()
    ) -> CustomResource:
        options = self.keeper if kind == "Cluster" else self.child
        return CustomResource(
            f"{name}-{kind.lower()}",
            api_version=api_version,
            kind=kind,
            metadata=metadata(self.stack, naming.POSTGRESQL, name),
            spec=spec,
            opts=options(after=after),
        )

    def _login(self, role: Role, number: int, passwords: Passwords) -> core.Secret:
        """A verifier and no password: the same one that PgBouncer has, so that a login passes through it."""
        assert "postgresql" in SERVERS[role]  # noqa: S101 - both lists come from the contract
        login = contract.login(role, number)

        def verifier(accepted: Accepted) -> str:
            password = logins(role, accepted)[login]
            return hashes.POSTGRESQL_LOCKED if password is None else hashes.postgresql(password)

        return files.secret(
            self,
            naming.POSTGRESQL,
            _secret_of(login),
            {"username": login, "password": passwords.accepted(role, "postgresql").apply(verifier)},
            type_="kubernetes.io/basic-auth",
            labels=RELOAD,
        )

    def _cluster(self) -> dict[str, Any]:
        settings = self.settings
        limits = session_limits(self.stack.fleet)
        parameters = {
            name: value
            for name, value in tuning(settings.resources.memory_bytes, limits).items()
            if name not in _FIXED_BY_OPERATOR
        }
        return {
            "instances": settings.instances,
            "imageName": f"{settings.image}:{settings.image_tag}@{settings.image_digest}",
            "enableSuperuserAccess": False,
            "enablePDB": True,
            "priorityClassName": naming.PRIORITY_DATA,
            # A switch of the primary is a person's decision: `kubectl cnpg promote`, in a quiet hour.
            "primaryUpdateStrategy": "supervised",
            "stopDelay": STOP_SECONDS,
            "smartShutdownTimeout": SMART_STOP_SECONDS,
            **self._begin(),
            **self._account(),
            "managed": {
                "roles": [
                    _managed(role, login, limits[role])
                    for role in contract.POSTGRESQL_ROLES
                    for login in contract.logins(role)
                    if login != Role.OWNER
                ]
            },
            "postgresql": {
                "parameters": parameters,
                "pg_hba": list(hba_rules()),
                # An accepted request is on two disks before it is answered.
                "synchronous": {"method": "any", "number": 1, "dataDurability": "required"},
            },
            "certificates": {
                "serverTLSSecret": naming.tls_secret(naming.POSTGRESQL),
                "serverCASecret": naming.tls_secret(naming.AUTHORITY),
            },
            "plugins": [
                {
                    "name": BARMAN_PLUGIN,
                    "isWALArchiver": True,
                    "parameters": {"barmanObjectName": naming.POSTGRESQL, "serverName": settings.archive},
                }
            ],
            "storage": self._volume(settings.storage),
            "walStorage": self._volume(settings.wal_storage),
            "resources": _resources(settings.resources),
            "affinity": {
                "enablePodAntiAffinity": True,
                "podAntiAffinityType": "required",
                "topologyKey": "kubernetes.io/hostname",
            },
            "topologySpreadConstraints": [
                {
                    "maxSkew": 1,
                    "topologyKey": "topology.kubernetes.io/zone",
                    "whenUnsatisfiable": "ScheduleAnyway",
                    "labelSelector": {"matchLabels": naming.selector(naming.POSTGRESQL)},
                }
            ],
            # Our network policies select by these; the operator puts them on every pod.
            "inheritedMetadata": {"labels": naming.labels(naming.POSTGRESQL, self.stack.environment)},
            "monitoring": {"enablePodMonitor": False},
        }

    def _begin(self) -> dict[str, Any]:
        """What a cluster begins with that does not exist yet: an empty database, or what an archive holds."""
        application = {
            "database": contract.POSTGRESQL_DATABASE,
            "owner": str(Role.OWNER),
            "secret": {"name": _secret_of(Role.OWNER)},
        }
        recovery = self.settings.recovery
        if recovery is None:
            settings_sql = {"name": f"{naming.POSTGRESQL}-config", "key": "settings.sql"}
            initdb = {
                **application,
                "dataChecksums": True,
                "encoding": "UTF8",
                "localeCollate": "C.UTF-8",
                "localeCType": "C.UTF-8",
                "postInitApplicationSQLRefs": {"configMapRefs": [settings_sql]},
            }
            return {"bootstrap": {"initdb": initdb}}
        target = recovery.target_time
        archive = {"barmanObjectName": naming.POSTGRESQL, "serverName": recovery.archive}
        return {
            "bootstrap": {
                "recovery": {
                    **application,
                    "source": _LOST,
                    **({"recoveryTarget": {"targetTime": target.isoformat()}} if target else {}),
                }
            },
            "externalClusters": [{"name": _LOST, "plugin": {"name": BARMAN_PLUGIN, "parameters": archive}}],
        }

    def _account(self) -> dict[str, Any]:
        """The pods' service account, which the operator makes; with IRSA it names the role that they are in AWS."""
        assert isinstance(self.stack.object_store, S3Store)  # noqa: S101 - the settings refuse anything else
        identity = self.stack.object_store.identity
        annotations = {"eks.amazonaws.com/role-arn": identity.role_arn} if isinstance(identity, Irsa) else {}
        return {"serviceAccountTemplate": {"metadata": {"annotations": annotations}}} if annotations else {}

    def _store(self) -> dict[str, Any]:
        assert isinstance(self.stack.object_store, S3Store)  # noqa: S101 - the settings refuse anything else
        store = self.stack.object_store
        return {
            "retentionPolicy": f"{self.settings.backup.keep}d",
            "configuration": {
                "destinationPath": f"s3://{store.bucket}/{naming.POSTGRESQL}",
                "endpointURL": f"https://{store.endpoint}",
                "s3Credentials": _credentials(store.identity),
                "wal": {"compression": "gzip", "encryption": "AES256", "maxParallel": 4},
                "data": {"compression": "gzip", "encryption": "AES256", "jobs": 2},
            },
        }

    def _volume(self, size: str) -> dict[str, Any]:
        storage_class = self.stack.cluster.storage_class
        return {"size": size, **({"storageClass": storage_class} if storage_class else {})}


def _credentials(identity: Identity) -> dict[str, Any]:
    """The pods' own identity, where there is one: no key to keep, to leak or to rotate."""
    if not isinstance(identity, Keys):
        return {"inheritFromIAMRole": True}
    secret = naming.s3_secret(naming.POSTGRESQL)
    return {
        "accessKeyId": {"name": secret, "key": "s3_user"},
        "secretAccessKey": {"name": secret, "key": "s3_password"},
    }


def _secret_of(login: str) -> str:
    return f"postgresql-role-{login.replace('_', '-')}"


def _managed(role: Role, login: str, sessions: int) -> dict[str, Any]:
    groups = [str(role)] if login != role else ["pg_read_all_data"] if role is Role.BACKUP else []
    return {
        "name": login,
        "ensure": "present",
        "login": True,
        "superuser": False,
        "createdb": False,
        "createrole": False,
        "replication": False,
        "bypassrls": False,
        "connectionLimit": sessions,
        "passwordSecret": {"name": _secret_of(login)},
        **({"inRoles": groups} if groups else {}),
    }


def _resources(resources: Resources) -> dict[str, Any]:
    return {
        "requests": {"cpu": resources.cpu, "memory": resources.memory},
        "limits": {"cpu": cpu_limit(resources), "memory": resources.memory},
    }
