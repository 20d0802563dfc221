"""A stack of infra/aws and the account that it is made in; and the program with something changed in it."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import yaml
from pulumi.runtime import register_stack_transformation

from infra.aws.recorder import FOLDER, PROJECT
from infra.lab.aws.ministack import serving
from infra.lab.aws.provider import URL_VARIABLE
from infra.lab.aws.server import Server
from infra.lab.plugins.language import Program
from tests.proofs.aws_engine import inventory
from tests.proofs.engine.harness.engine import Engine

Arguments = pulumi.ResourceTransformationArgs
Result = pulumi.ResourceTransformationResult
#: By the type of a resource: properties as Python names them, with other values.
Edits = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Account:
    """A stack, and the server that stands for AWS."""

    engine: Engine
    server: Server
    #: Resources that existed before the stack was made.
    before: frozenset[str]

    def protected(self) -> Mapping[tuple[str, str], bool]:
        """Which resources the engine would not delete, by type and name."""
        return {
            (one["type"], one["urn"].rpartition("::")[2]): bool(one.get("protect"))
            for one in self.engine.state()["resources"]
        }


@contextmanager
def opened(folder: Path, stack: str) -> Iterator[Account]:
    """A stack that is not up yet."""
    settings = FOLDER / f"Pulumi.{stack}.yaml"
    config = yaml.safe_load(settings.read_text())["config"]
    with serving(config[f"{PROJECT}:account"], config[f"{PROJECT}:region"]) as server:
        engine = Engine(
            folder=folder,
            stack=stack,
            name=PROJECT,
            settings=settings,
            program=program,
            variables={URL_VARIABLE: server.url},
        )
        yield Account(engine, server, inventory.of(server))


def program() -> None:
    """infra/aws as it is."""
    runpy.run_path(str(FOLDER / "__main__.py"), run_name="__main__")


def edited(edits: Edits, *, unprotected: str = "") -> Program:
    """The program with other values in every resource of these types; and one type that nobody protects."""

    def change(given: Arguments) -> Result | None:
        opts = given.opts
        if given.type_ == unprotected:
            opts.protect = opts.retain_on_delete = False
        return Result({**given.props, **edits.get(given.type_, {})}, opts)

    return transformed(change)


def transformed(change: Callable[[Arguments], Result | None]) -> Program:
    """The program with each of its resources handed through a function."""

    def run() -> None:
        register_stack_transformation(change)
        program()

    return run
