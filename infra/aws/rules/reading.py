"""Reading what was registered. Nothing here judges."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from infra.policy.manifests import at, items, mappings
from infra.policy.model import Manifest
from infra.render.recorder import Registered

#: Where a resource keeps a policy document.
_DOCUMENTS = {
    "aws:iam/policy:Policy": "policy",
    "aws:iam/rolePolicy:RolePolicy": "policy",
    "aws:iam/role:Role": "assumeRolePolicy",
    "aws:kms/key:Key": "policy",
    "aws:sqs/queuePolicy:QueuePolicy": "policy",
    "aws:s3/bucketPolicy:BucketPolicy": "policy",
    "aws:sns/topicPolicy:TopicPolicy": "policy",
    "aws:ec2/vpcEndpoint:VpcEndpoint": "policy",
}


def manifest(registered: Registered) -> Manifest:
    """As the rules see it: kind is Pulumi's type, `spec` what the program said."""
    return {
        "kind": registered.type,
        "metadata": {"name": registered.name},
        "spec": registered.inputs,
        "protect": registered.protect,
        "retainOnDelete": registered.retain_on_delete,
    }


def manifests(registered: Iterable[Registered]) -> tuple[Manifest, ...]:
    """All resources; groups hold nothing themselves."""
    return tuple(manifest(one) for one in registered if one.custom)


def spec(found: Manifest, *path: str | int) -> Any:
    """What the program said there, or None."""
    return at(found, "spec", *path)


@dataclass(frozen=True)
class Document:
    """A policy document, and the field that holds it."""

    field: str
    text: str

    @property
    def statements(self) -> list[Mapping[str, Any]]:
        """All of them."""
        return mappings(at(json.loads(self.text), "Statement"))


def document(found: Manifest) -> Document | None:
    """Its policy document, if it has one."""
    field = _DOCUMENTS.get(str(found.get("kind")))
    text = spec(found, field) if field else None
    return Document(str(field), text) if isinstance(text, str) else None


def words(value: Any) -> Iterator[str]:
    """IAM writes one as a text and several as a list."""
    yield from [value] if isinstance(value, str) else map(str, items(value))
