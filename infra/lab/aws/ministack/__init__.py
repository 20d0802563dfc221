"""ministack, which answers as AWS does and keeps everything in memory; this folder locks it as a project of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.lab.aws.server import Server
from infra.lab.toolchain.errors import ToolError, last_lines
from infra.lab.toolchain.python_project import environment
from infra.local.progress import Steps
from infra.waiting import poll

PROJECT = Path(__file__).parent
START_SECONDS = 60


@contextmanager
def serving(account: str, region: str, steps: Steps | None = None) -> Iterator[Server]:
    """A server with nothing in it, until the block ends.

    Raises:
        ToolError: it does not start.
    """
    program = environment(PROJECT, "ministack", 10, steps) / "bin" / "ministack"
    port = _free_port()
    server = Server(f"http://127.0.0.1:{port}", region)
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("w+") as log:
        variables = {
            "PATH": os.environ.get("PATH", os.defpath),
            "TMPDIR": folder,
            "HOME": folder,
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "LOG_LEVEL": "WARNING",
            "MINISTACK_ACCOUNT_ID": account,
            "MINISTACK_HOST": "127.0.0.1",
            "MINISTACK_REGION": region,
        }
        with subprocess.Popen((str(program),), env=variables, cwd=folder, stdout=log, stderr=log) as process:  # noqa: S603
            try:
                _wait(process, server, Path(log.name))
                yield server
            finally:
                process.kill()


def _wait(process: subprocess.Popen[bytes], server: Server, log: Path) -> None:
    def answers() -> bool:
        if process.poll() is not None:
            raise ToolError(f"ministack ended with {process.returncode}:\n{last_lines(log.read_text())}")
        port = int(server.url.rpartition(":")[2])
        with socket.socket() as asked:
            return asked.connect_ex(("127.0.0.1", port)) == 0

    if not poll(answers, until=bool, seconds=START_SECONDS, every_seconds=0.1):
        raise ToolError(f"ministack does not listen after {START_SECONDS} s:\n{last_lines(log.read_text())}")


def _free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])
