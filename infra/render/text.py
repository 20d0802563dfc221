"""A manifest as YAML: the same bytes from run to run, and the same values for every reader of YAML."""

from __future__ import annotations

import re
from typing import Any

import yaml

from infra.render.manifests import Manifest

HEADER = "# Made by `make render STACK={stack}` from infra/__main__.py; changes here are lost. Wave {wave}.\n"
#: What some reader takes for a number, a date or a truth: 1234e567 is a text to PyYAML and a number to Kubernetes.
_AMBIGUOUS = re.compile(r"[-+.\d]|(?:y|n|yes|no|on|off|true|false|null|nan|inf|~|=|<<)$", re.IGNORECASE)
_WIDTH = 120


class _Dumper(yaml.SafeDumper):
    """Says strings so that nobody takes them for anything else; texts of several lines as blocks."""

    def ignore_aliases(self, data: Any) -> bool:
        """Written out: a `*id001` is a riddle to a person."""
        return True


def _string(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else "'" if _AMBIGUOUS.match(value) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _string)


def text(manifest: Manifest, stack: str) -> str:
    """The whole file."""
    body = yaml.dump(dict(manifest.body), Dumper=_Dumper, sort_keys=False, width=_WIDTH)
    return HEADER.format(stack=stack, wave=manifest.wave) + body
