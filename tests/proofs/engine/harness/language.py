"""Stands in for the plugin `pulumi-language-python`. `pulumi` attaches to it: PULUMI_DEBUG_LANGUAGES names its port.

A function runs in this process. A project runs in another, as with the real plugin: the working folder is the one that
`main` names, and runpy runs that folder, which puts it first on sys.path.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
from google.protobuf import empty_pb2
from pulumi.automation._server import LanguageServer
from pulumi.runtime.proto import language_pb2, language_pb2_grpc

from tests.proofs.engine.harness.plugins import REPOSITORY

Program = Callable[[], None]


class Host(LanguageServer):
    """The SDK's server for inline programs, made fit to be attached to."""

    def __init__(self, program: Program | None) -> None:
        """Without a program it runs the one that each request names."""
        super().__init__(program or _nothing)
        self._given = program

    def Handshake(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC's name
        """The engine attaches only to a host that answers this."""
        return language_pb2.LanguageHandshakeResponse()

    def Cancel(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC's name
        """The engine says it at the end, too; there is nothing to stop that it does not stop itself."""
        return empty_pb2.Empty()

    def Run(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC's name
        """Runs the program once."""
        folder = Path(request.info.program_directory)
        program = self._given or functools.partial(_run, folder, folder / request.info.entry_point)
        # The SDK (3.246) makes a thread an event loop where it finds none and never closes it; nor does it close its
        # other one if the engine refused a resource.
        asyncio.set_event_loop(loop := asyncio.new_event_loop())
        with contextlib.ExitStack() as until_done:
            until_done.enter_context(contextlib.closing(loop))

            def closed_at_the_end() -> None:
                until_done.enter_context(contextlib.closing(asyncio.get_running_loop()))
                program()

            self.program = closed_at_the_end
            return super().Run(request, context)  # type: ignore[no-untyped-call]


def serving(program: Program | None) -> contextlib.AbstractContextManager[dict[str, str]]:
    """A host for this program, or for the project's; yields the environment with which `pulumi` attaches."""
    return _here(program) if program else _elsewhere()


@contextlib.contextmanager
def _here(program: Program | None) -> Iterator[dict[str, str]]:
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(Host(program), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield {"PULUMI_DEBUG_LANGUAGES": f"python:{port}"}
    finally:
        server.stop(grace=None).wait()


@contextlib.contextmanager
def _elsewhere() -> Iterator[dict[str, str]]:
    command = (sys.executable, "-m", __name__)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as process:
        assert process.stdout
        yield {"PULUMI_DEBUG_LANGUAGES": process.stdout.readline().strip()}
        # Closing its input, which leaving the block does, ends it.


def _run(folder: Path, program: Path) -> None:
    os.chdir(folder)
    runpy.run_path(str(program), run_name="__main__")


def _nothing() -> None:
    pass


if __name__ == "__main__":
    with _here(None) as attach:
        print(*attach.values(), flush=True)  # noqa: T201 - its way to tell the port
        # Nobody reads on; what the program prints goes where the test's own errors go.
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        sys.stdin.read()
