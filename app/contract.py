"""Names that more than one folder must agree on: queues, exchanges, users, ports, headers, metrics, tables.

Standard library only: infra, loadtests and chaos import this module and nothing else of `app`. It is long because it is
that one place: a list to search, and the reader of `queues.toml`.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

# --- Queues and exchanges ---------------------------------------------------------------------------------------------

#: Names the file that declares the queues; without it, the one beside this module.
QUEUES_FILE_VARIABLE = "MILLRACE_QUEUES_FILE"
DEFAULT_QUEUES_FILE = Path(__file__).with_name("queues.toml")
#: Edges of the histograms of start delays. An objective has to be one of them, or nobody can count what kept it.
START_DELAY_EDGES_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
#: Part of names in RabbitMQ, in Kubernetes (`worker-<queue>`) and in metrics. No dots: the delay ladder routes by them.
_QUEUE_NAME = re.compile(r"[a-z]([-a-z0-9]{0,28}[a-z0-9])?")


class QueuesFileError(ValueError):
    """The file that declares the queues is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A queue as `queues.toml` declares it; what the entries mean stands there."""

    name: str
    purpose: str
    starts_within_seconds: float | None = None
    #: 20 is RabbitMQ's default, said here because restarts that kill a worker count as well: 3 would dead-letter
    #: innocents in a rolling restart (research/celery.md 1.2).
    delivery_limit: int = 20
    max_length_bytes: int = 1024 * 1024 * 1024
    hold_back_above: int = 500
    #: Other services that may publish to it.
    producers: tuple[str, ...] = ()
    #: As `infra.settings.workloads.Pool` reads it, which validates it.
    pool: Mapping[str, Any] = field(default_factory=dict)

    @property
    def foreign(self) -> bool:
        """Whether an application of somebody else consumes it (docs/foreign-apps.md); our tasks do not run there."""
        return "application" in self.pool


def read_queues(path: Path) -> tuple[Queue, ...]:
    """The queues of a file, in their order of service.

    Raises:
        QueuesFileError: the file is missing or wrong; the message names the file, the queue and the entry.
    """
    try:
        document = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise QueuesFileError(f"{path}: {error}") from error
    if not document:
        raise QueuesFileError(f"{path}: declares no queue")
    found = tuple(_queue(path, name, entries) for name, entries in document.items())
    if found[0].foreign:
        raise QueuesFileError(
            f"{path}: [{found[0].name}]: our tasks that name no queue go to the first one: declare another before it"
        )
    return found


def queues_file() -> Path:
    """The file that declares the queues of this process."""
    return Path(os.environ.get(QUEUES_FILE_VARIABLE) or DEFAULT_QUEUES_FILE)


@lru_cache(maxsize=1)
def queues() -> tuple[Queue, ...]:
    """The queues of this process, as `read_queues` reads them."""
    return read_queues(queues_file())


def queue_names() -> tuple[str, ...]:
    """Their names, in their order of service."""
    return tuple(queue.name for queue in queues())


def _queue(path: Path, name: str, entries: Any) -> Queue:
    where = f"{path}: [{name}]"
    if not _QUEUE_NAME.fullmatch(name):
        raise QueuesFileError(f"{where}: a name has 1 to 30 lower case letters, digits and hyphens, a letter first")
    if not isinstance(entries, dict):
        raise QueuesFileError(f"{where}: must be a table")
    known = {entry.name for entry in fields(Queue)} - {"name"}
    if unknown := sorted(entries.keys() - known):
        raise QueuesFileError(f"{where} {unknown[0]}: nobody reads this entry; known are {', '.join(sorted(known))}")
    kinds: dict[str, tuple[type, ...]] = {
        "purpose": (str,), "starts_within_seconds": (int, float), "delivery_limit": (int,), "max_length_bytes": (int,),
        "hold_back_above": (int,),
        "producers": (list,), "pool": (dict,),
    }  # fmt: skip
    for entry, value in entries.items():
        wrong = not isinstance(value, kinds[entry]) or isinstance(value, bool)
        if wrong or (isinstance(value, int | float) and value <= 0) or (entry == "purpose" and not value.strip()):
            raise QueuesFileError(f"{where} {entry}: {value!r} is not a {_KIND_IN_WORDS[kinds[entry][-1]]}")
    objective = entries.get("starts_within_seconds")
    if objective is not None and objective not in START_DELAY_EDGES_SECONDS:
        edges = ", ".join(f"{edge:g}" for edge in START_DELAY_EDGES_SECONDS)
        raise QueuesFileError(f"{where} starts_within_seconds: {objective!r} is not one of {edges}")
    if "purpose" not in entries:
        raise QueuesFileError(f"{where} purpose: is missing; say what the queue is for")
    queue = Queue(name=name, **(entries | {"producers": _producers(where, entries.get("producers", []))}))
    if queue.foreign and objective is not None:
        raise QueuesFileError(
            f"{where} starts_within_seconds: its application does not have our canary task; leave this out"
        )
    return queue


def _producers(where: str, names: list[Any]) -> tuple[str, ...]:
    for name in names:
        if not isinstance(name, str) or not _QUEUE_NAME.fullmatch(name):
            raise QueuesFileError(f"{where} producers: {name!r} is not a name of the form that queues have")
    return tuple(names)


_KIND_IN_WORDS = {
    str: "text", int: "whole number above 0", float: "number above 0", dict: "table", list: "list of names",
}  # fmt: skip

#: One vhost an environment: the names of Celery's delay ladder are fixed within a vhost.
VHOST = "millrace"
#: Native delayed delivery needs a topic exchange.
TASKS_EXCHANGE = "tasks"
DEAD_LETTER_EXCHANGE = "tasks.dead"
#: Where Celery's delay ladder begins (`kombu.transport.native_delayed_delivery`).
DELAY_LADDER_EXCHANGE = "celery_delayed_27"
#: Begins the names of its 28 queues and its exchanges.
DELAY_LADDER_PREFIX = "celery_delayed_"


def dead_letter_queue(queue: str) -> str:
    """The dead-letter queue of a work queue; also its explicit dead-letter routing key."""
    return f"{queue}.dead"


# --- Tasks ------------------------------------------------------------------------------------------------------------

#: The example, which demo and load tests use: single events, and lists of them, which must not make those wait.
TASK_INGEST_EVENT = "ingest_user_event"
EVENT_QUEUE, EVENT_LIST_QUEUE = "interactive", "bulk"


def external_queue() -> str:
    """Where the examples that call other systems go: with the lists, if a deployment's queues have no `external`."""
    ours = any(queue.name == "external" and not queue.foreign for queue in queues())
    return "external" if ours else EVENT_LIST_QUEUE


