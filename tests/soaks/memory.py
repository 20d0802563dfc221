"""`python -m tests.soaks.memory`: leaky tasks on two workers, one that replaces its children and one that does not.

It starts a stack of its own, sends both workers the same leaks, and plots the memory of their containers and each lost
child (docs/patterns/heavy-and-leaky.svg).
"""

from __future__ import annotations

import time
from collections import Counter
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from loadtests.rows import used_mib
from tests.harness import cleanup, images, memory
from tests.harness.stack import Stack
from tests.harness.waiting import eventually
from tests.soaks.memory_plot import Sample, drawing

#: Queue to the size at which its worker replaces a child.
_WORKERS = {"external": memory.CHILD_MIB, "bulk": memory.NEVER_MIB}
_TITLES = {"external": f"children replaced at {memory.CHILD_MIB} MiB", "bulk": "children never replaced"}
LEAK_MIB = 4
#: Between two samples.
_PAUSE_SECONDS = 1.0


def main(
    seconds: Annotated[float, typer.Option(help="How long leaks are sent.")] = 1200.0,
    a_second: Annotated[float, typer.Option(help="Leaks of 4 MiB a second, for each worker.")] = 1.0,
    out: Annotated[Path, typer.Option(help="The drawing.")] = Path("docs/patterns/heavy-and-leaky.svg"),
) -> None:
    """Run the leaky tasks for so long; draw the memory, and print the outcome."""
    console = Console()
    cleanup.begin()
    images.resolve()
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        stack = Stack("soak", Path(folder))
        try:
            stack.start()
            stack.ensure()
            samples = _soak(stack, seconds, a_second)
            for queue in _WORKERS:
                console.print(_outcome(stack, queue))
        finally:
            stack.close()
            cleanup.end()
    out.write_text(drawing({_TITLES[queue]: samples[queue] for queue in _WORKERS}, limit_mib=memory.LIMIT_MIB))
    console.print(f"Drawn: {out}")


def _soak(stack: Stack, seconds: float, a_second: float) -> dict[str, list[Sample]]:
    memory.prepare(stack)
    for queue, child_mib in _WORKERS.items():
        memory.worker(stack, f"worker-{queue}", child_mib=child_mib)
    samples: dict[str, list[Sample]] = {queue: [] for queue in _WORKERS}
    began, sent = time.monotonic(), 0
    with Progress() as progress:
        task = progress.add_task("Soak", total=seconds)
        while (passed := time.monotonic() - began) < seconds:
            due = int(passed * a_second)
            for queue in _WORKERS:
                ids = [f"{queue}-{number}" for number in range(sent, due)]
                memory.send_leaks(stack, ids, mib=LEAK_MIB, queue=queue)
                samples[queue].append(_sample(stack, queue, passed))
            sent = due
            progress.update(task, completed=passed)
            time.sleep(_PAUSE_SECONDS)
    for queue in _WORKERS:
        eventually(partial(_leaked, stack, queue, sent), within=600, what=f"{queue} has done all")
    return samples


def _leaked(stack: Stack, queue: str, tasks: int) -> bool:
    return len(memory.leaks(stack, f"{queue}-")) >= tasks


def _sample(stack: Stack, queue: str, at: float) -> Sample:
    stats: Any = stack.machines[f"worker-{queue}"].docker.stats(stream=False, one_shot=True)
    return Sample(seconds=at, mib=used_mib(stats), crashes=memory.crashes(stack, f"worker-{queue}", queue))


def _outcome(stack: Stack, queue: str) -> str:
    found = memory.leaks(stack, f"{queue}-")
    times = Counter(leak_id for leak_id, _, _ in found)
    return (
        f"{_TITLES[queue]}: {len(times):,} leaks of {LEAK_MIB} MiB, {sum(times.values()) - len(times)} done twice, "
        f"{len({pid for _, pid, _ in found})} children, {memory.crashes(stack, f'worker-{queue}', queue)} crashes, "
        f"peak of a child {max(peak for _, _, peak in found) // 1024} MiB"
    )


if __name__ == "__main__":
    typer.run(main)
