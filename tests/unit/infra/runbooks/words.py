"""What is wrong with a command of a runbook: names of targets, modules, options, services, pods that do not exist."""

from __future__ import annotations

import importlib.util
import itertools
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import typer
import typer.main

from app import __main__ as application_module
from app.contract import DEFAULT_QUEUES_FILE, read_queues
from infra.local.__main__ import app as local
from infra.local.compose_files import whole
from infra.local.state import REPOSITORY
from tests.unit.infra.runbooks.objects import Objects

# The groups of commands for people are added only when one of them is asked for.
application_module._add_groups()
application = application_module.app

PYTHON = ".venv/bin/python"
#: A person puts something in its place.
PLACEHOLDER = re.compile(r"[A-Z]+")
#: Programs of the images, by what the service's name begins with, and the verbs that the pages use.
_SERVERS = {
    "rabbitmqctl": "rabbitmq", "rabbitmq-queues": "rabbitmq", "rabbitmq-diagnostics": "rabbitmq", "psql": "postgresql",
    "promtool": "prometheus", "millrace-cli": "redis", "millrace-healthy": "",
}  # fmt: skip
_COMPOSE_VERBS = {"exec": {"-T"}, "restart": set[str](), "start": set[str](), "up": {"--no-deps"}}
_SERVICES = frozenset(whole(read_queues(DEFAULT_QUEUES_FILE))["services"])

Problems = Iterator[str]


def problems(command: str, objects: Objects) -> Problems:
    """Everything that the command names and that does not exist."""
    words = shlex.split(command)
    checks: Mapping[str, Callable[[list[str]], Problems]] = {
        "make": _make,
        PYTHON: _python,
        "pulumi": _pulumi,
        "kubectl": objects.problems,
        "docker": _docker,
    }
    if words[0] not in checks:
        yield f"{words[0]}: nobody has said how to check this program"
        return
    yield from checks[words[0]](words[1:])
    if words[0] == "kubectl" and "--" in words:
        yield from _inside(words[words.index("--") + 1 :], objects.pod_of(words))


def _make(words: list[str]) -> Problems:
    target, *assignments = words
    makefile = (REPOSITORY / "Makefile").read_text()
    if not re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE):
        yield f"make {target}: there is no such target"
    for assignment in assignments:
        name, _, value = assignment.partition("=")
        if f"$({name}" not in makefile:
            yield f"{name}: the Makefile does not read it"
        if name == "STACK" and not (REPOSITORY / f"Pulumi.{value}.yaml").is_file():
            yield f"STACK={value}: there is no such stack"
        if name == "RUN":
            inner = shlex.split(value)
            yield from (_typer(application, inner) if target == "operate" else _compose(inner))


def _docker(words: list[str]) -> Problems:
    if words[0] != "events":
        yield f"docker {words[0]}: use make compose"


def _pulumi(words: list[str]) -> Problems:
    verb, option, stack, *rest = words
    if verb not in {"preview", "up"} or option != "-s" or rest:
        yield f"pulumi {' '.join(words)}: the pages use `pulumi preview -s STACK` and `pulumi up -s STACK` only"
    if not (REPOSITORY / f"Pulumi.{stack}.yaml").is_file():
        yield f"pulumi {verb} -s {stack}: there is no such stack"


def _python(words: list[str]) -> Problems:
    option, module, *rest = words
    if option != "-m" or module != "infra.local":
        yield f"python {option} {module}: the pages use -m infra.local only"
        return
    yield from _typer(local, rest)
    if rest[0] == "logs":
        yield from _services(word for word in rest[1:] if not word.startswith("-"))
    if rest[0] == "compose":
        yield from _compose(rest[1:])


def _compose(words: list[str]) -> Problems:
    verb, *rest = words
    if verb not in _COMPOSE_VERBS:
        yield f"compose {verb}: nobody has said how to check it"
        return
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        if option not in _COMPOSE_VERBS[verb]:
            yield f"compose {verb} {option}: no such option is expected"
    if verb != "exec":
        yield from _services(rest)
        return
    yield from _services(rest[:1])
    yield from _inside(rest[1:], rest[0])


def _services(names: Sequence[str] | Iterator[str]) -> Problems:
    yield from (f"{name}: compose.yaml has no such service" for name in names if name not in _SERVICES)


def _inside(words: list[str], where: str) -> Problems:
    """Check a command that runs in a container."""
    program, *rest = words
    if program == "python":
        rest = [word for word in rest if word != "-S"]
        if rest[:2] == ["-m", "app"]:
            yield from _typer(application, rest[2:])
        elif rest[0] != "-m" or importlib.util.find_spec(rest[1]) is None:
            yield f"python {' '.join(rest)}: there is no such module"
    elif program in _SERVERS:
        if not where.startswith(_SERVERS[program]):
            yield f"{program}: {where} does not have it"
    elif program != "df":
        yield f"{program}: nobody has said how to check it in {where}"


def _typer(program: typer.Typer, words: Sequence[str]) -> Problems:
    """Check subcommands and options against those that the program declares."""
    rest = list(words)
    command: Any = typer.main.get_command(program)
    while hasattr(command, "commands"):
        name = rest.pop(0) if rest else ""
        if name not in command.commands:
            yield f"{name!r} is no command of {command.name}; there are {', '.join(sorted(command.commands))}"
            return
        command = command.commands[name]
    if command.context_settings.get("ignore_unknown_options"):
        return
    declared = {option for each in command.params for option in (*each.opts, *each.secondary_opts)} | {"--help"}
    options = [word.partition("=")[0] for word in rest if word.startswith("-")]
    yield from (f"{command.name} {option}: there is no such option" for option in options if option not in declared)
    if not any(each.param_type_name == "argument" for each in command.params):
        taken = [following for word, following in itertools.pairwise(rest) if word.startswith("-")]
        loose = [word for word in rest if not word.startswith("-") and word not in taken]
        yield from (f"{command.name} {word}: it takes no argument" for word in loose)
