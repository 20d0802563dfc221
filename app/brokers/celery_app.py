"""The Celery app: the only place that sets Celery's options, each with its reason.

Numbers and findings refer to ../shared/research/celery.md, where each was measured or read in the source.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from celery import Celery
from celery.app.control import Control
from kombu import Exchange, Queue
from kombu.pidbox import Mailbox
from kombu.utils.uuid import uuid

from app import contract
from app.brokers.chosen import broker, refuse
from app.brokers.interface import DELAY_SECONDS, Feature
from app.brokers.result_options import result_options
from app.brokers.senders import USER_ID
from app.brokers.transactional import TransactionalPublishing, capturing, in_transaction
from app.settings import Settings, load
from app.storage.engine import engine

#: The topology command declares; everyone else only uses. So a typo becomes an error and not a new queue, and a role
#: needs no permission to configure.
_TASKS_EXCHANGE = Exchange(contract.TASKS_EXCHANGE, type="topic", durable=True, no_declare=True)


class FreshMailbox(Mailbox):
    """A control queue named afresh at each connection.

    With the fixed name, a worker whose broker node is killed loops on 405 RESOURCE_LOCKED for as long as the node stays
    dead, because the exclusive queue still belongs to it (RabbitMQ 4.3, measured: 0 of 24,004 messages in 120 s).
    """

    def get_queue(self, hostname: str) -> Queue:
        """The queue of this connection; broadcasts find it through the exchange, not through its name."""
        queue = super().get_queue(hostname)
        queue.name = f"{queue.name}.{uuid()[:8]}"
        return queue


class FreshControl(Control):
    """Remote control over `FreshMailbox`."""

    Mailbox = FreshMailbox

    def broadcast(self, *args: Any, **options: Any) -> Any:
        """Ask all workers.

        Raises:
            NotOnThisBrokerError: none would hear it.
        """
        refuse(Feature.REMOTE_CONTROL)
        return super().broadcast(*args, **options)


class MillraceCelery(TransactionalPublishing, Celery):
    """Celery whose publishes are confirmed, refused when no queue would take them, and transactional where asked."""

    task_cls = "app.kinds.base:MillraceTask"

    def send_task(self, name: str, *args: Any, **options: Any) -> Any:
        """Every publish path of Celery goes through here."""
        # The header also says that this process knows the task: a message with an unknown task name does not get one.
        if (form := getattr(self.tasks.get(name), "form_id", None)) is not None:
            options["headers"] = {contract.MESSAGE_FORM: form} | (options.get("headers") or {})
        # An unroutable message is confirmed and dropped unless it is mandatory (finding 10). Not set in the producer
        # pool: broadcasts use it too and may rightly have no route.
        options.setdefault("mandatory", True)
        options.setdefault("confirm_timeout", 5)
        # Celery would put the beginning of the arguments into a header, for logs and monitors: somebody's payload.
        options.setdefault("argsrepr", "(hidden)")
        options.setdefault("kwargsrepr", "(hidden)")
        # RabbitMQ refuses another user's name here, so workers trust our headers (`app/brokers/senders.py`).
        options.setdefault(USER_ID, load().rabbitmq_user)
        if options.get("priority"):
            refuse(Feature.PRIORITIES)
        # Less than a second raises on quorum queues (finding 5); whole seconds are what the delay ladder knows.
        if (delay := _delay_seconds(options.pop("countdown", None), options.pop("eta", None))) > 0:
            longest_seconds = broker().longest_delay_seconds
            if capturing() or longest_seconds is None:
                options["countdown"] = math.ceil(delay)
            elif delay <= longest_seconds:
                options[DELAY_SECONDS] = math.ceil(delay)
            else:
                return self._send_by_outbox(name, *args, countdown=math.ceil(delay), **options)
        return super().send_task(name, *args, **options)

    def _send_by_outbox(self, name: str, *args: Any, **options: Any) -> Any:
        """Let the outbox keep a delay that the broker does not: an eta would be kept in a worker's memory."""
        with engine().begin() as connection, in_transaction(connection):
            return super().send_task(name, *args, **options)