#: Misbehaves on purpose, then does as the example; registered only where MILLRACE_DRILLS_ENABLED is set.
TASK_DRILL = "drill"
#: Passes on a message whose task this release does not know (`app/kinds/releases.py`).
TASK_WAIT_FOR_RELEASE = "wait_for_release"
#: Does nothing but start: beat sends one to each queue again and again, to see how long work waits there.
TASK_CANARY = "canary"

#: A batch holds at most this many items, and this many bytes (1,000 events of 28 KB pass RabbitMQ's 16 MiB limit).
BATCH_MAX_ITEMS = 200
BATCH_MAX_BYTES = 256 * 1024
#: Items in one request.
REQUEST_MAX_ITEMS = 1000
#: On SQS and Redis, between the end of the longest task and the moment at which another worker sees its message.
VISIBILITY_MARGIN_SECONDS = 10
#: The largest message of a queue of SQS, and of all messages of one call. It is SQS' own limit, but Pulumi's provider
#: gives a queue 256 KiB unless it is told otherwise.
SQS_MESSAGE_MAX_BYTES = 1024 * 1024
#: The text of a message in Redis. Its own limit is 512 MiB; this one is RabbitMQ's.
REDIS_MESSAGE_MAX_BYTES = 16 * 1024 * 1024


class RedisKeys(NamedTuple):
    """Where Redis as a broker keeps a queue."""

    #: A list; the next message is at its right end.
    waiting: str
    #: A hash: the messages that a worker holds, or that are delayed, by their tags.
    held: str
    #: A sorted set of these tags: when each goes back to the list.
    until: str
    #: A hash: how often each message was delivered, by the SHA-1 of its text.
    deliveries: str
    #: A list: messages that were delivered too often.
    dead: str


def redis_keys(queue: str) -> RedisKeys:
    """The keys of a queue."""
    return RedisKeys(queue, f"{queue}:held", f"{queue}:until", f"{queue}:deliveries", f"{queue}:dead")


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
    BEAT = "beat"  # PostgreSQL: writes what is due into the outbox; RabbitMQ: asks which queues are consumed
    PROMETHEUS = "prometheus"
    KEDA = "keda"  # RabbitMQ: reads the lengths of queues over the management API
    REPLICA = "replica"  # Redis: follows the primary
    SENTINEL = "sentinel"  # Redis: watches, and makes another one primary
    PROBE = "probe"  # Redis: asks whether it is well


