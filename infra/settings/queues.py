"""The file that declares a stack's queues, read and checked, pools included."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import PlainValidator, WithJsonSchema

from app.contract import DEFAULT_QUEUES_FILE, Queue, read_queues
from infra.settings.explain import JOINED
from infra.settings.pools import own_pool

#: What a path in a stack file is relative to.
REPOSITORY = Path(__file__).resolve().parents[2]
DEFAULT = str(DEFAULT_QUEUES_FILE.resolve().relative_to(REPOSITORY))


@dataclass(frozen=True)
class QueuesFile:
    """What it declares, and its text, for the pods that read it themselves."""

    queues: tuple[Queue, ...]
    text: str


def read(path: Any) -> QueuesFile:
    """The file of this path.

    Raises:
        ValueError: it is missing or wrong; each problem is a line that names the file and the queue.
    """
    if not isinstance(path, str):
        raise ValueError(f"{path!r} is not the path of a file")  # noqa: TRY004 - pydantic reports a ValueError
    file = REPOSITORY / path
    queues = read_queues(file)
    problems = []
    for queue in queues:
        try:
            own_pool(queue)
        except ValueError as error:
            problems += [f"{file}: {line}" for line in str(error).split(JOINED)]
    if problems:
        raise ValueError(JOINED.join(problems))
    return QueuesFile(queues, file.read_text())


QueuesPath = Annotated[QueuesFile, PlainValidator(read), WithJsonSchema({"type": "string"})]
