"""The settings of staging, as they must be on the devcluster: other images, another host name, fewer pods at most."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from infra.lab.devcluster.identity import CONTEXT
from infra.lab.staging.place import LOCAL_HOST
from infra.local import files
from infra.render.program import REPOSITORY, Program
from infra.settings.context import PROVIDERS_KEY
from infra.settings.load import stack_file
from infra.settings.scaling import Fixed
from infra.settings.workloads import Pool

STACK = "staging"
#: Three nodes share one machine there: sixteen workers that start at once take it from everybody (load 54 on two cores,
#: and the gateway lost its database), as a cluster whose nodes are full would leave them pending. Four of each would
#: leave two nodes no room for all the others while the third is drained.
MAX_REPLICAS = 3


def derived(document: dict[str, Any], versions: Mapping[str, str], pools: Sequence[Pool]) -> dict[str, Any]:
    """The stack's document with these versions of the images, for this machine. `pools` are all that the stack has."""
    own = copy.deepcopy(document)
    config = own["config"]
    config["millrace:images"] = {**config["millrace:images"], "registry": "", "versions": dict(versions)}
    config["millrace:images"].pop("digests", None)
    config["millrace:cluster"]["context"] = CONTEXT
    workloads = config["millrace:workloads"]
    gateway, entries = workloads["gateway"], workloads.setdefault("pools", {})
    gateway["ingress"]["host"] = LOCAL_HOST
    if "maxReplicas" in gateway["scaling"]:
        gateway["scaling"]["maxReplicas"] = min(gateway["scaling"]["maxReplicas"], MAX_REPLICAS)
    for pool in pools:
        if not isinstance(pool.scaling, Fixed) and pool.scaling.max_replicas > MAX_REPLICAS:
            entries.setdefault(pool.name, {}).setdefault("scaling", {})["maxReplicas"] = MAX_REPLICAS
    return own


def write(folder: Path, versions: Mapping[str, str]) -> Path:
    """Write it into a folder of the checkout's state."""
    pools = Program.of(STACK).settings.workloads.pools
    return _written(folder, derived(_document(), versions, pools))


def pinned(folder: Path, context: str) -> Path:
    """The stack's own settings with the context that a person named. The program refuses another than the stack's."""
    document = _document()
    document["config"][PROVIDERS_KEY] = context
    return _written(folder, document)


def _document() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(stack_file(STACK, REPOSITORY).read_text())
    return document


def _written(folder: Path, document: dict[str, Any]) -> Path:
    path = folder / f"Pulumi.{STACK}.yaml"
    files.write(path, yaml.safe_dump(document, sort_keys=False), files.PUBLIC_FILE)
    return path
