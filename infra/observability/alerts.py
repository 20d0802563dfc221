"""The alert rules, written out for the queues that there are and for the target whose Prometheus evaluates them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import yaml

from app import contract
from app.contract import Queue
from infra.observability.targets import Target

RULES = Path(__file__).with_name("rules")
SUFFIX = ".yml.j2"


def rule_groups(target: Target, queues: Sequence[Queue]) -> list[dict[str, Any]]:
    """The groups of rules; each alert links to the page of its name in runbooks/."""
    return [group for groups in _documents(target, queues).values() for group in groups]


def rule_files(target: Target, queues: Sequence[Queue]) -> Mapping[str, str]:
    """Prometheus' rule files: name to content."""
    return {
        f"{name}.yml": yaml.safe_dump({"groups": groups}, sort_keys=False, width=1000)
        for name, groups in _documents(target, queues).items()
    }


def _documents(target: Target, queues: Sequence[Queue]) -> dict[str, list[dict[str, Any]]]:
    # Square brackets, because Prometheus fills in the curly ones itself when an alert fires.
    environment = jinja2.Environment(  # noqa: S701 - YAML, and every value is checked by the contract
        block_start_string="[%",
        block_end_string="%]",
        variable_start_string="[[",
        variable_end_string="]]",
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    names = "|".join(queue.name for queue in queues)
    values = {"target": target, "of": target.of, "queues": queues, "names": names, "vhost": contract.VHOST}
    documents = {}
    for name in target.rule_files:
        text = environment.from_string((RULES / f"{name}{SUFFIX}").read_text()).render(values)
        documents[name] = [group for group in yaml.load(text, Loader=yaml.CSafeLoader)["groups"] if group["rules"]]
        for rule in (rule for group in documents[name] for rule in group["rules"]):
            rule["annotations"]["runbook_url"] = f"{target.runbooks_url}/{rule['alert']}.md"
    return documents
