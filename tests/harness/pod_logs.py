"""Keeps what can be known of every pod of ours: its containers' logs, its state, and the events around it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client

from app import contract

NAMESPACES = (contract.NAMESPACE_APP, contract.NAMESPACE_DATA)
#: Of one container: a broker writes megabytes in an hour of drills.
LINES = 5_000
AT_ONCE = 6
#: An API server that is away must not cost a minute a pod.
_TIMEOUT_SECONDS = 20
_EARLIEST = datetime.min.replace(tzinfo=UTC)


def keep(folder: Path, core: client.CoreV1Api) -> None:
    """Write it all into the folder; what cannot be read says so in its file.

    Secrets are not read: a pod's description names them and holds none.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for namespace in NAMESPACES:
            pool.submit(_write, folder / f"{namespace}.events", partial(_events, core, namespace))
            try:
                pods = core.list_namespaced_pod(namespace, _request_timeout=_TIMEOUT_SECONDS).items
            except Exception as error:  # noqa: BLE001 - whatever it was, it is what can be known
                (folder / f"{namespace}.pods").write_text(_said(error))
                continue
            for pod in pods:
                name = f"{namespace}.{pod.metadata.name}"
                pool.submit(_write, folder / f"{name}.yaml", partial(_description, core, pod))
                for container, previous in _containers(pod):
                    file = folder / f"{name}.{container}{'.previous' if previous else ''}.log"
                    pool.submit(_write, file, partial(_log, core, pod, container, previous=previous))


def _containers(pod: Any) -> Iterator[tuple[str, bool]]:
    """Each container, and once more where it was started again."""
    for status in [*(pod.status.init_container_statuses or []), *(pod.status.container_statuses or [])]:
        yield status.name, False
        if status.restart_count:
            yield status.name, True


def _log(core: client.CoreV1Api, pod: Any, container: str, *, previous: bool) -> str:
    metadata = pod.metadata
    # As bytes: the client would make a Python string of them, in the manner of repr().
    answer = core.read_namespaced_pod_log(
        metadata.name,
        metadata.namespace,
        container=container,
        previous=previous,
        timestamps=True,
        tail_lines=LINES,
        _preload_content=False,
        _request_timeout=_TIMEOUT_SECONDS,
    )
    return str(answer.data.decode(errors="replace"))


def _description(core: client.CoreV1Api, pod: Any) -> str:
    pod.metadata.managed_fields = None
    return str(yaml.safe_dump(core.api_client.sanitize_for_serialization(pod), sort_keys=False))


def _events(core: client.CoreV1Api, namespace: str) -> str:
    found = core.list_namespaced_event(namespace, _request_timeout=_TIMEOUT_SECONDS).items
    return "".join(
        f"{_time(each):%H:%M:%S} {each.type} {each.reason} {each.involved_object.kind}/{each.involved_object.name} "
        f"x{each.count or 1}: {each.message}\n"
        for each in sorted(found, key=_time)
    )


def _time(event: Any) -> datetime:
    found: datetime = event.last_timestamp or event.event_time or event.metadata.creation_timestamp or _EARLIEST
    return found


def _write(file: Path, read: Callable[[], str]) -> None:
    try:
        file.write_text(read())
    except Exception as error:  # noqa: BLE001 - likewise
        file.write_text(_said(error))


def _said(error: Exception) -> str:
    return f"could not be read: {type(error).__name__}: {error}\n"
