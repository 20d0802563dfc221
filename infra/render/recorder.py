"""Runs the program against Pulumi's mocks and writes down what it registers: inputs, dependencies, protection.

Pulumi hands a mock only the inputs; the request behind it has the rest, and it is the rest that `pulumi up` goes by.
"""

from __future__ import annotations

import asyncio
import gc
import json
import runpy
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.struct_pb2 import Struct, Value
from pulumi.runtime import mocks, rpc, set_all_config, set_mocks
from pulumi.runtime.stack import run_pulumi_func

from app.contract import PORT_AMQPS
from infra.below import SECRET_FUNCTION, SECRETS
from infra.servers.redis import CLIENTS
from infra.settings.context import at_home

PROGRAM = Path(__file__).parents[1] / "__main__.py"
STACK_TYPE = "pulumi:pulumi:StackReference"
PASSWORD_TYPE = "random:index/randomPassword:RandomPassword"  # noqa: S105 - a type's name
#: How Pulumi marks a secret on the wire (sdk/python/lib/pulumi/runtime/rpc.py).
_SIGNATURE, _SECRET = rpc._special_sig_key, rpc._special_secret_sig  # noqa: SLF001 - there is no public name


@dataclass(frozen=True)
class SecretValue:
    """A value that the program marked as secret. Never shown."""

    value: Any

    def __repr__(self) -> str:
        """Nothing of it."""
        return "(secret)"


@dataclass(frozen=True, kw_only=True)
class Registered:
    """One resource as the engine would have it."""

    urn: str
    type: str
    name: str
    parent: str
    custom: bool
    inputs: Mapping[str, Any]
    dependencies: tuple[str, ...]
    protect: bool
    retain_on_delete: bool
    #: How long Pulumi waits for it to be created, updated, deleted; empty: as long as the provider does by itself.
    timeouts: tuple[str, str, str]


class _Recorder(mocks.MockMonitor):
    """Keeps every request."""

    def __init__(self, answers: mocks.Mocks) -> None:
        super().__init__(answers)
        self.registered: list[Registered] = []

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - gRPC's name
        response: Any = super().RegisterResource(request)  # type: ignore[no-untyped-call]
        if request.type != "pulumi:pulumi:Stack":
            self.registered.append(
                Registered(
                    urn=response.urn,
                    type=request.type,
                    name=request.name,
                    parent=request.parent,
                    custom=request.custom,
                    inputs=_plain(request.object),
                    dependencies=tuple(sorted(request.dependencies)),
                    protect=request.protect,
                    retain_on_delete=request.retainOnDelete,
                    timeouts=(
                        request.customTimeouts.create,
                        request.customTimeouts.update,
                        request.customTimeouts.delete,
                    ),
                )
            )
        return response


class _Answers(mocks.Mocks):
    """What providers would answer: an object is what it was asked to be, a password is what it is told."""

    def __init__(self, password: Callable[[str], str]) -> None:
        self._password = password

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        if args.typ == PASSWORD_TYPE:
            return args.name, {**args.inputs, "result": self._password(args.name)}
        if args.typ == STACK_TYPE:
            return args.name, {"outputs": outputs_of(self._password), "secretOutputNames": sorted(SECRETS)}
        return args.name, dict(args.inputs)

    def call(self, args: mocks.MockCallArgs) -> Any:
        if args.token == SECRET_FUNCTION:
            return {"secretString": json.dumps({"password": self._password("database-admin")})}
        raise LookupError(f"the program asks a provider: {args.token}; a render has none to ask")


def outputs_of(password: Callable[[str], str]) -> dict[str, Any]:
    """What stands for the outputs of infra/aws: names that lead nowhere, and passwords."""
    return {
        "region": "eu-central-1",
        "database_host": "database.invalid",
        "database_admin_secret_arn": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:database",
        "cache_host": "cache.invalid",
        "cache_passwords": {user: password(f"cache-{user}") for user in CLIENTS},
        "broker_endpoint": f"amqps://broker.invalid:{PORT_AMQPS}",
        "broker_admin_password": password("broker-admin"),
    }


def record(config: Mapping[str, str], stack: str, password: Callable[[str], str]) -> tuple[Registered, ...]:
    """Run `infra/__main__.py` for one stack. Not thread-safe: Pulumi's runtime is one a process.

    `password` gives the value of a generated password by its logical name.

    Raises:
        whatever the program raises, the settings' errors among them.
    """
    return run(PROGRAM, "millrace", at_home(config), stack, _Answers(password))


def run(
    program: Path, project: str, config: Mapping[str, str], stack: str, answers: mocks.Mocks
) -> tuple[Registered, ...]:
    """Run any program of Pulumi's; `answers` is what providers would say. Not thread-safe, as `record` is not."""
    recorder = _Recorder(answers)
    with _uncollected(), _loop() as loop:
        set_mocks(recorder.mocks, project=project, stack=stack, preview=False, monitor=recorder)
        set_all_config(dict(config))
        loop.run_until_complete(run_pulumi_func(lambda: _run(program)))
    return tuple(recorder.registered)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the garbage collector: it took a quarter of a run's time, and a run leaves little that it could free."""
    collected = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collected:
            gc.enable()


@contextmanager
def _loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop of its own, and one thread for the requests: Pulumi's mocks give each thread a loop, and close none."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    with ThreadPoolExecutor(1, initializer=lambda: asyncio.set_event_loop(asyncio.new_event_loop())) as requests:
        loop.set_default_executor(requests)
        try:
            yield loop
        finally:
            requests.submit(lambda: asyncio.get_event_loop().close()).result()
            loop.close()
            asyncio.set_event_loop(None)


def _run(program: Path) -> None:
    runpy.run_path(str(program), run_name="__main__")


def _plain(struct: Struct) -> dict[str, Any]:
    return {key: _value(value) for key, value in struct.fields.items()}


def _value(value: Value) -> Any:  # noqa: PLR0911 - a value is one of six
    match value.WhichOneof("kind"):
        case "struct_value":
            fields = value.struct_value.fields
            if _SIGNATURE in fields and fields[_SIGNATURE].string_value == _SECRET:
                return SecretValue(_value(fields["value"]))
            return _plain(value.struct_value)
        case "list_value":
            return [_value(one) for one in value.list_value.values]
        case "number_value":
            return int(value.number_value) if value.number_value.is_integer() else value.number_value
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case _:
            return None
