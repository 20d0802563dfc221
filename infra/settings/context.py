"""The cluster that a stack belongs to: the kubeconfig's context must be the one that its settings name."""

from __future__ import annotations

import json
from collections.abc import Mapping

import kubernetes.config
from kubernetes.config.config_exception import ConfigException

from infra.settings.stack import Stack

#: The provider takes this one instead of the current one.
PROVIDERS_KEY = "kubernetes:context"


def wrong_context(stack: Stack, config: Mapping[str, str]) -> str | None:
    """Why `pulumi up` would change another cluster than the stack's; None if it would not.

    A stack that names no context goes to the current one; prod must name its own.
    """
    wanted = stack.cluster.context
    if wanted is None:
        return None
    found = config.get(PROVIDERS_KEY) or _current()
    if found == wanted:
        return None
    return (
        f"millrace:cluster.context: this stack belongs to the kubeconfig's context {wanted!r}, and "
        f"{f'{found!r} is current' if found else 'there is no current one'}: "
        f"`kubectl config use-context {wanted}`, or name it in {PROVIDERS_KEY}"
    )


class WrongContextError(Exception):
    """A person named another context than the stack's own."""


def context_of(config: Mapping[str, str], named: str | None) -> str | None:
    """Where a command on a stack that runs goes: to the stack's own context; None if neither names one.

    Raises:
        WrongContextError: the command line names another than the stack's settings.
    """
    own = at_home(config).get(PROVIDERS_KEY)
    if own and named and own != named:
        raise WrongContextError(
            f"the stack's settings name the context {own!r} and the command line names {named!r}; nothing was done: "
            f"leave the second one out, or name the stack that is there"
        )
    return own or named


def at_home(config: Mapping[str, str]) -> dict[str, str]:
    """The configuration for a render, which asks no cluster: the stack's own is the one."""
    try:
        wanted = json.loads(config.get("millrace:cluster", "{}")).get("context")
    except (ValueError, AttributeError):
        # The settings themselves say what is wrong.
        wanted = None
    return {**config, PROVIDERS_KEY: wanted} if wanted else dict(config)


def _current() -> str | None:
    try:
        _, current = kubernetes.config.list_kube_config_contexts()
    except ConfigException:
        return None
    return str(current["name"])
