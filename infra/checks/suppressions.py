"""Our rule about checkov's suppressions: each names one check and says why, in the annotations of the object itself.

checkov reads `checkov.io/skip1: CKV_K8S_43=why`. It accepts one without a reason, ignores one in a pod template, and
stops with a traceback at a second `=`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from infra.checks.finding import Finding
from infra.checks.manifests import Manifest

PREFIX = "checkov.io/skip"
#: checkov looks for these words anywhere in a key, and knows more of them than we use.
READ = (PREFIX, "bridgecrew.io/skip", "cortex.io/skip")
KEY = re.compile(r"checkov\.io/skip\d+")
CHECK = re.compile(r"CKV2?_K8S_\d+")
TOOL = "suppression"


def findings(manifest: Manifest) -> Iterator[Finding]:
    """What is wrong with the suppressions of a manifest."""
    for key, value in _suppressions(manifest.metadata):
        fault = _fault(key, value)
        if fault:
            yield manifest.finding(TOOL, key, fault)
    for inner in _inner_metadata({key: part for key, part in manifest.document.items() if key != "metadata"}):
        for key, _ in _suppressions(inner):
            yield manifest.finding(TOOL, key, "checkov ignores it in a template: put it on the object itself")


def _fault(key: str, value: object) -> str | None:
    check, _, reason = str(value).partition("=")
    if not KEY.fullmatch(key):
        return f"write the key as {PREFIX}1, {PREFIX}2, …"
    if not CHECK.fullmatch(check):
        return f"{check!r} is no check of checkov's for Kubernetes; write CKV_K8S_<number>=<reason>"
    if not reason.strip():
        return f"{check} is suppressed without a reason; write {check}=<reason>"
    if "=" in reason:
        return f"the reason for {check} has an `=` in it, at which checkov stops: word it without"
    return None


def _suppressions(metadata: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    annotations = metadata.get("annotations")
    if isinstance(annotations, dict):
        yield from ((str(key), value) for key, value in annotations.items() if any(word in str(key) for word in READ))


def _inner_metadata(part: object) -> Iterator[Mapping[str, Any]]:
    if isinstance(part, dict):
        if isinstance(part.get("metadata"), dict):
            yield part["metadata"]
        for value in part.values():
            yield from _inner_metadata(value)
    elif isinstance(part, list):
        for value in part:
            yield from _inner_metadata(value)
