"""What is wrong with a command of a page: names of targets, modules, options, services, pods that do not exist."""

from __future__ import annotations

import importlib.util
import itertools
import json
import re
import shlex
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import typer
import typer.main

from app import __main__ as application_module
from app.contract import DEFAULT_QUEUES_FILE, read_queues
from chaos.cli import app as chaos
from infra.local.__main__ import app as local
from infra.local.compose_files import whole
from infra.local.state import REPOSITORY
from infra.policy.command import app as policy
from loadtests.cli import app as loadtests
from tests.suites.table import PROOFS
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
_EXPERIMENTS = REPOSITORY / "chaos" / "experiments"
_OPTIONS = frozenset({"-s", "--stack", "--path", "--policy-pack", "--secrets-provider"})
_SETTINGS = json.loads((REPOSITORY / "infra/settings/stack.schema.json").read_text())["properties"]["config"][
    "properties"
]
_SERVICES = frozenset(whole(read_queues(DEFAULT_QUEUES_FILE))["services"])

#: A runbook changes nothing but by a deployment; other pages say what else Pulumi can do.
OF_RUNBOOKS = frozenset({"preview", "up"})
DOCUMENTED = OF_RUNBOOKS | {"refresh", "destroy", "cancel", "login", "stack init", "config set"}
#: Modules that are a command line.
_TYPER = {
    "infra.local": local, "app": application, "loadtests": loadtests, "chaos": chaos, "infra.policy.command": policy,
}  # fmt: skip

Problems = Iterator[str]


def problems(command: str, objects: Objects, *, pulumi_verbs: Collection[str] = OF_RUNBOOKS) -> Problems:
    """Everything that the command names and that does not exist."""
    words = shlex.split(command.replace("[", "").replace("]", ""))
    checks: Mapping[str, Callable[[list[str]], Problems]] = {
        "make": _make,
        PYTHON: _python,
        "python": _python,
        "pulumi": partial(_pulumi, pulumi_verbs),
        "kubectl": objects.problems,
        "docker": _docker,
        "locust": _locust,
        ".venv/bin/locust": _locust,
        "cd": _folder,
    }
    if words[0] not in checks:
        yield f"{words[0]}: nobody has said how to check this program"
        return
    if len(words) > 1:
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
        if "…" in value:
            continue
        if name == "STACK" and not (REPOSITORY / f"Pulumi.{value}.yaml").is_file():
            yield f"STACK={value}: there is no such stack"
        if name == "SUITE" and value not in {"name", *(suite.name for suite in PROOFS)}:
            yield f"SUITE={value}: there is no such suite"
        if target == "drill" and name == "NAME" and not (_EXPERIMENTS / f"{value}.yaml").is_file() and "/" not in value:
            yield f"NAME={value}: there is no such experiment"
        if name == "RUN":
            inner = shlex.split(value)
            yield from (_typer(application, inner) if target == "operate" else _compose(inner))


def _docker(words: list[str]) -> Problems:
    if words[0] not in {"events", "login"}:
        yield f"docker {words[0]}: use make compose"


def _pulumi(verbs: Collection[str], words: list[str]) -> Problems:
    verb, *rest = words
    if verb == "stack":
        verb, rest = " ".join(words[:2]), ["-s", *words[2:]]
    if verb == "login":
        rest = []
    if verb == "config":
        verb, rest = " ".join(words[:2]), words[2 : words.index("<") if "<" in words else None]
    if verb not in verbs:
        yield f"pulumi {verb}: these pages use {', '.join(sorted(verbs))} only"
    rest = [word for each in rest for word in (each.split("=", 1) if each.startswith("--") else [each])]
    for option, value in zip(rest[::2], rest[1::2], strict=False):
        if option in {"-s", "--stack"} and not (REPOSITORY / f"Pulumi.{value}.yaml").is_file():
            yield f"pulumi {verb} -s {value}: there is no such stack"
        if option == "--path" and value.partition(".")[0] not in _SETTINGS:
            yield f"pulumi {verb} --path {value}: there is no such setting"
        if option == "--policy-pack" and not (REPOSITORY / value / "PulumiPolicy.yaml").is_file():
            yield f"pulumi {verb} --policy-pack {value}: there is no such pack"
    yield from (f"pulumi {verb} {one}: nobody has said how to check it" for one in rest[::2] if one not in _OPTIONS)


def _locust(words: list[str]) -> Problems:
    option, path, *_ = words
    if option != "-f" or not (REPOSITORY / path).exists():
        yield f"locust {option} {path}: there is no such folder of scenarios"


def _folder(words: list[str]) -> Problems:
    yield from (f"cd {word}: there is no such folder" for word in words if not (REPOSITORY / word).is_dir())


def _python(words: list[str]) -> Problems:
    option, module, *rest = words
    if option != "-m" or not _is_module(module):
        yield f"python {option} {module}: there is no such module"
        return
    if module in _TYPER and rest:
        yield from _typer(_TYPER[module], rest)
    if module != "infra.local":
        return
    if rest[0] == "logs":
        yield from _services(word for word in rest[1:] if not word.startswith("-"))
    if rest[0] == "compose":
        yield from _compose(rest[1:])


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


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
        while rest and rest[0].startswith("-"):
            option = rest.pop(0)
            known = {name: each for each in command.params for name in (*each.opts, *each.secondary_opts)}
            if option not in known:
                yield f"{command.name} {option}: there is no such option"
            elif not known[option].is_flag:
                rest = rest[1:]
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
