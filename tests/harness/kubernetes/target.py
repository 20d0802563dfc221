"""Which deployment is tested: what `make staging` wrote about it."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
from dataclasses import dataclass, fields
from pathlib import Path

import httpx

from app import contract
from infra.settings.load import parse, read_stack_file
from infra.settings.stack import Stack

REPOSITORY = Path(__file__).resolve().parents[3]
FILE = REPOSITORY / ".millrace" / contract.KUBERNETES_TARGET_FILE


def read_stack() -> Stack:
    """The settings of the deployed stack."""
    path = REPOSITORY / os.environ["MILLRACE_STACK_FILE"]
    return parse(read_stack_file(path), str(path))


@dataclass(frozen=True)
class Target:
    """How the deployment is reached from this machine."""

    gateway_url: str
    ca_file: str
    api_key_file: str
    #: None: the kubeconfig's current one.
    context: str | None
    stack_file: str

    @classmethod
    def read(cls, file: Path = FILE) -> Target:
        """As the file says it.

        Raises:
            AssertionError: there is no such file, or it lacks something.
        """
        if not file.is_file():
            raise AssertionError(f"{file} is not there: run `make staging` first")
        said = json.loads(file.read_text())
        names = [field.name for field in fields(cls)]
        if missing := [name for name in names if name not in said]:
            raise AssertionError(f"{file} lacks {', '.join(missing)}: run `make staging` again")
        return cls(**{name: said[name] for name in names})

    @property
    def api_key(self) -> str:
        """The key that `make staging` made; it may write events and read jobs."""
        return Path(self.api_key_file).read_text().strip()

    def client(self, key: str | None = None) -> httpx.Client:
        """A client of the public face, as the world's: the public CA, and an API key."""
        return httpx.Client(
            base_url=self.gateway_url,
            verify=ssl.create_default_context(cafile=self.ca_file),
            headers={contract.HEADER_API_KEY: self.api_key if key is None else key},
            timeout=30,
            trust_env=False,
        )

    def operate(self, *words: str) -> str:
        """Run a command of the app as the operator, as a runbook does.

        Raises:
            AssertionError: it failed.
        """
        context = ("--context", self.context) if self.context else ()
        done = subprocess.run(
            (sys.executable, "-m", "infra.cluster", "operate", *context, "--", *words),
            cwd=REPOSITORY,
            env=os.environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
        if done.returncode:
            raise AssertionError(f"operate {' '.join(words)}: exit code {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout
