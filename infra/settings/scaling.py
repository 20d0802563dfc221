"""How many pods a pool has: a fixed number, by CPU, or by the length of its queue. One owner, never two."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from infra.settings.values import Model


class Fixed(Model):
    """So many pods, always."""

    kind: Literal["fixed"] = "fixed"
    replicas: int = Field(ge=1, le=100)


class _Range(Model):
    """From so many to so many."""

    min_replicas: int = Field(2, ge=1, description="two, so that a drained node leaves one working")
    max_replicas: int = Field(20, ge=1, le=200)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.max_replicas < self.min_replicas:
            raise ValueError(f"maxReplicas {self.max_replicas} is less than minReplicas {self.min_replicas}")
        return self


class HpaCpu(_Range):
    """By CPU use in percent of the request: for work that computes."""

    kind: Literal["hpa-cpu"] = "hpa-cpu"
    target_percent: int = Field(70, ge=10, le=95)


class KedaQueue(_Range):
    """By messages ready and unacknowledged in the queue: for work that waits. KEDA must be in the cluster."""

    kind: Literal["keda-queue"] = "keda-queue"
    target_wait_seconds: float = Field(10.0, gt=0, description="how long a message may wait before pods are added")
    polling_seconds: int = Field(10, ge=5, description="how often the queue is looked at")
    fallback_failures: int = Field(3, ge=1, description="failed looks before the pool goes to fallbackReplicas")
    fallback_replicas: int | None = Field(
        None, ge=1, description="while the queue cannot be seen; minReplicas when left out"
    )


Scaling = Annotated[Fixed | HpaCpu | KedaQueue, Field(discriminator="kind")]
#: What may own the number of gateways.
GatewayScaling = Annotated[Fixed | HpaCpu, Field(discriminator="kind")]


def least_replicas(scaling: Fixed | HpaCpu | KedaQueue) -> int:
    """Pods in quiet times."""
    return scaling.replicas if isinstance(scaling, Fixed) else scaling.min_replicas


def most_replicas(scaling: Fixed | HpaCpu | KedaQueue) -> int:
    """Pods under the highest load."""
    return scaling.replicas if isinstance(scaling, Fixed) else scaling.max_replicas
