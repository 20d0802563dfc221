"""The supervisor's programs as data, and the settings file that tells it of them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

#: In the environment of every process of a cluster: its root folder. So they are found again, whoever their parent is.
MARK = "MILLRACE_CLUSTER"
#: A socket's path may have 107 bytes, so this name is short.
SOCKET = "supervisor.sock"
#: A child whose supervisor was killed dies with it, instead of living on unwatched.
DIE_WITH_PARENT = ("setpriv", "--pdeathsig", "KILL", "--")


@dataclass(frozen=True)
class Program:
    """One process. Those of lower priority start earlier and stop later."""

    name: str
    command: Sequence[str]
    priority: int
    environment: Mapping[str, str] = field(default_factory=dict)


def _escaped(value: str) -> str:
    """The supervisor expands `%(…)s` in its settings."""
    return value.replace("%", "%%")


def _environment(values: Mapping[str, str]) -> str:
    quoted = (f'{name}="{_escaped(value)}"' for name, value in sorted(values.items()))
    return ",".join(quoted)


def _section(name: str, values: Mapping[str, str]) -> str:
    lines = (f"{key} = {value}" for key, value in values.items())
    return "\n".join((f"[{name}]", *lines, ""))


def _program(program: Program, logs: Path) -> str:
    return _section(
        f"program:{program.name}",
        {
            "command": _escaped(shlex.join((*DIE_WITH_PARENT, *program.command))),
            "environment": _environment(program.environment),
            "priority": str(program.priority),
            "autorestart": "true",
            # What ends sooner is started again later and later, one second more each time.
            "startsecs": "1",
            # The controller manager exits when the API server is away, Felix when its configuration changes.
            "startretries": "1000000",
            # When the supervisor itself is asked to end; `down` does not ask.
            "stopsignal": "KILL",
            "stdout_logfile": _escaped(str(logs / f"{program.name}.log")),
            "stdout_logfile_maxbytes": "20MB",
            "stdout_logfile_backups": "1",
            "redirect_stderr": "true",
        },
    )


def settings(programs: Sequence[Program], root: Path) -> str:
    """The supervisor's settings: these programs, a socket and logs below the root folder."""
    own = _section(
        "supervisord",
        {
            "nodaemon": "true",
            "pidfile": _escaped(str(root / "supervisor.pid")),
            # It tells on stdout as well, which goes to a file with what it says before it has read this.
            "logfile": "/dev/null",
            "logfile_maxbytes": "0",
            "childlogdir": _escaped(str(root / "logs")),
        },
    )
    socket = _section("unix_http_server", {"file": _escaped(str(root / SOCKET)), "chmod": "0600"})
    interface = _section(
        "rpcinterface:supervisor",
        {"supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"},
    )
    return "\n".join((own, socket, interface, *(_program(program, root / "logs") for program in programs)))
