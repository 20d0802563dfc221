"""The stand-in knows what the program uses, and has looked up what a change of it does."""

from __future__ import annotations

from infra.aws.recorder import record_stack
from infra.lab.aws.force_new import FORCE_NEW
from infra.lab.aws.kinds import KINDS

STACKS = ("staging", "prod")


def test_every_kind_is_known_and_used() -> None:
    """No kind is left over, and none lacks its source."""
    used = {one.type for stack in STACKS for one in record_stack(stack) if one.type.startswith("aws:")}
    assert used == KINDS.keys() == FORCE_NEW.keys()


def test_every_kind_is_applied_or_says_why_not() -> None:
    """One is in the state alone, and docs/aws.md names it."""
    here = {kind for kind, one in KINDS.items() if one.state_only}
    assert here == {"aws:mq/configuration:Configuration"}
    assert all(one.creates and one.reads for kind, one in KINDS.items() if kind not in here)
