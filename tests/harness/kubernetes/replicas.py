"""How many pods each scaled workload has over time, as its scaler says it."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Self

from tests.harness.kubernetes.kubectl import Kubectl

_EVERY_SECONDS = 3.0


@dataclass(frozen=True)
class Sample:
    """At one moment."""

    at: float
    replicas: dict[str, int]


@dataclass
class Replicas:
    """Watches in the background, from `with` to its end."""

    kubectl: Kubectl
    samples: list[Sample] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Begin."""
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(timeout=30)

    def now(self) -> dict[str, int]:
        """Ready pods of each scaled workload."""
        scaled = {each["spec"]["scaleTargetRef"]["name"] for each in self.kubectl.get("hpa", "millrace")}
        return {
            each["metadata"]["name"]: each["status"].get("readyReplicas", 0)
            for each in self.kubectl.get("deployments", "millrace")
            if each["metadata"]["name"] in scaled
        }

    def most(self, name: str) -> int:
        """The most that were ready at once."""
        return max((sample.replicas.get(name, 0) for sample in self.samples), default=0)

    def first_at_least(self, name: str, count: int) -> float | None:
        """When there were so many for the first time."""
        return next((sample.at for sample in self.samples if sample.replicas.get(name, 0) >= count), None)

    def between(self, begin: float, end: float, name: str) -> list[int]:
        """How many were ready, from then till then."""
        return [sample.replicas.get(name, 0) for sample in self.samples if begin <= sample.at <= end]

    def _watch(self) -> None:
        while not self._ended.is_set():
            try:
                self.samples.append(Sample(time.time(), self.now()))
            except AssertionError:
                continue  # the API server was busy; the next sample tells
            finally:
                self._ended.wait(_EVERY_SECONDS)
