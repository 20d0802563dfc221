"""A Kubernetes API to deploy to, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kubernetes import client


@dataclass(frozen=True)
class ApiServer:
    """A Kubernetes API without nodes: it admits, counts and stores as any other, and no pod ever runs."""

    kubeconfig: Path
    client: client.ApiClient
