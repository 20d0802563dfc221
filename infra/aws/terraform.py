"""The program's resources as Terraform's JSON: tools that know Terraform's AWS resources can read it.

Nothing is applied with it. `python -m infra.checks.aws` hands it to checkov.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from infra.aws.recorder import snake, terraform_name, terraform_type
from infra.render.recorder import Registered, SecretValue

#: Keys of these are data of ours and not names of Terraform's.
_FREE = frozenset({"tags", "dimensions"})
#: Pulumi names a list of blocks in the plural, Terraform in the singular, but for these.
_PLURAL = frozenset({"ingress", "egress", "tag_specifications", "block_device_mappings"})


def document(registered: Iterable[Registered]) -> dict[str, Any]:
    """One configuration: `resource` by type and name, a `variable` for each secret."""
    resources: dict[str, dict[str, Any]] = {}
    secrets: dict[str, Any] = {}
    for one in registered:
        if not (one.custom and one.type.startswith("aws:")):
            continue
        kind, name = terraform_type(one.type), terraform_name(one.name)
        body = _block(one.inputs, f"{kind}_{name}", secrets)
        if one.protect:
            body["lifecycle"] = {"prevent_destroy": True}
        resources.setdefault(kind, {})[name] = body
    return {"resource": resources, "variable": secrets}


def _block(inputs: Mapping[str, Any], place: str, secrets: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for key, value in inputs.items():
        name = snake(key)
        if isinstance(value, list) and value and isinstance(value[0], Mapping) and name not in _PLURAL:
            name = name.removesuffix("s")
        found[name] = dict(value) if name in _FREE else _value(value, f"{place}_{name}", secrets)
    return found


def _value(value: Any, place: str, secrets: dict[str, Any]) -> Any:
    if isinstance(value, SecretValue):
        secrets[place] = {"type": "string", "sensitive": True}
        return f"${{var.{place}}}"
    if isinstance(value, Mapping):
        return _block(value, place, secrets)
    if isinstance(value, list):
        return [_value(one, f"{place}_{number}", secrets) for number, one in enumerate(value)]
    return value