#: Ends the name of a user's second login. The two take turns when the user's password is rotated.
_SECOND_LOGIN = "_b"


def login(user: str, generation: int) -> str:
    """The name with which a user logs in by its password of this generation, counted from 1."""
    return f"{user}" if generation % 2 else f"{user}{_SECOND_LOGIN}"


def logins(user: str) -> tuple[str, str]:
    """Both names with which a user logs in."""
    return login(user, 1), login(user, 2)


def user_of(login: str) -> str:
    """Whose login this is."""
    return login.removesuffix(_SECOND_LOGIN)


def producer_user(name: str) -> str:
    """RabbitMQ's user of a producer that `queues.toml` names."""
    return f"producer-{name}"


POSTGRESQL_DATABASE = "millrace"
POSTGRESQL_ROLES = (
    Role.OWNER,
    Role.GATEWAY,
    Role.RELAY,
    Role.WORKER,
    Role.ARCHIVER,
    Role.BEAT,
    Role.OPERATOR,
    Role.AUDITOR,
    Role.BACKUP,
)
#: Seconds that a statement of a process may take, set on the roles: a pooled connection has no settings of its own.
STATEMENT_TIMEOUT_SECONDS = 20
#: Seconds after which a connection of ours to PostgreSQL ends whose peer's kernel confirms or takes nothing: its
#: machine or its cable is gone, or its process has not read a full buffer for so long (ADR 0056).
PEER_LOST_SECONDS = 2
#: The same of PostgreSQL, PgBouncer, and RabbitMQ for its other nodes and its clients. A mistake costs them more.
SERVER_PEER_LOST_SECONDS = 5
#: Items of a task in order that may wait in one line. Migration 0018 has it, too: PostgreSQL refuses the next one.
LINE_ITEMS_MAX = 10_000
#: The bucket in S3, where content is stored under its hash.
BUCKET = "millrace"
#: What the sentinels call the Redis they watch.
REDIS_SERVICE = "millrace"
#: In the state folder of a local stack: which broker it has, and what outsiders need to know of it.
LOCAL_BROKER_FILE = "broker.json"
#: On each container of a local stack: whether it may be broken on purpose (docs/drills.md).
DRILLS_LABEL = "millrace.drills"
#: Of the local stack: the Redis that is the broker, as a service and as a host. It is not the Redis of results.
REDIS_BROKER_SERVICE = "redis-broker"
#: The image that breaks a container's network in a drill.
NETFAULT_NAME, NETFAULT_VERSION = "netfault", "1"

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
PORT_OBJECT_STORE = 7070
#: Of the emulator that is the local stack's SQS.
PORT_SQS_EMULATOR = 4566
PORT_FLOWER = 5555
PORT_PROMETHEUS = 9090


def broker_url(user: str, password: str, host: str) -> str:
    """The value of Celery's `broker_url`; our generated passwords need no escaping."""
    return f"amqps://{user}:{password}@{host}:{PORT_AMQPS}/{VHOST}"


# --- Headers ----------------------------------------------------------------------------------------------------------

