"""Mistakes in IAM policies, as parliament knows them; this folder locks it as a project of its own."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from infra.checks.finding import CheckError, Finding
from infra.lab.toolchain.errors import last_lines
from infra.lab.toolchain.python_project import environment
from infra.local.progress import Steps

PROJECT = Path(__file__).parent
#: Stars are judged by our own rule `no-wildcards`, which knows where they are right.
STARS = frozenset({"RESOURCE_STAR", "RESOURCE_EFFECTIVELY_STAR"})
OPTIONS = ("--include_policy_extension", "json", "--json", "--minimum_severity", "LOW")
#: 1: there are findings. Others mean that it stopped.
FINISHED = (0, 1)


def findings(policies: Mapping[tuple[str, str], str], file: str, steps: Steps | None = None) -> tuple[Finding, ...]:
    """The findings in `policies`: identity policies as JSON, by type and name of the resource that each belongs to.

    Raises:
        CheckError: parliament did not run.
    """
    program = environment(PROJECT, "parliament", 10, steps) / "bin" / "parliament"
    with tempfile.TemporaryDirectory() as named:
        by_file = {str(Path(named) / f"{number}.json"): key for number, key in enumerate(policies)}
        for path, key in by_file.items():
            Path(path).write_text(policies[key])
        done = subprocess.run(  # noqa: S603 - fixed words
            (str(program), "--directory", named, *OPTIONS),
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode not in FINISHED:
        raise CheckError(f"parliament stopped with {done.returncode}:\n{last_lines(done.stderr)}")
    return tuple(sorted(_findings(done.stdout, by_file, file)))


def _findings(said: str, by_file: Mapping[str, tuple[str, str]], file: str) -> Iterator[Finding]:
    for line in said.splitlines():
        try:
            one = json.loads(line)
        except ValueError as error:
            raise CheckError(f"parliament said no JSON: {line[:500]}") from error
        if one["issue"] in STARS:
            continue
        kind, name = by_file[one["location"]["filepath"]]
        detail = one["detail"] if isinstance(one["detail"], str) else json.dumps(one["detail"])
        yield Finding(file, kind, name, "parliament", one["issue"], f"{one['title']}: {detail}")
