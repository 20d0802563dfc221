"""The alert rules, written out for the queues that there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2

from app.contract import Queue

RULES = Path(__file__).with_name("rules")
SUFFIX = ".j2"


def rule_files(queues: Sequence[Queue]) -> Mapping[str, str]:
    """Prometheus' rule files: name to content."""
    # Square brackets, because Prometheus fills in the curly ones itself when an alert fires.
    environment = jinja2.Environment(  # noqa: S701 - YAML, and every value is checked by the contract
        block_start_string="[%",
        block_end_string="%]",
        variable_start_string="[[",
        variable_end_string="]]",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    return {
        path.name.removesuffix(SUFFIX): environment.from_string(path.read_text()).render(queues=queues)
        for path in sorted(RULES.glob(f"*{SUFFIX}"))
    }
