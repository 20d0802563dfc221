"""Which cluster it is: the one that somebody has, by its context, or the devcluster of this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import kubernetes.config
from kubernetes.client import ApiClient, Configuration

from infra.cluster.cluster import Cluster
from infra.cluster.requests import connect
from infra.lab.devcluster import cluster as clusters
from infra.lab.devcluster.identity import CONTEXT
from infra.lab.devcluster.layout import LOAD_BALANCER_PORT
from infra.lab.staging.folder import Folder
from infra.local.progress import Steps

#: The devcluster's gateway is reached through its load balancer on this machine.
LOCAL_HOST = "localhost"


@dataclass(frozen=True)
class Place:
    """One cluster."""

    #: None: the devcluster.
    context: str | None = None

    @classmethod
    def of(cls, named: str | None, of_the_stack: str | None) -> Place:
        """The one that a person named, or the stack's own; the devcluster, where neither names another."""
        found = named or of_the_stack
        return cls(None if found == CONTEXT else found)

    @property
    def is_devcluster(self) -> bool:
        """Whether it is ours, with images that we load and an address that we know."""
        return self.context is None

    @property
    def kubeconfig(self) -> str | None:
        """One file; None where KUBECONFIG names several, which programs read from the environment."""
        if self.is_devcluster:
            return str(clusters.Cluster().layout.kubeconfig)
        named = os.environ.get("KUBECONFIG") or "~/.kube/config"
        return None if os.pathsep in named else str(Path(named).expanduser().resolve())

    def start(self, steps: Steps) -> None:
        """Bring the devcluster up, or up to date; another cluster is there or is not."""
        if self.is_devcluster:
            ours = clusters.Cluster()
            with clusters.locked(ours.layout):
                clusters.up(ours, steps)

    def state(self, folder: Folder) -> Path:
        """Where Pulumi's state is: with the devcluster, whose objects it knows, or in the checkout's own state."""
        if self.context is None:
            return clusters.Cluster().layout.root / "pulumi"
        # A context's name may be a path or an address.
        return folder.root / "pulumi" / quote(self.context, safe="")

    @contextmanager
    def cluster(self) -> Iterator[Cluster]:
        """A connection to its API server."""
        with self._api() as api:
            yield Cluster(api)

    def gateway_url(self, host: str) -> str:
        """Where clients find the gateway; `host` is the ingress's."""
        return f"https://{host}:{LOAD_BALANCER_PORT}" if self.is_devcluster else f"https://{host}"

    def _api(self) -> ApiClient:
        if not self.is_devcluster:
            return connect(self.context)
        configuration = Configuration()
        configuration.retries = False
        return kubernetes.config.new_client_from_config(config_file=self.kubeconfig, client_configuration=configuration)
