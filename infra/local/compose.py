"""Docker Compose, whichever of its two forms is installed, with the variables of compose.yaml."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from infra.local import files, process
from infra.local.compose_files import COMPOSE_FILE
from infra.local.state import State

#: One stack a name; another name (and other ports, and MILLRACE_STATE_DIR) makes a second one.
PROJECT = os.environ.get("MILLRACE_PROJECT", "millrace")


class ComposeError(Exception):
    """Docker Compose failed; its own words follow."""


@lru_cache(maxsize=1)
def program() -> tuple[str, ...]:
    """`docker compose` where it exists, else `docker-compose`.

    Raises:
        ComposeError: neither is installed.
    """
    plugin = process.run("docker", "compose", "version")
    if plugin.returncode == 0:
        return ("docker", "compose")
    if shutil.which("docker-compose"):
        return ("docker-compose",)
    msg = "neither `docker compose` nor docker-compose is installed; `infra/local/bootstrap.sh` says how to get it"
    raise ComposeError(msg)


def environment(state: State, images: Mapping[str, str], hashes: Mapping[str, str], *, cores: int) -> str:
    """compose.env: what compose.yaml leaves open."""
    lines = {f"MILLRACE_IMAGE_{name.upper()}": reference for name, reference in images.items()}
    lines |= {f"MILLRACE_FILES_{name.upper()}": digest for name, digest in hashes.items()}
    lines["MILLRACE_STATE_DIR"] = str(state.root)
    # Docker refuses a limit above what the machine has.
    lines["MILLRACE_CPUS"] = f"{min(2, cores)}.0"
    return "".join(f"{name}={value}\n" for name, value in lines.items())


def write_environment(state: State, images: Mapping[str, str], hashes: Mapping[str, str]) -> None:
    """Write it where every later command reads it."""
    files.write(
        state.environment,
        environment(state, images, hashes, cores=os.cpu_count() or 1),
        files.PUBLIC_FILE,
    )


@dataclass(frozen=True)
class Container:
    """One container as `docker ps` sees it."""

    service: str
    name: str
    state: str
    status: str
    exit_code: int
    restarts: int


class Compose:
    """Runs compose commands for one stack."""

    def __init__(self, state: State, project: str = PROJECT) -> None:
        """Of this state folder and this project name."""
        self._state = state
        self.project = project

    def command(self, *arguments: str) -> list[str]:
        """The command line; arguments hold no secrets, ever."""
        base = (*program(), "--project-name", self.project, "--file", str(COMPOSE_FILE))
        # Neither is there before the first start, and one may stop what is not there.
        written = (
            ("--file", self._state.workers), ("--file", self._state.broker), ("--env-file", self._state.environment),
        )  # fmt: skip
        options = [part for option, path in written if path.is_file() for part in (option, str(path))]
        return [*base, *options, *arguments]

    def run(self, *arguments: str) -> str:
        """Run it to the end; its output.

        Raises:
            ComposeError: it failed.
        """
        done = process.run(*self.command(*arguments))
        files.folder(self._state.logs, files.PUBLIC_FOLDER)
        with (self._state.logs / "compose.log").open("a") as log:
            log.write(f"$ compose {' '.join(arguments)}\n{done.stderr}\n")
        if done.returncode != 0:
            msg = f"compose {' '.join(arguments)}:\n{done.stderr.strip() or done.stdout.strip()}"
            raise ComposeError(msg)
        return done.stdout

    def follow(self, *arguments: str) -> int:
        """Run it with the terminal attached (logs)."""
        return process.follow(*self.command(*arguments))

    def containers(self) -> list[Container]:
        """Every container of the stack, one-shot ones included, `compose run` ones not."""
        labels = (
            "com.docker.compose.project",
            "com.docker.compose.service",
            "com.docker.compose.oneoff",
        )
        wanted = f"label={labels[0]}={self.project}"
        listed = process.run("docker", "ps", "--all", "--quiet", "--filter", wanted, check=True).stdout.split()
        if not listed:
            return []
        text = process.run("docker", "inspect", *listed).stdout
        found = []
        for item in json.loads(text or "[]"):
            if item["Config"]["Labels"].get(labels[2], "False").lower() == "true":
                continue
            state = item["State"]
            found.append(
                Container(
                    service=item["Config"]["Labels"][labels[1]],
                    name=item["Name"].lstrip("/"),
                    state=state["Status"],
                    status=state.get("Health", {}).get("Status", "") if state["Running"] else "",
                    exit_code=state["ExitCode"],
                    restarts=item["RestartCount"],
                )
            )
        return sorted(found, key=lambda container: container.service)


def tail(name: str, lines: int = 15) -> str:
    """The last lines that a container said."""
    done = process.run("docker", "logs", "--tail", str(lines), name)
    return (done.stdout + done.stderr).strip()
