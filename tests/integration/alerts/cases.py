"""For each alert: when it fires, when it does not, and that a deleted pod does not silence it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.integration.alerts.series import Series, Where, always, deleted, rising, until_deleted, up

SeriesOf = Callable[[Where], tuple[Series, ...]]


@dataclass(frozen=True, kw_only=True)
class Case:
    """Series, and what the alert has to do with them."""

    alert: str
    #: fires, quiet, deleted, strangers.
    what: str
    series: SeriesOf
    fires: bool
    at_minute: int = 25
    strangers: bool = False


#: These fire because something of ours is not there: with the series of a stranger alone they have to.
OF_ABSENCE = frozenset({"TargetMissing", "RabbitMQNodeDown", "BrokerQuorumLost", "QueueMissing"})


def of_alert(
    alert: str,
    *,
    fires: SeriesOf,
    quiet: SeriesOf,
    after: SeriesOf,
    instead: str = "",
    minute: int = 25,
    after_minute: int = 0,
) -> Iterator[Case]:
    """Four cases. `after` holds the series around a deleted pod; `instead` is the alert that then takes over."""
    yield Case(alert=alert, what="fires", series=fires, fires=True, at_minute=minute)
    yield Case(alert=alert, what="quiet", series=quiet, fires=False, at_minute=minute)
    at = after_minute or minute
    yield Case(alert=instead or alert, what=f"deleted ({alert})", series=after, fires=True, at_minute=at)
    if alert not in OF_ABSENCE:
        yield Case(alert=alert, what="strangers", series=fires, fires=False, at_minute=minute, strangers=True)


def _series(*series: Series) -> SeriesOf:
    return lambda _where: series


def _one(metric: str, process: str, values: str, number: int = 1, /, **labels: str) -> Series:
    return Series(metric=metric, values=values, process=process, number=number, labels=labels)


def _pair(metric: str, process: str, values: str, **labels: str) -> tuple[Series, ...]:
    return tuple(_one(metric, process, values, number, **labels) for number in (1, 2))


def _first_deleted(metric: str, process: str, values: str, minutes: int = 30, /, **labels: str) -> tuple[Series, ...]:
    """Two pods that show the same, of which the first is deleted."""
    gone = _one(metric, process, until_deleted(values, minutes), 1, **labels)
    return (gone, _one(metric, process, values, 2, **labels))


def _moved(metric: str, value: float, **labels: str) -> tuple[Series, ...]:
    """A queue whose leader's node is deleted: another node shows it from then on."""
    own = {"vhost": "millrace", "queue": "interactive", **labels}
    return (
        _one(metric, "rabbitmq-queues", until_deleted(always(value)), 1, **own),
        _one(metric, "rabbitmq-queues", f"_x20 {value:g}+0x40", 2, **own),
    )


def _queue(metric: str, values: str, queue: str = "interactive") -> Series:
    return _one(metric, "rabbitmq-queues", values, vhost="millrace", queue=queue)


WORKER = "worker-interactive"
CONSUMERS, MESSAGES = "rabbitmq_detailed_queue_consumers", "rabbitmq_detailed_queue_messages"
CANARIES, REFUSED = "millrace_canary_start_delay_seconds", "millrace_relay_refused_total"
REQUESTS, OUTCOMES = "millrace_gateway_requests_total", "celery_task_outcomes_total"
OPEN, OUTBOX_AGE = "millrace_dead_letters_open", "millrace_outbox_oldest_age_seconds"
ANSWERS = "millrace_server_answers"
RETENTION_AGE = "millrace_retention_step_age_seconds"
PAUSE_AGE, PUT_BACK = "millrace_pause_age_seconds", "millrace_put_back_messages"


