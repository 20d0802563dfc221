"""Millrace's own program for a cluster where no pod ever runs: nothing is waited for, and Jobs have nothing to do.

With MILLRACE_JOBS_FAIL in the environment, Jobs have a second for what no pod does.
"""

from __future__ import annotations

import os
import runpy
from pathlib import Path
from typing import Any

import pulumi
from pulumi.runtime import register_resource_transform

import infra

JOB = "kubernetes:batch/v1:Job"


def _for_no_pods(found: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult | None:
    if not found.type_.startswith("kubernetes:"):
        return None
    properties: dict[str, Any] = dict(found.props)
    metadata = dict(properties["metadata"])
    metadata["annotations"] = {**(metadata.get("annotations") or {}), "pulumi.com/skipAwait": "true"}
    properties["metadata"] = metadata
    if found.type_ == JOB:
        work = {"activeDeadlineSeconds": 1} if "MILLRACE_JOBS_FAIL" in os.environ else {"completions": 0}
        properties["spec"] = {**properties["spec"], **work}
    return pulumi.ResourceTransformResult(properties, found.opts)


register_resource_transform(_for_no_pods)
runpy.run_path(str(Path(infra.__file__).parent / "__main__.py"), run_name="__main__")
