"""Reads the outputs of infra/aws, through a StackReference: the servers that it made.

infra/aws/outputs.py exports them under the same names; a test compares the two.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import pulumi
from pulumi.runtime import invoke_output

from infra.settings.stack import Stack

#: Of the provider `aws`; infra/aws has its package locked at the same version.
PROVIDER_VERSION = "7.51.1"
#: Whom infra/aws makes the servers with.
DATABASE_ADMIN, BROKER_ADMIN = "millrace_admin", "millrace-admin"
#: The outputs that are read.
NAMES = (
    "region",
    "database_host",
    "database_admin_secret_arn",
    "cache_host",
    "cache_passwords",
    "broker_endpoint",
    "broker_admin_password",
)
#: Those of them that are secret in the state of infra/aws.
SECRETS = frozenset({"cache_passwords", "broker_admin_password"})
SECRET_FUNCTION = "aws:secretsmanager/getSecretVersion:getSecretVersion"  # noqa: S105 - a function's name


class MissingOutputError(Exception):
    """The stack of infra/aws has no such server, or was never brought up."""


class Below:
    """The outputs of one stack of infra/aws. Passwords are secret."""

    def __init__(self, stack: str) -> None:
        """Read the stack of this full name."""
        self._name = stack
        self._stack = pulumi.StackReference(stack)

    @classmethod
    def of(cls, stack: Stack) -> Below | None:
        """Of the one that a stack names, where a server is AWS's."""
        return cls(stack.aws.stack) if stack.aws else None

    @property
    def database_host(self) -> pulumi.Output[str]:
        """RDS' address."""
        return self._text("database_host")

    @property
    def cache_host(self) -> pulumi.Output[str]:
        """Of the primary, whichever node that is."""
        return self._text("cache_host")

    @property
    def broker_host(self) -> pulumi.Output[str]:
        """Amazon MQ's name, out of its address."""
        return self._text("broker_endpoint").apply(lambda address: urlsplit(address).hostname or "")

    @property
    def broker_admin_password(self) -> pulumi.Output[str]:
        """Of the one user that AWS makes."""
        return self._text("broker_admin_password")

    def cache_password(self, user: str) -> pulumi.Output[str]:
        """Of a user that infra/aws made."""
        return pulumi.Output.secret(self._read("cache_passwords", lambda passwords: passwords.get(user)))

    @cached_property
    def database_admin_password(self) -> pulumi.Output[str]:
        """What Secrets Manager holds now: RDS makes it and changes it, every seven days by itself."""
        provider = pulumi.ProviderResource(
            "aws", "aws", {"region": self._text("region")}, pulumi.ResourceOptions(version=PROVIDER_VERSION)
        )
        options = pulumi.InvokeOutputOptions(provider=provider, version=PROVIDER_VERSION)
        found = invoke_output(SECRET_FUNCTION, {"secretId": self._text("database_admin_secret_arn")}, options)
        return pulumi.Output.secret(found.apply(lambda answer: json.loads(answer["secretString"])["password"]))

    def _text(self, name: str) -> pulumi.Output[str]:
        return self._read(name, lambda value: value)

    def _read(self, name: str, part: Callable[[Any], Any]) -> pulumi.Output[str]:
        return self._stack.get_output(name).apply(lambda value: checked(self._name, name, value and part(value)))


def checked(stack: str, name: str, found: Any) -> str:
    """An output's text.

    Raises:
        MissingOutputError: it is not there, or empty.
    """
    if not found:
        raise MissingOutputError(
            f"the stack {stack} has no output {name}: bring infra/aws up first, with the servers that this stack "
            "chooses (docs/aws.md)"
        )
    return str(found)