def _share(
    metric: str, edge: str, within: float, all_: float, *, first_deleted: bool = False, **labels: str
) -> SeriesOf:
    """A histogram of two pods, as observations a minute: those within the edge, and all."""
    make = _first_deleted if first_deleted else _pair
    bucket = make(f"{metric}_bucket", WORKER, rising(within), queue="interactive", le=edge, **labels)
    return _series(*bucket, *make(f"{metric}_count", WORKER, rising(all_), queue="interactive", **labels))


def _requests(failing: float, *, first_deleted: bool = False) -> SeriesOf:
    make = _first_deleted if first_deleted else _pair
    good = make(REQUESTS, "gateway", rising(100), route="/v1/events", method="POST", status="202")
    return _series(*good, *make(REQUESTS, "gateway", rising(failing), route="/v1/events", method="POST", status="503"))


def _waiting(messages: float, a_minute: float, *, first_deleted: bool = False) -> SeriesOf:
    make = _first_deleted if first_deleted else _pair
    done = make(OUTCOMES, WORKER, rising(a_minute / 2), queue="interactive", task="quote", outcome="succeeded")
    return _series(_queue(MESSAGES, always(messages)), *done)


def _lost(a_minute: float, make: Callable[..., tuple[Series, ...]] = _pair) -> SeriesOf:
    return _series(*make(OUTCOMES, WORKER, rising(a_minute), queue="interactive", task="drill", outcome="worker_lost"))


def _canaries(a_minute: float, *, first_deleted: bool = False) -> SeriesOf:
    make = _first_deleted if first_deleted else _pair
    counts = make(f"{CANARIES}_count", WORKER, rising(a_minute), queue="interactive")
    return _series(_queue(CONSUMERS, always(2)), *counts)


def _all_up(*queues: str) -> SeriesOf:
    shown = tuple(_queue(CONSUMERS, always(1), queue) for queue in queues)
    return _series(*up("rabbitmq", 3), *up("rabbitmq-queues", 3), *shown)


QUEUES = ("interactive", "bulk", "external")


def common(where: Where) -> Iterator[Case]:
    """Cases of the alerts that both targets have. The local stack has no strangers."""
    return (case for case in _common(where) if where == "kubernetes" or not case.strangers)


