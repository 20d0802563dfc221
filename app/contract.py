"""Names that more than one folder must agree on: queues, exchanges, users, ports, headers, metrics, tables.

Standard library only: infra, loadtests and chaos import this module and nothing else of `app`.
"""

from __future__ import annotations

from enum import StrEnum

# --- Queues and exchanges ---------------------------------------------------------------------------------------------


class QueueClass(StrEnum):
    """The kinds of work that must not wait for each other; each has a queue and a worker pool of its own.

    The order is the order of service: the relay claims the first class first, the gateway sheds the last class first.
    """

    INTERACTIVE = "interactive"
    BULK = "bulk"
    EXTERNAL = "external"


#: One vhost an environment: the names of Celery's delay ladder are fixed within a vhost.
VHOST = "millrace"
#: Native delayed delivery needs a topic exchange.
TASKS_EXCHANGE = "tasks"
DEAD_LETTER_EXCHANGE = "tasks.dead"
#: Where Celery's delay ladder begins (`kombu.transport.native_delayed_delivery`).
DELAY_LADDER_EXCHANGE = "celery_delayed_27"


def dead_letter_queue(queue: str) -> str:
    """The dead-letter queue of a work queue; also its explicit dead-letter routing key."""
    return f"{queue}.dead"


#: Deliveries after which a quorum queue gives a message up. 20 is RabbitMQ's default, said here because restarts that
#: kill a worker count as well: 3 would dead-letter innocents in a rolling restart (research/celery.md 1.2).
DELIVERY_LIMIT = 20
#: What one queue holds at most before it refuses publishes (the relay then keeps the rows in PostgreSQL).
QUEUE_MAX_LENGTH_BYTES = 1024 * 1024 * 1024

# --- Tasks ------------------------------------------------------------------------------------------------------------

TASK_INGEST_EVENT = "ingest_user_event"
TASK_INGEST_CHUNK = "ingest_user_event_chunk"
#: Misbehaving tasks for drills and tests; registered only where MILLRACE_DRILLS_ENABLED is set.
TASK_DRILL = "drill"
#: Does nothing but start: beat sends one to each queue again and again, to see how long work waits there.
TASK_CANARY = "canary"

#: A chunk holds at most this many events, and this many bytes (1,000 events of 28 KB pass RabbitMQ's 16 MiB limit).
CHUNK_MAX_EVENTS = 200
CHUNK_MAX_BYTES = 256 * 1024
#: Events in one request.
REQUEST_MAX_EVENTS = 1000

# --- Users: the same role names in PostgreSQL, RabbitMQ, Redis and the secrets' folders -------------------------------


class Role(StrEnum):
    """Who talks to the servers. Each process has the permissions of its role and no others."""

    OWNER = "owner"  # PostgreSQL: owns the schema, runs migrations and retention
    TOPOLOGY = "topology"  # RabbitMQ: declares exchanges and queues
    GATEWAY = "gateway"
    RELAY = "relay"
    WORKER = "worker"
    ARCHIVER = "archiver"
    OPERATOR = "operator"  # the person with the runbook: dead letters, API keys, RabbitMQ's management
    AUDITOR = "auditor"  # reads PostgreSQL for the ledger; writes nothing
    BACKUP = "backup"  # PostgreSQL: reads everything, for the dump; writes nothing
    FLOWER = "flower"
    BEAT = "beat"  # RabbitMQ: publishes what is due, nothing else
    PROMETHEUS = "prometheus"
    KEDA = "keda"  # RabbitMQ: reads the lengths of queues over the management API
    REPLICA = "replica"  # Redis: follows the primary
    SENTINEL = "sentinel"  # Redis: watches, and makes another one primary
    PROBE = "probe"  # Redis: asks whether it is well


POSTGRESQL_DATABASE = "millrace"
POSTGRESQL_ROLES = (
    Role.OWNER,
    Role.GATEWAY,
    Role.RELAY,
    Role.WORKER,
    Role.ARCHIVER,
    Role.OPERATOR,
    Role.AUDITOR,
    Role.BACKUP,
)
#: Seconds that a statement of a process may take, set on the roles: a pooled connection has no settings of its own.
STATEMENT_TIMEOUT_SECONDS = 20
#: What the sentinels call the Redis they watch.
REDIS_SERVICE = "millrace"

# --- Ports (inside a pod or container) --------------------------------------------------------------------------------