def _delay_seconds(countdown: float | None, eta: datetime | str | None) -> float:
    """How long a message has to wait; 0 where its moment is past, or none is named."""
    if eta is None:
        return max(0.0, float(countdown or 0.0))
    moment = datetime.fromisoformat(eta) if isinstance(eta, str) else eta
    # Celery takes a moment without a zone for UTC where enable_utc is set, as it is here.
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def work_queue(queue: str) -> Queue:
    """A work queue as workers see it. Only the immutable argument is in code: limits are policies and change live."""
    return Queue(
        queue,
        _TASKS_EXCHANGE,
        routing_key=queue,
        queue_arguments={"x-queue-type": "quorum"},
        no_declare=True,
    )


def declared_queue(name: str, *_: Any, **__: Any) -> dict[str, str] | None:
    """Where a task goes that says its queue itself (`app/kinds`); Celery asks for each message."""
    declaration = getattr(celery_app.tasks.get(name), "declaration", None)
    return None if declaration is None else {"queue": declaration.queue}


def celery_options(settings: Settings) -> dict[str, Any]:
    """Every option that differs from Celery's default, or whose default we rely on."""
    return {
        # --- Broker connection
        **broker().options(settings),
        "broker_connection_timeout": 4,
        "broker_connection_retry": True,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,  # 100 by default, then it gives up; the liveness probe decides instead
        "broker_channel_error_retry": True,  # 405 and 406 close a channel; without this the process exits (finding 3)
        "broker_pool_limit": 10,
        "broker_pool_acquire_timeout": 5,  # by default it waits for ever
        # --- Queues
        "task_queues": [work_queue(queue) for queue in contract.queue_names()],
        "task_default_queue": contract.queue_names()[0],
        "task_default_exchange": contract.TASKS_EXCHANGE,
        "task_default_exchange_type": "topic",  # native delayed delivery needs it
        "task_default_routing_key": contract.queue_names()[0],
        "task_routes": (declared_queue,),
        "task_create_missing_queues": False,  # a typo must not become a queue
        "worker_detect_quorum_queues": True,  # switches global QoS off, which quorum queues refuse
        # --- Publishing
        "task_publish_retry": True,
        "task_publish_retry_policy": {"max_retries": 2, "interval_start": 0.2, "interval_step": 0.3, "interval_max": 1},
        "task_default_delivery_mode": 2,
        "task_serializer": "json",
        "accept_content": ["json"],
        # --- Execution
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,  # a killed child's message goes back to the queue, and is counted
        "task_acks_on_failure": False,  # a failure is rejected, and so dead-lettered (finding 7)
        "task_acks_on_timeout": False,  # and so is a hard time limit, after the delivery limit
        "task_time_limit": settings.task_time_limit_seconds,
        "task_soft_time_limit": settings.task_soft_time_limit_seconds,
        # --- Worker
        "worker_concurrency": settings.worker_concurrency,
        "worker_prefetch_multiplier": settings.worker_prefetch_multiplier,
        "worker_max_memory_per_child": settings.worker_max_memory_per_child_kib,
        # Running tasks of a lost connection go on: they may run twice, which the inbox absorbs. Cancelling them kills
        # children, and a second loss of the connection then ended the whole worker ("file descriptor is None", seen in
        # a test that killed a node soon after an outage).
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_enable_prefetch_count_reduction": False,  # needs global QoS, which quorum queues do not have
        "worker_send_task_events": False,  # -61 % throughput; counters come from the worker itself
        "control_queue_exclusive": True,  # RabbitMQ 4.3 refuses transient queues that are not
        "event_queue_exclusive": True,
        "worker_hijack_root_logger": False,
        "enable_utc": True,
        "worker_consumer": "app.worker.consumer:MillraceConsumer",
        **result_options(settings),
    }


def create(settings: Settings) -> MillraceCelery:
    """Build the app; no connection is made."""
    app = MillraceCelery("millrace", set_as_current=False, control=FreshControl)
    app.conf.update(celery_options(settings))
    return app


celery_app = create(load())
# What `shared_task` and `current_app` mean, in every thread of every process.
celery_app.set_current()
celery_app.set_default()