def _common(where: Where) -> Iterator[Case]:
    gone = "TargetDown" if where == "compose" else "TargetMissing"
    refused = {"queue": "bulk", "reason": "nacked"}
    yield from of_alert(
        "DeadLettersNotEmpty",
        fires=_series(_one(OPEN, "archiver", always(3), queue="bulk")),
        quiet=_series(_one(OPEN, "archiver", always(0), queue="bulk")),
        after=_series(_one(OPEN, "archiver", until_deleted(always(3)), queue="bulk")),
        after_minute=13,
    )
    yield Case(
        alert=gone, what="deleted for good (DeadLettersNotEmpty)", series=lambda w: deleted(w, "archiver"), fires=True
    )
    yield from of_alert(
        "OutboxTooOld",
        fires=_series(_one(OUTBOX_AGE, "relay", always(60), queue="bulk")),
        quiet=_series(_one(OUTBOX_AGE, "relay", always(20), queue="bulk")),
        after=_series(*_first_deleted(OUTBOX_AGE, "relay", always(60), queue="bulk")),
    )
    yield from of_alert(
        "RelayRefusing",
        fires=_series(_one(REFUSED, "relay", rising(1), **refused)),
        quiet=_series(_one(REFUSED, "relay", always(7), **refused)),
        after=_series(_one(REFUSED, "relay", until_deleted(rising(1)), **refused)),
        after_minute=13,
    )  # fmt: skip
    yield from of_alert(
        "GatewayFailing", fires=_requests(20), quiet=_requests(2), after=_requests(20, first_deleted=True)
    )
    yield from of_alert(
        "RetentionLate",
        fires=_series(_one(RETENTION_AGE, "relay", always(3 * 86400, 150), step="drop")),
        quiet=_series(_one(RETENTION_AGE, "relay", always(86400, 150), step="drop")),
        after=_series(*_first_deleted(RETENTION_AGE, "relay", always(3 * 86400, 150), 150, step="drop")),
        minute=140,
    )  # fmt: skip
    yield from of_alert(
        "PausedForLong",
        fires=_series(_one(PAUSE_AGE, "relay", always(5 * 3600), kind="queue", name="bulk")),
        quiet=_series(_one(PAUSE_AGE, "relay", always(3 * 3600), kind="queue", name="bulk")),
        after=_series(*_first_deleted(PAUSE_AGE, "relay", always(5 * 3600), kind="queue", name="bulk")),
    )  # fmt: skip
    yield from of_alert(
        "MessagesVanished",
        fires=_series(_one(PUT_BACK, "relay", always(7))),
        quiet=_series(_one(PUT_BACK, "relay", always(0))),
        after=_series(*_first_deleted(PUT_BACK, "relay", always(7))),
    )
    yield from of_alert(
        "CanaryLate",
        fires=_share(CANARIES, "1.0", 4, 6),
        quiet=_share(CANARIES, "1.0", 6, 6),
        after=_share(CANARIES, "1.0", 4, 6, first_deleted=True),
    )
    yield from of_alert("CanaryMissing", fires=_canaries(0), quiet=_canaries(6), after=_canaries(0, first_deleted=True))
    yield from of_alert(
        "QueueTooLong",
        fires=_series(_queue(MESSAGES, always(10_001))),
        quiet=_series(_queue(MESSAGES, always(9_999)), _queue(MESSAGES, always(50_000), "interactive.dead")),
        after=_series(*_moved(MESSAGES, 10_001)),
    )
    # 15 minutes of work: 3,000 messages at less than 200 a minute.
    yield from of_alert(
        "QueueDrainsSlowly",
        fires=_waiting(3000, 180),
        quiet=_waiting(3000, 240),
        after=_waiting(3000, 180, first_deleted=True),
    )
    yield Case(alert="QueueDrainsSlowly", what="fires while nobody works", series=_waiting(10, 0), fires=True)
    yield Case(alert="QueueDrainsSlowly", what="quiet while nothing waits", series=_waiting(0, 0), fires=False)
    late, long = "celery_task_start_delay_seconds", "celery_task_run_seconds"
    yield from of_alert(
        "TasksWait",
        fires=_share(late, "5.0", 18, 20),
        quiet=_share(late, "5.0", 20, 20),
        after=_share(late, "5.0", 18, 20, first_deleted=True),
    )
    yield Case(alert="TasksWait", what="quiet with little traffic", series=_share(late, "5.0", 1, 2), fires=False)
    yield from of_alert(
        "TasksRunLong",
        fires=_share(long, "5.0", 18, 20, task="quote"),
        quiet=_share(long, "5.0", 20, 20, task="quote"),
        after=_share(long, "5.0", 18, 20, first_deleted=True, task="quote"),
    )
    yield from of_alert("WorkersCrash", fires=_lost(1.5), quiet=_lost(0.5), after=_lost(3, _first_deleted))
    yield from _servers(gone)


