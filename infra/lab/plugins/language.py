"""Stands in for the plugin `pulumi-language-python`: the SDK's own server for inline programs, as a plugin.

As with the real one, the working folder is the one that `main` names, and runpy runs that folder, which puts it first
on sys.path. A function of this process can be run too: `pulumi` attaches to the port that PULUMI_DEBUG_LANGUAGES names.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import runpy
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import empty_pb2
from pulumi.automation._server import LanguageServer
from pulumi.runtime.proto import language_pb2, language_pb2_grpc

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

    def RunPlugin(self, request: Any, context: Any) -> Iterator[Any]:  # noqa: N802 - gRPC's name
        """Runs a policy pack: the engine reads its port, speaks to it, and cancels the call when it is done."""
        with subprocess.Popen(  # noqa: S603 - our own words and the engine's
            (sys.executable, "-u", "-m", "pulumi.policy", *request.args, request.info.program_directory),
            cwd=request.info.program_directory,
            env=os.environ | dict(variable.split("=", 1) for variable in request.env),
            stdout=subprocess.PIPE,
        ) as pack:
            context.add_callback(pack.kill)
            for line in pack.stdout or ():
                yield language_pb2.RunPluginResponse(stdout=line)
            yield language_pb2.RunPluginResponse(exitcode=pack.wait())

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


@contextlib.contextmanager
def serving(program: Program | None = None) -> Iterator[int]:
    """A host for this program, or for the project's; yields its port."""
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(Host(program), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(grace=None).wait()


def _run(folder: Path, program: Path) -> None:
    os.chdir(folder)
    runpy.run_path(str(program), run_name="__main__")


def _nothing() -> None:
    pass


if __name__ == "__main__":
    with serving() as port:
        print(port, flush=True)  # noqa: T201 - the way to tell the engine
        # Nobody reads on; what the program prints goes where errors go.
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        # The engine kills its plugins when it ends; one that ran a policy pack it interrupts.
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
