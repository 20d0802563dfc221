"""Tasks of hours, in steps: each step commits with its checkpoint, and a message holds a bounded slice of them.

    @in_steps(slice_seconds=20, key="range_id", http=True)
    def count_primes(job: Range, position: Position, tx: Transaction) -> Position | None: ...

The function does one step and returns the state of the next step, or None at the end. After `slice_seconds` the task
goes on as a new message, which the step's commit sends. So a deploy waits for one slice at most, and no message reaches
the broker's consumer timeout. After a kill the task goes on with the step after the last committed one.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, get_args, get_type_hints

from pydantic import BaseModel

from app.errors import DeclarationError
from app.kinds import Transaction, once
from app.kinds.declared import DeclaredTask
from app.patterns.stepped_task import Step, SteppedTask

#: A third of the usual soft time limit.
SLICE_SECONDS = 20.0


def in_steps(*, slice_seconds: float = SLICE_SECONDS, **options: Any) -> Callable[[Step], DeclaredTask]:
    """Declare a task whose function does one step: `step(item: Item, state: State, tx) -> State | None`.

    Item and State are pydantic models; the first step gets `State()`. Options are those of `once`.
    slice_seconds: after this time, or a third of the pool's soft time limit, the task goes on as another message.

    Raises:
        DeclarationError: the task cannot work as declared; the message says why.
    """

    def decorate(function: Step) -> DeclaredTask:
        where = f"{function.__module__}:{function.__name__}"
        if not slice_seconds > 0:
            raise DeclarationError(f"({where}: slice_seconds must be above 0)")
        item, state, tx = _parameters(function, where)
        runs_as = type(
            "SteppedTask", (SteppedTask,),
            {
                "abstract": True, "step": staticmethod(function), "state_name": state,
                "state_model": get_type_hints(function)[state], "slice_seconds": slice_seconds,
            },
        )  # fmt: skip
        declared = {"name": function.__name__, "runs_as": runs_as, **options}
        return once(**declared)(_without_state(function, item, tx))

    return decorate


def _parameters(function: Step, where: str) -> tuple[str, str, str]:
    hints, names = get_type_hints(function), list(inspect.signature(function).parameters)
    state = hints.get(names[1]) if len(names) == len(("item", "state", "transaction")) else None
    if not isinstance(state, type) or not issubclass(state, BaseModel) or hints.get(names[2]) is not Transaction:
        raise DeclarationError(f"({where}: takes an item, a state and a Transaction, in this order)")
    if any(field.is_required() for field in state.model_fields.values()):
        raise DeclarationError(
            f"({where}: {state.__name__} needs a default for each member: a task begins with {state.__name__}())"
        )
    if set(get_args(hints.get("return"))) != {state, type(None)}:
        raise DeclarationError(f"({where}: returns {state.__name__} | None)")
    return names[0], names[1], names[2]


def _without_state(function: Step, item: str, tx: str) -> Callable[..., None]:
    """A function with the signature that senders see: without the state."""

    def run(**_: Any) -> None:
        raise RuntimeError(f"{function.__name__} runs in steps: send it with delay()")

    hints = get_type_hints(function)
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    run.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in (item, tx)])  # type: ignore[attr-defined]  # inspect reads it
    run.__annotations__ = {item: hints[item], tx: Transaction}
    run.__module__, run.__name__, run.__doc__ = function.__module__, function.__name__, function.__doc__
    return run
