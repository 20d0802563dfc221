"""Reading Kubernetes manifests: names, labels, selectors. Nothing here judges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from infra.naming import LABEL_NAME
from infra.policy.model import Manifest

#: Why an object is allowed what others are not; see rules/access.py.
ANNOTATION_REASON = "millrace.dev/reason"

#: Kinds whose pods are meant to run for ever.
LONG_RUNNING = ("Deployment", "StatefulSet", "DaemonSet")


def at(value: Any, *path: str | int) -> Any:
    """What stands at this path, or None where the way ends."""
    for step in path:
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, Sequence) and not isinstance(value, str) and isinstance(step, int):
            value = value[step] if -len(value) <= step < len(value) else None
        else:
            return None
    return value


def mapping(value: Any) -> Mapping[str, Any]:
    """The mapping, or an empty one."""
    return value if isinstance(value, Mapping) else {}


def items(value: Any) -> Sequence[Any]:
    """The list, or an empty one."""
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()


def mappings(value: Any) -> list[Mapping[str, Any]]:
    """The mappings of a list."""
    return [item for item in items(value) if isinstance(item, Mapping)]


def whole(value: Any) -> int | None:
    """The whole number, if it is one: what is wrong or not known yet is no reason to fall over."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def kind(manifest: Manifest) -> str:
    """Its kind."""
    return str(manifest.get("kind", ""))


def group(manifest: Manifest) -> str:
    """Its API group; empty for the core."""
    return str(manifest.get("apiVersion", "")).rpartition("/")[0]


def name(manifest: Manifest) -> str:
    """Its name."""
    return str(at(manifest, "metadata", "name") or "")


def namespace(manifest: Manifest) -> str:
    """Its namespace; empty for what belongs to the cluster."""
    return str(at(manifest, "metadata", "namespace") or "")


def resource(manifest: Manifest) -> str:
    """How a person calls it: kind namespace/name."""
    return f"{kind(manifest)} {'/'.join(part for part in (namespace(manifest), name(manifest)) if part)}"


def component(manifest: Manifest) -> str:
    """Which component of Millrace it is: its label, else its name."""
    return str(at(manifest, "metadata", "labels", LABEL_NAME) or name(manifest))


def of_kind(manifests: Iterable[Manifest], *kinds: str) -> list[Manifest]:
    """Those of these kinds."""
    return [manifest for manifest in manifests if kind(manifest) in kinds]


def selects(selector: Any, labels: Mapping[str, Any]) -> bool:
    """Whether a label selector (matchLabels, matchExpressions) selects these labels; an empty one selects all."""
    wanted = mapping(at(selector, "matchLabels"))
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(_expression(item, labels) for item in mappings(at(selector, "matchExpressions")))


def _expression(expression: Mapping[str, Any], labels: Mapping[str, Any]) -> bool:
    key, values = expression.get("key"), items(expression.get("values"))
    match expression.get("operator"):
        case "In":
            return labels.get(str(key)) in values
        case "NotIn":
            return labels.get(str(key)) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case _:
            return False
