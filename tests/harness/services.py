"""Reads from Compose's files what they say of each service: the tests must not run another stack than `make up`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from app import contract
from infra.local import compose_files

_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)(?::-([^}]*))?\}")

#: Options whose names and values Docker's API shares with compose.
_PASSED_ON = ("read_only", "cap_drop", "security_opt", "mem_limit", "shm_size", "init", "hostname", "user")


@dataclass(frozen=True, kw_only=True)
class Service:
    """One service, as Docker's API wants it."""

    name: str
    image: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    aliases: tuple[str, ...]
    tmpfs: tuple[str, ...]
    ports: tuple[int, ...]
    #: Host path to container path; named volumes are left to the image, so that they go with the container.
    mounts: Mapping[str, str]
    #: The command of its health check; none without one.
    health: tuple[str, ...] = ()
    options: Mapping[str, Any]


@cache
def _document() -> dict[str, Any]:
    return compose_files.whole(contract.queues())


def names() -> tuple[str, ...]:
    """Every service."""
    return tuple(_document()["services"])


def read(name: str, variables: Mapping[str, str]) -> Service:
    """One service with its variables filled in."""
    return described(name, _document()["services"][name], variables)


def described(name: str, document: Mapping[str, Any], variables: Mapping[str, str]) -> Service:
    """A service that a document in Compose's form describes."""
    service = _fill(dict(document), variables)
    networks = service.get("networks") or {}
    mounts = [entry.split(":") for entry in service.get("volumes", ())]
    return Service(
        name=name,
        image=service["image"],
        command=tuple(service.get("command", ())),
        environment={key: str(value) for key, value in service.get("environment", {}).items()},
        aliases=(name, *networks.get("default", {}).get("aliases", ())),
        # The spool is no image's: here it is memory, with the mode of the image's folder.
        tmpfs=(
            *service.get("tmpfs", ()),
            *(target for source, target, *_ in mounts if source == "spool"),
        ),
        ports=tuple(int(entry.rpartition(":")[2]) for entry in service.get("ports", ())),
        mounts={source: target for source, target, *_ in mounts if Path(source).is_absolute()},
        health=tuple(service.get("healthcheck", {}).get("test", ("CMD",))[1:]),
        options=_options(service),
    )


def _options(service: Mapping[str, Any]) -> dict[str, Any]:
    options: dict[str, Any] = {
        key: service[key] for key in _PASSED_ON if key in service
    }  # fmt: skip
    options["nano_cpus"] = int(float(service["cpus"]) * 1e9)
    return options


def _fill(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _VARIABLE.sub(lambda found: variables.get(found[1], found[2] or ""), value)
    if isinstance(value, list):
        return [_fill(item, variables) for item in value]
    if isinstance(value, dict):
        return {key: _fill(item, variables) for key, item in value.items()}
    return value