PORT_GATEWAY = 8443
#: Metrics of relay, workers, archiver and beat: mutual TLS, only Prometheus has a client certificate.
PORT_METRICS = 9464
PORT_AMQPS = 5671
PORT_RABBITMQ_MANAGEMENT = 15671
PORT_RABBITMQ_METRICS = 15691
#: Between the nodes only: the port mapper, and Erlang's distribution under TLS.
PORT_EPMD = 4369
PORT_ERLANG_DISTRIBUTION = 25672
PORT_REDIS = 6379
PORT_SENTINEL = 26379
PORT_POSTGRESQL = 5432
PORT_FLOWER = 5555
PORT_PROMETHEUS = 9090

# --- Headers ----------------------------------------------------------------------------------------------------------

HEADER_API_KEY = "X-API-Key"
HEADER_IDEMPOTENCY_KEY = "Idempotency-Key"
HEADER_REQUEST_ID = "X-Request-ID"
HEADER_TRACEPARENT = "traceparent"
#: Message headers. `correlation_id` itself is an AMQP property with another meaning (the task id).
MESSAGE_JOB_ID = "millrace_job_id"
MESSAGE_CORRELATION_ID = "millrace_correlation_id"
MESSAGE_TRACEPARENT = "traceparent"
#: Unix time in seconds of the first publish; a redelivered message keeps its first stamp, because the user did wait.
MESSAGE_PUBLISHED_AT = "millrace_published_at"

# --- Problems (RFC 9457) of the gateway -------------------------------------------------------------------------------

#: A URN and not an address: it names the kind of problem and promises no page.
PROBLEM_TYPE_PREFIX = "urn:millrace:problem:"


class ServerProblem(StrEnum):
    """Why the gateway could not accept a request that may be good: the last part of the problem's `type`."""

    OVERLOADED = "overloaded"
    UNAVAILABLE = "unavailable"
    OUTCOME_UNKNOWN = "outcome-unknown"
    INTERNAL = "internal-error"


#: These promise that nothing was accepted. After the others, and after any other 5xx, the request may run or not.
NOTHING_ACCEPTED = frozenset({ServerProblem.OVERLOADED, ServerProblem.UNAVAILABLE})

# --- Kubernetes -------------------------------------------------------------------------------------------------------

#: What we wrote, and what keeps data for it.
NAMESPACE_APP, NAMESPACE_DATA = "millrace", "millrace-data"
#: Written by `make staging`, in the checkout's state folder: where outsiders find everything.
KUBERNETES_TARGET_FILE = "kubernetes/target.json"
#: Addresses of RabbitMQ's management, where somebody forwards them to drills; with spaces between.
MANAGEMENT_URLS_VARIABLE = "MILLRACE_MANAGEMENT_URLS"

# --- Scopes of API keys -----------------------------------------------------------------------------------------------


class Scope(StrEnum):
    """What an API key may do."""

    EVENTS_WRITE = "events:write"
    JOBS_READ = "jobs:read"
    METRICS_READ = "metrics:read"


# --- Metrics (Prometheus). Labels in brackets. ------------------------------------------------------------------------

METRIC_HTTP_REQUESTS = "millrace_gateway_requests_total"  # [route, method, status]
METRIC_HTTP_SECONDS = "millrace_gateway_request_seconds"  # [route]
METRIC_EVENTS_ACCEPTED = "millrace_gateway_events_accepted_total"  # [queue]
METRIC_REQUESTS_SHED = "millrace_gateway_requests_shed_total"  # [queue]
METRIC_OUTBOX_PENDING = "millrace_outbox_pending_messages"  # [queue]
METRIC_OUTBOX_AGE_SECONDS = "millrace_outbox_oldest_age_seconds"  # [queue]
METRIC_RELAY_PUBLISHED = "millrace_relay_published_total"  # [queue]
METRIC_RELAY_REFUSED = "millrace_relay_refused_total"  # [queue, reason]
METRIC_RELAY_CONFIRM_SECONDS = "millrace_relay_confirm_seconds"
METRIC_TASK_OUTCOMES = "celery_task_outcomes_total"  # [queue, task, outcome]
METRIC_TASK_SECONDS = "celery_task_run_seconds"  # [queue, task]
METRIC_TASK_START_DELAY_SECONDS = "celery_task_start_delay_seconds"  # [queue]
METRIC_CANARIES = "millrace_canaries_total"  # [queue, outcome] published | skipped | failed
METRIC_CANARY_START_DELAY_SECONDS = "millrace_canary_start_delay_seconds"  # [queue]
METRIC_EFFECTS = "millrace_effects_total"  # [outcome] stored | duplicate
METRIC_DEAD_LETTERS = "millrace_dead_letters_total"  # [queue, reason]
METRIC_DEAD_LETTERS_OPEN = "millrace_dead_letters_open"  # [queue]
