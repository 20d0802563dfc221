"""One deployment for many tests: each finds it as a deployment leaves it, whatever the test before did or broke."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from infra import naming
from infra.deploy.cluster import Cluster
from infra.deploy.errors import DeployError, NothingChangedError
from infra.deploy.objects import Ref, content
from infra.deploy.waiting import until_gone
from tests.proofs.api_server.deployment import Deployment, changes

GONE_SECONDS = 60
#: What an object gets anew when it is made anew.
ALLOCATED = frozenset({"clusterIP", "clusterIPs"})
CONTROLLER = "kube-controller-manager"


@dataclass
class Shared:
    """The stack on the session's API server. Before a test it is put right; after a test nothing needs to be done."""

    #: What the stack was right after its deployment; empty while there is none.
    baseline: Mapping[Ref, str] = field(default_factory=dict)

    def settle(self, deployment: Deployment) -> None:
        """Deployed. What a test changed is removed and deployed again; where that does not help, all is made anew."""
        if not self.baseline or not (self._is_as_it_was(deployment) or self._mended(deployment)):
            self.empty(deployment)
            steps = deployment.up()
            assert set(changes(steps).values()) == {"create"}
            assert len(changes(steps)) == len(steps) == len(deployment.state())
            self.baseline = snapshot(deployment.cluster, [step.ref for step in steps])

    def empty(self, deployment: Deployment) -> None:
        """Nothing is deployed."""
        self.baseline = {}
        assert deployment.destroy(purge=True).hanging == ()

    def _is_as_it_was(self, deployment: Deployment) -> bool:
        return snapshot(deployment.cluster, self.baseline) == self.baseline

    def _mended(self, deployment: Deployment) -> bool:
        cluster = deployment.cluster
        found = snapshot(cluster, self.baseline)
        others = [ref for ref, text in found.items() if self.baseline.get(ref) != text]
        for ref in others:
            if live := cluster.read(ref):
                cluster.delete(ref, live["metadata"]["uid"])
        try:
            until_gone(cluster, others, GONE_SECONDS, lambda _: None)
            deployment.up(force=True)
        except (DeployError, NothingChangedError):
            return False
        return self._is_as_it_was(deployment)


def snapshot(cluster: Cluster, refs: Mapping[Ref, Any] | list[Ref]) -> dict[Ref, str]:
    """These objects, and all others of their kinds in our namespaces that no controller made."""
    kinds = sorted({(ref.api_version, ref.kind) for ref in refs if ref.namespace in naming.NAMESPACES})
    found = {
        Ref(version, kind, namespace, live["metadata"]["name"]): live
        for version, kind in kinds
        for namespace in naming.NAMESPACES
        for live in cluster.listed(version, kind, namespace)
        if not _made_by_a_controller(live)
    }
    elsewhere = {ref: cluster.read(ref) for ref in refs if ref.namespace not in naming.NAMESPACES}
    return {ref: _text(live) for ref, live in (found | elsewhere).items() if live is not None}


def _made_by_a_controller(live: Mapping[str, Any]) -> bool:
    metadata = live["metadata"]
    managers = {one["manager"] for one in metadata.get("managedFields", ())}
    return bool(metadata.get("ownerReferences")) or managers == {CONTROLLER}


def _text(live: Mapping[str, Any]) -> str:
    body = {key: value for key, value in content(live).items() if key not in {"apiVersion", "kind"}}
    if "spec" in body:
        left_out = ALLOCATED if _replicas_are_ours(live) else ALLOCATED | {"replicas"}
        body["spec"] = {key: value for key, value in body["spec"].items() if key not in left_out}
    # No pod runs here, so a Job fails when its deadline has passed.
    body["failed"] = any(one["type"] == "Failed" for one in live.get("status", {}).get("conditions") or ())
    # A Job's labels name its own uid.
    return json.dumps(body, sort_keys=True).replace(live["metadata"]["uid"], "")


def _replicas_are_ours(live: Mapping[str, Any]) -> bool:
    """Otherwise a scaler sets them, whenever it likes."""
    ours = (one for one in live["metadata"]["managedFields"] if one["manager"] == naming.MANAGER)
    return any("f:replicas" in one.get("fieldsV1", {}).get("f:spec", {}) for one in ours)