def _servers(gone: str) -> Iterator[Case]:
    """Cases of the alerts of the group `servers`."""
    alarm = "rabbitmq_alarms_memory_used_watermark"
    disk = "rabbitmq_alarms_free_disk_space_watermark"
    yield from of_alert(
        "RabbitMQNodeDown",
        fires=_series(*up("rabbitmq", 3, down=1)),
        quiet=_series(*up("rabbitmq", 3)),
        after=lambda w: (*deleted(w, "rabbitmq"), *up("rabbitmq", 2, first=2)),
    )
    yield from of_alert(
        "BrokerQuorumLost",
        fires=_series(*up("rabbitmq", 3, down=2)),
        quiet=_series(*up("rabbitmq", 3, down=1)),
        after=lambda w: (*deleted(w, "rabbitmq", count=2), *up("rabbitmq", 1, first=3)),
    )
    yield Case(
        alert="BrokerQuorumLost", what="all deleted", series=lambda w: deleted(w, "rabbitmq", count=3), fires=True
    )
    yield from of_alert(
        "BrokerAlarm",
        fires=_series(_one(alarm, "rabbitmq", always(1))),
        quiet=_series(_one(alarm, "rabbitmq", always(0)), _one(disk, "rabbitmq", always(0))),
        after=lambda w: (
            _one(alarm, "rabbitmq", until_deleted(always(1))),
            *deleted(w, "rabbitmq"),
            *up("rabbitmq", 2, first=2),
        ),
        instead="RabbitMQNodeDown",
    )
    yield Case(
        alert="BrokerAlarm", what="fires for the disk", series=_series(_one(disk, "rabbitmq", always(1))), fires=True
    )
    logins = "rabbitmq_auth_attempts_failed_total"
    yield from of_alert(
        "LoginsRefused",
        fires=_series(_one(logins, "rabbitmq", rising(2), protocol="amqp091")),
        quiet=_series(_one(logins, "rabbitmq", always(40), protocol="amqp091")),
        after=_series(*_first_deleted(logins, "rabbitmq", rising(2), protocol="amqp091")),
    )
    for alert, server in (("RedisMissing", "redis"), ("ObjectStoreMissing", "objectstore")):
        yield from of_alert(
            alert,
            fires=_series(*_pair(ANSWERS, "gateway", always(0), server=server)),
            # One gateway that reaches it is enough to know that it is there.
            quiet=_series(*(_one(ANSWERS, "gateway", always(n), n, server=server) for n in (0, 1))),
            after=_series(*_first_deleted(ANSWERS, "gateway", always(0), server=server)),
        )
    yield from of_alert(
        "Watchdog",
        fires=_series(*up("relay", 2, down=1)),
        # It scrapes others, and of ours nothing answers.
        quiet=_series(*up("relay", 2, down=2), *up("rabbitmq", 3)),
        after=lambda w: (*deleted(w, "relay"), *up("relay", 1, first=2)),
    )
    yield from of_alert(
        "QueueWithoutConsumers",
        fires=_series(_queue(CONSUMERS, always(0))),
        quiet=_series(_queue(CONSUMERS, always(1))),
        after=_series(*_moved(CONSUMERS, 0)),
    )
    yield from of_alert(
        "QueueMissing",
        fires=_all_up("bulk", "external"),
        quiet=_all_up(*QUEUES),
        after=lambda w: (*deleted(w, "rabbitmq"), *up("rabbitmq", 2, first=2)),
        instead="RabbitMQNodeDown",
    )
    yield Case(
        alert="QueueMissing", what="quiet while a node is away", fires=False,
        series=_series(*up("rabbitmq-queues", 3, down=1), _queue(CONSUMERS, always(1), "bulk")),
    )  # fmt: skip
    yield from of_alert(
        "TargetDown",
        fires=_series(*up("relay", 2, down=1)),
        quiet=_series(*up("relay", 2), *up("rabbitmq", 3, down=1), *up("rabbitmq-queues", 3, down=1)),
        after=lambda w: (*deleted(w, "relay"), *up("relay", 1, first=2)),
        instead=gone,
    )
    everyone = {"gateway": 2, "relay": 2, "archiver": 1, "beat": 1, "prometheus": 1}
    workers = [one for queue in QUEUES for one in up(f"worker-{queue}", 2)]
    yield from of_alert(
        "TargetMissing",
        fires=_series(
            *workers, *(one for name, count in everyone.items() if name != "relay" for one in up(name, count))
        ),
        quiet=_series(*workers, *(one for name, count in everyone.items() for one in up(name, count))),
        after=lambda w: (*deleted(w, "beat"), *up("relay", 2)),
        instead=gone,
    )
