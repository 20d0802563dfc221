"""The settings of staging, as they must be on the devcluster: other images, another host name, fewer pods at most."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml

from infra.local import files
from infra.render.program import REPOSITORY
from infra.settings.load import stack_file
from infra.staging.place import LOCAL_HOST

STACK = "staging"
#: Three nodes share one machine there: sixteen workers that start at once take it from everybody (load 54 on two cores,
#: and the gateway lost its database), as a cluster whose nodes are full would leave them pending. Four of each would
#: leave two nodes no room for all the others while the third is drained.
MAX_REPLICAS = 3


def derived(document: dict[str, Any], version: str) -> dict[str, Any]:
    """The stack's document with this version of the images, for this machine."""
    own = copy.deepcopy(document)
    config = own["config"]
    config["millrace:images"] = {**config["millrace:images"], "registry": "", "version": version}
    config["millrace:images"].pop("digests", None)
    workloads = config["millrace:workloads"]
    workloads["gateway"]["ingress"]["host"] = LOCAL_HOST
    for scaled in (workloads["gateway"], *workloads["pools"]):
        scaling = scaled["scaling"]
        if "maxReplicas" in scaling:
            scaling["maxReplicas"] = min(scaling["maxReplicas"], MAX_REPLICAS)
    return own


def write(folder: Path, version: str) -> Path:
    """Write it into a folder of the checkout's state."""
    document = yaml.safe_load(stack_file(STACK, REPOSITORY).read_text())
    path = folder / f"Pulumi.{STACK}.yaml"
    files.write(path, yaml.safe_dump(derived(document, version), sort_keys=False), files.PUBLIC_FILE)
    return path
