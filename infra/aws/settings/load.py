"""From Pulumi's configuration of infra/aws to one `AwsStack`; or one clear message."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
from pulumi.runtime import config as pulumi_config

from infra.aws.settings.stack import AwsStack
from infra.settings.load import validated

#: The namespace of our keys, and those of the providers, which the providers check.
PROJECT = "millrace-aws"
#: Region, account and tags are the program's, not the provider's: two places could differ.
PROVIDERS = frozenset({"pulumi", "random"})


def parse(config: Mapping[str, str], where: str) -> AwsStack:
    """All of our keys, validated together.

    Raises:
        SettingsError: each problem on a line of its own: path, what was given, what to do.
    """
    # At the top every value is a text or an object; a number there is an account or a cost centre that lost its quotes.
    quoted = {key: f'"{text}"' if text.isdigit() else text for key, text in config.items()}
    return validated(AwsStack, quoted, where, project=PROJECT, providers=PROVIDERS)


def from_pulumi() -> AwsStack:
    """The running program's own configuration.

    Raises:
        SettingsError: as `parse` does.
    """
    return parse(pulumi_config.get_config_env() | pulumi_config.CONFIG.get(), f"Pulumi.{pulumi.get_stack()}.yaml")
