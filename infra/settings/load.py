"""From Pulumi's configuration, or from a stack file, to one `Stack`; or one clear message."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pulumi
import yaml
from pulumi.runtime import config as pulumi_config
from pydantic import BaseModel, ValidationError

from infra.settings.context import wrong_context
from infra.settings.explain import explain
from infra.settings.stack import Stack

#: The namespace of our keys, and those of the providers, which the providers check.
PROJECT = "millrace"
PROVIDERS = frozenset({"kubernetes", "pulumi", "random"})
Settings = TypeVar("Settings", bound=BaseModel)

#: Without these the provider replaces a Secret or ConfigMap whose content changed: for a while there is none.
PROVIDER_SETTINGS = {"kubernetes:enableSecretMutable": "true", "kubernetes:enableConfigMapMutable": "true"}


class SettingsError(Exception):
    """The stack's configuration is refused; nothing has been changed."""


def stack_file(stack: str, folder: Path) -> Path:
    """Where Pulumi keeps a stack's configuration.

    Raises:
        SettingsError: there is no such stack; the message names those that there are.
    """
    path = folder / f"Pulumi.{stack}.yaml"
    if not path.is_file():
        known = sorted(file.name.split(".")[1] for file in folder.glob("Pulumi.*.yaml"))
        raise SettingsError(f"{path}: there is no stack {stack!r}; there are: {', '.join(known) or 'none'}")
    return path


def read_stack_file(path: Path) -> dict[str, str]:
    """The file's `config`, as Pulumi hands it to a program: `namespace:key` to text, objects as JSON.

    Raises:
        SettingsError: not YAML, or not of the form that Pulumi writes.
    """
    try:
        document = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise SettingsError(f"{path}: not YAML: {error}") from error
    config = document.get("config") if isinstance(document, dict) else None
    if not isinstance(config, dict):
        raise SettingsError(f"{path}: has no `config:` with keys below it")
    return {key: value if isinstance(value, str) else json.dumps(value, default=str) for key, value in config.items()}


def parse(config: Mapping[str, str], where: str) -> Stack:
    """All of our keys, validated together.

    Raises:
        SettingsError: each problem on a line of its own: path, what was given, what to do.
    """
    problems = [
        f'{key}: must be "{value}", or a changed password deletes the Secret before it makes the new one'
        for key, value in PROVIDER_SETTINGS.items()
        if config.get(key) != value
    ]
    return validated(Stack, config, where, project=PROJECT, providers=PROVIDERS, problems=problems)


def validated(
    model: type[Settings],
    config: Mapping[str, str],
    where: str,
    *,
    project: str,
    providers: frozenset[str],
    problems: Sequence[str] = (),
) -> Settings:
    """The keys of a project as a model. `problems` are those that were found before; `where` names the file.

    Raises:
        SettingsError: as `parse` does.
    """
    found = list(problems)
    values: dict[str, Any] = {}
    for key, text in config.items():
        namespace, _, name = key.partition(":")
        if namespace == project:
            values[name] = _value(text)
        elif namespace not in providers:
            found.append(f"{key}: nobody reads the namespace {namespace!r}; ours is {project!r}")
    try:
        settings = model.model_validate(values)
    except ValidationError as error:
        found += [f"{project}:{path or 'the stack'}: {text}" for path, text in explain(error, model)]
    else:
        if not found:
            return settings
    raise SettingsError("\n".join([f"{where} is refused; nothing was changed:", *(f"  {line}" for line in found)]))


def _value(text: str) -> Any:
    """Objects, lists, numbers and booleans come as JSON; a text that is not JSON is itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def from_pulumi() -> Stack:
    """The running program's own configuration.

    Raises:
        SettingsError: as `parse` does.
    """
    config = pulumi_config.get_config_env() | pulumi_config.CONFIG.get()
    where = f"Pulumi.{pulumi.get_stack()}.yaml"
    stack = parse(config, where)
    if why := wrong_context(stack, config):
        raise SettingsError(f"{where} is refused; nothing was changed:\n  {why}")
    return stack
