"""How long a preStop hook may take, as far as its text says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from infra.policy.manifests import at, items, whole

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}
_DURATION = r"['\"]?(?P<number>\d+(?:\.\d+)?)(?P<unit>[smh]?)\b"
_STEPS = re.compile(r";|&&|\|\||\n|\b(?:if|then|else|do|fi)\b")
_LOOP = re.compile(r"\b(?:while|until)\b")
#: `timeout 60 command`, options before the number included.
_TIMEOUT = re.compile(rf"\btimeout\s+(?:-\S+\s+)*?{_DURATION}\s")
_KILL_AFTER = re.compile(rf"\s(?:-k\s*|--kill-after=){_DURATION}")
#: What a command says of itself: `sleep 5`, `-t 60`, `--timeout 60`.
_OWN = re.compile(rf"(?:\bsleep\s+|\s-t\s+|--timeout[= ]){_DURATION}")


def _seconds(found: re.Match[str]) -> float:
    return float(found["number"]) * _UNITS[found["unit"]]


def _of_step(step: str) -> float:
    if timeout := _TIMEOUT.search(step):
        return _seconds(timeout) + sum(_seconds(found) for found in _KILL_AFTER.finditer(step))
    return sum(_seconds(found) for found in _OWN.finditer(step))


def pre_stop_seconds(hook: Mapping[str, Any]) -> float | None:
    """The longest that it takes; None if it says no bound.

    `timeout N …` around the whole takes N. A script takes what its steps name, together; a step that says nothing is
    taken for quick. A loop says no bound.
    """
    if (sleep := whole(at(hook, "sleep", "seconds"))) is not None:
        return sleep
    words = [str(word) for word in items(at(hook, "exec", "command"))]
    text = " ".join(words) + " "
    if words and words[0].rpartition("/")[2] == "timeout":
        return _of_step(text) or None
    if _LOOP.search(text):
        return None
    return sum(_of_step(step + " ") for step in _STEPS.split(text)) or None
