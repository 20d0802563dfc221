"""Names and labels of everything in the cluster. Stable: a renamed volume claim is an empty disk."""

from __future__ import annotations

from app import contract

#: The application: stateless, scaled, replaced at will.
NAMESPACE_APP = contract.NAMESPACE_APP
#: Brokers and databases: a worker that scales out must not eat their quota.
NAMESPACE_DATA = contract.NAMESPACE_DATA
NAMESPACES = (NAMESPACE_APP, NAMESPACE_DATA)

#: Of pods that hold data; they find room before workers.
PRIORITY_DATA = "millrace-data"

PART_OF = "millrace"
#: The owner of what is applied; also server-side apply's field manager.
MANAGER = "millrace"

LABEL_NAME = "app.kubernetes.io/name"
LABEL_PART_OF = "app.kubernetes.io/part-of"
LABEL_MANAGED_BY = "app.kubernetes.io/managed-by"
LABEL_STACK = "millrace.dev/stack"
#: Set on the namespace by Kubernetes itself.
LABEL_NAMESPACE = "kubernetes.io/metadata.name"
#: On pod templates: a change of what a pod reads at its start must start it again.
ANNOTATION_CONFIG_HASH = "millrace.dev/config-hash"

#: On a StatefulSet: which version of its server runs, for whoever changes it next.
ANNOTATION_VERSION = "millrace.dev/version"

#: On a broker's pod that is removed with its whole cluster: its preStop waits for nobody (images/rabbitmq/stop).
ANNOTATION_SKIP_STOP = "millrace.dev/skip-prestop-checks"

GATEWAY = "gateway"
RELAY = "relay"
ARCHIVER = "archiver"
BEAT = "beat"
FLOWER = "flower"
MIGRATE = "migrate"
TOPOLOGY = "topology"
RETENTION = "retention"
OPERATOR = "operator"
QUEUES = "queues"
RABBITMQ = "rabbitmq"
REDIS = "redis"
REDIS_BROKER = contract.REDIS_BROKER_SERVICE
POSTGRESQL = "postgresql"
POSTGRESQL_BACKUP = "postgresql-backup"
PGBOUNCER = "pgbouncer"
#: Jobs that make our logins on servers that somebody else runs.
POSTGRESQL_LOGINS = "postgresql-logins"
RABBITMQ_LOGINS = "rabbitmq-logins"
OBJECT_STORE = "objectstore"

#: The component whose Secret `authority-tls` has the authorities that everybody trusts; there is one in each namespace.
AUTHORITY = "authority"
#: The ConfigMaps with those who sign for servers of AWS.
AWS_AUTHORITIES = "aws-authorities"
#: The issuers that sign everything inside, one in each namespace.
ISSUER = "millrace-ca"


def worker(pool: str) -> str:
    """The component of a pool of workers."""
    return f"worker-{pool}"


def namespace_of(component: str) -> str:
    """Servers live apart from the application."""
    data = {
        RABBITMQ,
        RABBITMQ_LOGINS,
        REDIS,
        REDIS_BROKER,
        POSTGRESQL,
        POSTGRESQL_BACKUP,
        POSTGRESQL_LOGINS,
        PGBOUNCER,
        OBJECT_STORE,
    }
    return NAMESPACE_DATA if component in data else NAMESPACE_APP


def selector(component: str) -> dict[str, str]:
    """What selects a component's pods; never changes, because Deployments cannot change theirs."""
    return {LABEL_NAME: component, LABEL_PART_OF: PART_OF}


def labels(component: str, stack: str) -> dict[str, str]:
    """What every object of a component carries; pruning finds them by the last two."""
    return selector(component) | {LABEL_MANAGED_BY: MANAGER, LABEL_STACK: stack}


def service_host(service: str, namespace: str | None = None) -> str:
    """The name that clients use; certificates are for it."""
    return f"{service}.{namespace or namespace_of(service)}.svc"


def service_names(service: str, namespace: str | None = None) -> tuple[str, ...]:
    """Every DNS name of a service, for its certificate."""
    host = service_host(service, namespace)
    return (service, host, f"{host}.cluster.local")


def issuer(generation: int) -> str:
    """The issuer over one generation of our authority, and the Secret with its key."""
    return f"{ISSUER}-{generation}"


def nodes(server: str) -> str:
    """The headless service of a server's pods."""
    return f"{server}-nodes"


def tls_secret(component: str) -> str:
    """The Secret that cert-manager writes: tls.crt, tls.key. Whom to trust stands in that of `AUTHORITY`."""
    return f"{component}-tls"


def passwords_secret(component: str) -> str:
    """The Secret with a component's passwords, one file a server."""
    return f"{component}-passwords"


def s3_secret(role: str) -> str:
    """The Secret with a role's `s3_user` and `s3_password` for an S3 elsewhere. The bucket's owner creates it."""
    return f"{role}-s3"


def password(user: str, server: str) -> str:
    """The logical name of a generated password: `worker-rabbitmq`, `worker-redis-broker`."""
    return f"{user}-{server.replace('_', '-')}"
