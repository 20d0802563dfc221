"""Diagnosis and verification of every runbook on a running local stack, and the metrics that its alerts read."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from app import contract
from infra.local import folders
from infra.observability import alerts, targets
from tests.harness import runbooks
from tests.harness.waiting import eventually

Shell = Callable[[str], subprocess.CompletedProcess[str]]

PYTHON = ".venv/bin/python"
#: Beside each other; each waits for its container most of the time.
AT_ONCE = 4
SELECTOR = re.compile(r"([a-z_]\w*)\{job=~?\"")
#: Histograms of tasks have their series from the first run on.
_WHEN_IT_HAPPENS = frozenset(
    {"celery_task_run_seconds_bucket", "celery_task_run_seconds_count", "millrace_pause_age_seconds"}
)


def _commands() -> list[str]:
    """The commands that only look, each once; those with something to fill in are left out."""
    found = [
        one.text
        for page in runbooks.pages()
        for one in runbooks.commands(page)
        if one.place == "compose" and one.section in {"Diagnosis", "Verification"}
    ]
    return [one for one in dict.fromkeys(found) if not re.search(r"\bID\b", one)]


def test_every_command_works(shell: Shell) -> None:
    """Each command succeeds and prints something."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        ended = list(pool.map(shell, _commands()))

    failed = [
        f"$ {command}\nended with {done.returncode}:\n{done.stdout}{done.stderr}"
        for command, done in zip(_commands(), ended, strict=True)
        if done.returncode or "Traceback" in done.stdout
    ]
    assert not failed, "\n\n".join(failed)


def test_prometheus_has_what_the_alerts_read(shell: Shell) -> None:
    """Each metric exists under the jobs that the rules select; without it an alert would be silent for ever."""
    target = targets.compose(folders.RABBITMQ_NODES, contract.queues())
    rules = [rule for group in alerts.rule_groups(target, contract.queues()) for rule in group["rules"]]
    wanted = {metric for rule in rules for metric in SELECTOR.findall(rule["expr"])} - _WHEN_IT_HAPPENS

    def seen() -> set[str]:
        query = f'count by (__name__) ({{__name__=~"{"|".join(sorted(wanted))}", {_jobs(target)}}})'
        asked = (
            f"{PYTHON} -m infra.local compose exec -T prometheus promtool query instant "
            f"--http.config.file=/run/secrets/millrace/probe.yml https://localhost:9090 '{query}'"
        )
        return set(re.findall(r"[a-z_]\w+", shell(asked).stdout)) & wanted

    eventually(lambda: seen() == wanted, what=f"series of {sorted(wanted)}", every=5)


def _jobs(target: targets.Target) -> str:
    return f'job=~"{"|".join(one.job for one in target.watched)}"'
