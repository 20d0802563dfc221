"""Asks the API server itself what somebody may do."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.harness.kubernetes.kubectl import Kubectl

#: Seconds: the API server is asked some thousand times, and kubectl asks no faster than 50 times a second.
REVIEW_SECONDS = 240


def account(namespace: str, name: str) -> tuple[str, list[str]]:
    """The user and the groups of a service account."""
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"]
    return f"system:serviceaccount:{namespace}:{name}", groups


def review(user: str, groups: list[str], namespace: str, action: tuple[str, str, str, str]) -> dict[str, Any]:
    """The question whether he may do this there; an action is verb, group, resource, subresource."""
    attributes = dict(zip(("verb", "group", "resource", "subresource"), action, strict=True)) | {"namespace": namespace}
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": user, "groups": groups, "resourceAttributes": attributes},
    }


def granted(answer: Mapping[str, Any]) -> bool:
    """Whether the answer is yes."""
    return bool(answer["status"]["allowed"])


def reviewed(kubectl: Kubectl, reviews: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The API server's answers, in the order of the questions."""
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": reviews})
    said = kubectl.run("create", "--filename", "-", "--output", "json", input=listed, timeout_seconds=REVIEW_SECONDS)
    decoder, place = json.JSONDecoder(), 0
    while place < len(said.rstrip()):
        answer, place = decoder.raw_decode(said, place)
        yield answer
        place += len(said[place:]) - len(said[place:].lstrip())
