"""docs/policies.md: the rules with their reasons. `python -m infra.policy.page` writes it."""

from __future__ import annotations

from pathlib import Path

from infra.policy.model import StackRule
from infra.policy.registry import RULES, THEMES

PAGE = Path(__file__).parents[2] / "docs" / "policies.md"

HEAD = f"""# Policies

{len(RULES)} rules hold every stack. Pulumi asks them before it acts (`pulumi preview --policy-pack infra/policy`); by
hand, for rendered manifests: `python -m infra.policy.command DIR --environment prod`. Made by `python -m
infra.policy.page` from infra/policy/rules.

A rule marked *stack* looks at manifests together. All of them stop a deployment unless they say *advisory*.
"""


def text() -> str:
    """The page."""
    parts = [HEAD]
    for theme, rules in THEMES.items():
        parts.append(f"## {theme}\n\n| rule | what must hold | why |\n|---|---|---|")
        for rule in rules:
            marks = [
                mark
                for mark, holds in (
                    ("stack", isinstance(rule, StackRule)),
                    ("advisory", rule.enforcement == "advisory"),
                )
                if holds
            ]
            name = " ".join([f"`{rule.name}`", *(f"*{mark}*" for mark in marks)])
            parts.append(f"| {name} | {rule.description} | {rule.reason} |")
        parts.append("")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(text())
