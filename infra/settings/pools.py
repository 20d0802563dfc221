"""The pools of a stack: each queue's own, with what the stack says on top, and those that the stack adds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from app.contract import Queue, QueuesFileError
from infra.settings.explain import JOINED, explain
from infra.settings.workloads import Pool, PoolSettings

#: What a queue that says nothing of its pool gets, as a file would say it.
DEFAULTS: Mapping[str, Any] = PoolSettings().model_dump(by_alias=True)


def own_pool(queue: Queue) -> Pool:
    """The pool of a queue as its file has it.

    Raises:
        QueuesFileError: its table `pool` is wrong; each line names the queue and the entry.
    """
    try:
        settings = PoolSettings.model_validate(merged(DEFAULTS, queue.pool))
    except ValidationError as error:
        where = f"[{queue.name}.pool]"
        lines = (
            f"{where} {path}: {text}" if path else f"{where} {text}" for path, text in explain(error, PoolSettings)
        )
        raise QueuesFileError(JOINED.join(lines)) from error
    return Pool.of(queue.name, settings, queue.name)


def misplaced(queues: Sequence[Queue], pools: Sequence[Pool]) -> list[str]:
    """Errors about foreign pools, one a line. A queue has either foreign pools only, or only pools of our own."""
    foreign = {queue.name: queue.foreign for queue in queues}
    return [
        f"{pool.name}: application: only the file of queues may say that an application works on {pool.queue}; "
        "a stack may change its entries"
        for pool in pools
        if foreign.get(pool.queue, False) != (pool.application is not None)
    ] + [
        f"{pool.name}: application.publishes: there is no queue {queue}; declared are {', '.join(foreign)}"
        for pool in pools
        for queue in (pool.application.publishes if pool.application else ())
        if queue not in foreign
    ]


def completed(queues: Sequence[Queue], entries: Mapping[str, Any]) -> dict[str, Any]:
    """A whole entry for every queue and for every further pool. Nothing is validated here.

    A further pool begins with what its queue says: the work is the same.
    """
    tables = {queue.name: queue.pool for queue in queues}
    return {name: _completed(tables, name, entries.get(name, {})) for name in dict.fromkeys([*tables, *entries])}


def _completed(tables: Mapping[str, Mapping[str, Any]], name: str, entry: Any) -> Any:
    if not isinstance(entry, Mapping):
        return entry
    table = tables.get(str(entry.get("queue") or name), {})
    return merged(merged(DEFAULTS, table), entry)


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`above` over `below`, key by key, also inside; what is of another `kind` is replaced whole."""
    found = dict(below)
    for key, value in above.items():
        under = found.get(key)
        if isinstance(under, Mapping) and isinstance(value, Mapping) and _same_kind(under, value):
            found[key] = merged(under, value)
        else:
            found[key] = value
    return found


def _same_kind(below: Mapping[str, Any], above: Mapping[str, Any]) -> bool:
    return bool(above.get("kind", below.get("kind")) == below.get("kind"))