HEADER_API_KEY = "X-API-Key"
HEADER_IDEMPOTENCY_KEY = "Idempotency-Key"
#: How long each item of a request may wait for its start; after that it is never executed.
HEADER_EXPIRES_SECONDS = "Millrace-Expires-Seconds"
HEADER_REQUEST_ID = "X-Request-ID"
HEADER_TRACEPARENT = "traceparent"
#: Message headers. `correlation_id` itself is an AMQP property with another meaning (the task id).
MESSAGE_PREFIX = "millrace_"
MESSAGE_JOB_ID = "millrace_job_id"
#: Only in the outbox: the number of items of a message that the relay may join with others of its task in batches.
MESSAGE_ITEMS = "millrace_items"
#: In a bundle: the number of messages that it holds (`app/brokers/bundles.py`).
MESSAGE_BUNDLE = "millrace_bundle"
#: What its sender calls the one item of a message, and whose name it is: the id of the API key that sent it.
MESSAGE_KEY = "millrace_key"
MESSAGE_SCOPE = "millrace_scope"
MESSAGE_CORRELATION_ID = "millrace_correlation_id"
MESSAGE_TRACEPARENT = "traceparent"
#: Unix time in seconds of the first publish; a redelivered message keeps its first stamp, because the user did wait.
MESSAGE_PUBLISHED_AT = "millrace_published_at"
#: Unix time in seconds since when this attempt has found PostgreSQL or Redis away; or no worker that takes it.
MESSAGE_PARKED_SINCE = "millrace_parked_since"
MESSAGE_RELEASE_SINCE = "millrace_release_since"
#: In a copy that was parked after its task had run, to report that: it does not expire, nor is it revoked.
MESSAGE_RAN = "millrace_ran"
#: The worker's parent adds it: the child then records this outcome of the items instead of running the task.
MESSAGE_DROP_AS = "millrace_drop_as"
#: A hash of the models of its task's items, as the sender has them (`DeclaredTask.form_id`). Releases may differ.
MESSAGE_FORM = "millrace_form"
#: Of a task in steps: the number of the slice that this message holds, from 0 (`app/patterns/stepped_task.py`).
MESSAGE_SLICE = "millrace_slice"
#: Of a task in order: the id of the line that its item stands in, and whether the line goes on when the item dies.
MESSAGE_ORDER = "millrace_order"
MESSAGE_ORDER_GOES_ON = "millrace_order_goes_on"
#: In a message that waits for a worker of another release: the task that it is for.
MESSAGE_TASK = "millrace_task"

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

    TASKS_WRITE = "tasks:write"
    JOBS_READ = "jobs:read"
    METRICS_READ = "metrics:read"


# --- Metrics (Prometheus). Labels in brackets. ------------------------------------------------------------------------

METRIC_HTTP_REQUESTS = "millrace_gateway_requests_total"  # [route, method, status]
METRIC_HTTP_SECONDS = "millrace_gateway_request_seconds"  # [route]
METRIC_ITEMS_ACCEPTED = "millrace_gateway_items_accepted_total"  # [queue]
METRIC_BODIES_BYTES = "millrace_gateway_bodies_bytes"
METRIC_REQUESTS_SHED = "millrace_gateway_requests_shed_total"  # [queue]
METRIC_OUTBOX_PENDING = "millrace_outbox_pending_messages"  # [queue]
METRIC_OUTBOX_AGE_SECONDS = "millrace_outbox_oldest_age_seconds"  # [queue]
METRIC_SERVER_ANSWERS = "millrace_server_answers"  # [server] redis | objectstore
METRIC_RELAY_PUBLISHED = "millrace_relay_published_total"  # [queue]
METRIC_RELAY_REFUSED = "millrace_relay_refused_total"  # [queue, reason]
#: [queue, state] waiting | held | dead; only of a broker without metrics of its own.
METRIC_BROKER_MESSAGES = "millrace_broker_messages"
METRIC_RELAY_CONFIRM_SECONDS = "millrace_relay_confirm_seconds"
METRIC_TASK_OUTCOMES = "celery_task_outcomes_total"  # [queue, task, outcome]
METRIC_TASK_SECONDS = "celery_task_run_seconds"  # [queue, task]
METRIC_TASK_START_DELAY_SECONDS = "celery_task_start_delay_seconds"  # [queue]
METRIC_SLOTS = "millrace_schedule_slots_total"  # [schedule, outcome] sent | skipped | missed | failed
METRIC_CANARY_START_DELAY_SECONDS = "millrace_canary_start_delay_seconds"  # [queue]
METRIC_EFFECTS = "millrace_effects_total"  # [outcome] stored | duplicate
METRIC_DEAD_LETTERS = "millrace_dead_letters_total"  # [queue, reason]
METRIC_DEAD_LETTERS_OPEN = "millrace_dead_letters_open"  # [queue]
METRIC_LIMIT_TURNS = "millrace_limit_turns_total"  # [limit, outcome] taken | waits | penalty
METRIC_FAR_SIDE_CALLS = (
    "millrace_far_side_calls_total"  # [far_side, outcome] recorded | known | refused | failed | held
)
METRIC_PAUSE_AGE_SECONDS = "millrace_pause_age_seconds"  # [kind, name]
METRIC_HELD = "millrace_held_messages"  # [kind, name]
METRIC_PUT_BACK = "millrace_put_back_messages"
METRIC_RETENTION_AGE_SECONDS = "millrace_retention_step_age_seconds"  # [step]
