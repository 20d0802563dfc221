"""What the main program reads of infra/aws is what infra/aws says, under the same names.

The main program does not import infra/aws: its packages are large, and no other stack needs them.
"""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from infra import below
from infra.aws.components import broker, database
from infra.aws.outputs import Outputs
from infra.render.recorder import outputs_of

PROJECT = Path(__file__).parents[3] / "pyproject.toml"


def test_what_is_read_is_exported() -> None:
    """And a render knows each of them."""
    exported = {one.name for one in fields(Outputs)}
    assert {*below.NAMES} <= exported
    assert {*outputs_of(str)} == {*below.NAMES}
    assert {*below.NAMES} >= below.SECRETS


def test_the_administrators_are_those_that_are_made() -> None:
    """By RDS and by Amazon MQ."""
    assert (below.DATABASE_ADMIN, below.BROKER_ADMIN) == (database.OWNER, broker.ADMIN)


def test_the_provider_is_the_one_of_infra_aws() -> None:
    """So one plugin is enough for both programs."""
    assert re.findall(r'"pulumi-aws==([\d.]+)"', PROJECT.read_text()) == [below.PROVIDER_VERSION]
