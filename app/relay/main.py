"""`python -m app relay`: a lane for each queue, and what watches over them. Several relays may run."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait

import structlog
from sqlalchemy import Engine

from app import contract
from app.brokers.chosen import announce, broker
from app.relay import metrics as relay_metrics
from app.relay.lane import Lane
from app.relay.upkeep import Upkeep
from app.settings import Settings, load
from app.storage import outbox, pauses, vanished
from app.storage.availability import may_pass
from app.storage.engine import engine
from app.storage.outbox import Backlog
from app.telemetry import backlog, heartbeat, logging, metrics, retention_age

log = structlog.get_logger(__name__)

#: Seconds between two heartbeats while no lane has a broker, so that the relay reports its first connection soon.
_CONNECTING_SECONDS = 0.2
#: Between two looks at the whole outbox and at retention, for the metrics.
_LOOK_SECONDS = 5.0
#: A lane that has not turned for so long hangs. The longest turn is a statement of PostgreSQL's (20 s) before a publish
#: whose confirms do not come (8 s), and their settlement (20 s).
_WEDGED_SECONDS = contract.STATEMENT_TIMEOUT_SECONDS * 2 + 20.0


def watch(settings: Settings, database: Engine, lanes: Sequence[Lane], ended: Sequence[Future[None]]) -> None:
    """Say how the lanes are, until all have ended or one has failed.

    Raises:
        Exception: what a lane failed with.
    """
    next_look = 0.0
    upkeep = Upkeep(database, most_bytes=settings.relay_batch_bytes)
    waiting: set[Future[None]] = set(ended)
    while waiting:
        connected = any(lane.connected for lane in lanes)
        pause_seconds = heartbeat.BEAT_SECONDS if connected else _CONNECTING_SECONDS
        done, waiting = wait(waiting, timeout=pause_seconds, return_when=FIRST_EXCEPTION)
        for future in done:
            future.result()
        _beat(settings, lanes)
        _patiently(upkeep.turn)
        if waiting and time.monotonic() >= next_look:
            next_look = time.monotonic() + _LOOK_SECONDS
            _patiently(lambda: _observe(database))
            _observe_broker(settings)


def _beat(settings: Settings, lanes: Sequence[Lane]) -> None:
    """A lane that hangs stops the heartbeat; one that has no broker does not, because another may have one."""
    hanging = [lane.queue for lane in lanes if time.monotonic() - lane.turned_at > _WEDGED_SECONDS]
    if hanging:
        log.error("lanes_hang", queues=hanging)
        return
    state = "consuming" if any(lane.connected for lane in lanes) else "disconnected"
    heartbeat.write(settings.heartbeat_file, state)


def _observe(database: Engine) -> None:
    with database.connect() as connection:
        backlog.show([Backlog(**row) for row in connection.execute(outbox.BACKLOG).mappings()])
        retention_age.show(connection)
        relay_metrics.show_pauses(pauses.listed(connection))
        relay_metrics.PUT_BACK.set(vanished.put_back_lately(connection))


def _observe_broker(settings: Settings) -> None:
    try:
        relay_metrics.show_depths(broker().depths(settings))
    except OSError as error:
        log.warning("broker_away", reason=str(error))
        relay_metrics.show_depths({})


def _patiently(work: Callable[[], None]) -> None:
    try:
        work()
    except Exception as error:
        if not may_pass(error):
            raise
        log.warning("database_away", reason=str(error).splitlines()[0])


def run() -> None:
    """Start a relay; SIGTERM and SIGINT let each lane finish its batch."""
    settings = load()
    logging.configure("relay")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    metrics.serve(settings)
    lanes = [Lane(queue, settings, engine(), stop) for queue in contract.queue_names()]
    announce()
    log.info("relay_starting", queues=contract.queue_names(), batch=settings.relay_batch_messages)
    with ThreadPoolExecutor(max_workers=len(lanes), thread_name_prefix="lane") as pool:
        try:
            watch(settings, engine(), lanes, [pool.submit(lane.run) for lane in lanes])
        finally:
            stop.set()
    log.info("relay_stopped")
