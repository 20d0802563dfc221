"""Series as Prometheus stores them in each target, written for promtool; shares no code with the rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Where = Literal["compose", "kubernetes"]

#: Samples are so far apart; a case lasts half an hour if it does not say more.
INTERVAL_SECONDS = 30
_A_MINUTE = 60 // INTERVAL_SECONDS
#: When a pod is deleted, in minutes.
DELETED_AT = 10
_BROKER = ("rabbitmq", "rabbitmq-queues")


@dataclass(frozen=True, kw_only=True)
class Series:
    """One series of a pod or container; without a process, one of Kubernetes' own exporters."""

    metric: str
    values: str
    process: str = ""
    number: int = 1
    labels: Mapping[str, str] = field(default_factory=dict)

    def written(self, where: Where, *, stranger: bool = False) -> dict[str, str]:
        """The series as promtool takes it; a stranger's belongs to another project with the same names."""
        own = (
            _labels(where, self.process, self.number)
            if self.process
            else {"job": "exporter", "instance": f"e-{self.number}"}
        )
        labels = own | dict(self.labels)
        if stranger:
            labels = {name: value.replace("millrace", "elsewhere") for name, value in labels.items()}
        matched = ", ".join(f'{name}="{value}"' for name, value in labels.items())
        return {"series": f"{self.metric}{{{matched}}}", "values": self.values}


def _labels(where: Where, process: str, number: int) -> dict[str, str]:
    host = "rabbitmq" if process in _BROKER else process
    if where == "compose":
        job = "worker" if process.startswith("worker-") else process
        return {"job": job, "instance": f"{host}-{number}"}
    namespace = "millrace-data" if process in _BROKER or process == "postgresql" else "millrace"
    return {
        "job": f"{namespace}/{process}",
        "namespace": namespace,
        "pod": f"{host}-{number}",
        "container": host,
        "endpoint": "metrics",
        "instance": f"10.0.{len(host)}.{number}:9464",
    }


def always(value: float, minutes: int = 30) -> str:
    """A series with the same value all the time."""
    return f"{value:g}+0x{minutes * _A_MINUTE}"


def rising(a_minute: float, minutes: int = 30) -> str:
    """A counter that grows by so much a minute."""
    return f"0+{a_minute / _A_MINUTE:g}x{minutes * _A_MINUTE}"


def until_deleted(values: str, minutes: int = 30) -> str:
    """A series that ends because its pod is deleted and does not come back."""
    begin, _, _ = values.partition("x")
    return f"{begin}x{DELETED_AT * _A_MINUTE} stale _x{(minutes - DELETED_AT) * _A_MINUTE}"


def up(process: str, count: int, *, down: int = 0, first: int = 1) -> tuple[Series, ...]:
    """The series `up` of so many targets of a process; the first ones are down."""
    return tuple(
        Series(metric="up", values=always(0 if number < first + down else 1), process=process, number=number)
        for number in range(first, first + count)
    )


def deleted(where: Where, process: str, *, count: int = 1) -> tuple[Series, ...]:
    """The first targets of a process whose pods are deleted: discovery forgets them, a written list shows them down."""
    gone = until_deleted(always(1))
    values = gone if where == "kubernetes" else f"1+0x{DELETED_AT * _A_MINUTE} 0x{20 * _A_MINUTE}"
    return tuple(Series(metric="up", values=values, process=process, number=n) for n in range(1, count + 1))
