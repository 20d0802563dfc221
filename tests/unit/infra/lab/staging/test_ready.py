"""Staging is ready when nothing says otherwise."""

from __future__ import annotations

from typing import Any

from infra.lab.staging.ready import problems

METADATA = {"namespace": "millrace", "name": "gateway"}


def _scaler(current: int) -> dict[str, Any]:
    return {
        "kind": "HorizontalPodAutoscaler",
        "metadata": METADATA,
        "spec": {"minReplicas": 2},
        "status": {"currentReplicas": current},
    }


def _scaled(status: str) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": status, "message": "no such queue"}]
    return {"kind": "ScaledObject", "metadata": METADATA, "spec": {}, "status": {"conditions": conditions}}


def test_a_scaler_must_have_reached_its_least() -> None:
    """A Deployment begins with one pod, and is ready with it."""
    assert problems([_scaler(1)]) == ("HorizontalPodAutoscaler millrace/gateway: 1 of at least 2 replicas",)
    assert problems([_scaler(2)]) == ()


def test_keda_must_have_taken_it_up() -> None:
    """Its own reason is shown."""
    assert problems([_scaled("False")]) == ("ScaledObject millrace/gateway: no such queue",)
    assert problems([{**_scaled("True"), "status": {}}]) == (
        "ScaledObject millrace/gateway: KEDA has not taken it up yet",
    )
    assert problems([_scaled("True")]) == ()


def test_others_are_judged_as_a_deployment_judges_them() -> None:
    """The reasons are those of `infra.cluster`."""
    certificate = {"kind": "Certificate", "metadata": METADATA, "spec": {}, "status": {}}

    assert problems([certificate]) == ("Certificate millrace/gateway: has no condition Ready yet",)
