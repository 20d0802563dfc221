"""Addresses that the far side refuses for good, among good ones: only the refused ones end in the dead letters."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from loadtests.collector import Rows
from loadtests.mix.far_side import REFUSED
from loadtests.mix.limited_calls import PATH, stored
from loadtests.mix.mixed import Judged
from loadtests.mix.sender import Sender

NAME = "poison"
POISONED, NEIGHBOURS = 3, 3


@dataclass(kw_only=True)
class Poison:
    """One list with poisoned addresses and good ones."""

    name: str = NAME
    _poisoned: list[str] = field(default_factory=list)
    _neighbours: list[str] = field(default_factory=list)
    _job_id: str = ""

    def send(self, sender: Sender) -> None:
        """Send one list."""
        self._poisoned = [f"{sender.run}-poison-{number}" for number in range(POISONED)]
        self._neighbours = [f"{sender.run}-neighbour-{number}" for number in range(NEIGHBOURS)]
        body = [{"address_id": name, "words": f"{REFUSED} {name}"} for name in self._poisoned]
        body += [{"address_id": name, "words": f"Street {name}"} for name in self._neighbours]
        self._job_id = str(sender.post(PATH, body, key="poison")["job_id"])

    def judge(self, rows: Rows) -> list[Judged]:
        """The job's dead letters, and what is stored."""
        query = "SELECT convert_from(body, 'UTF8'), reason FROM dead_letters WHERE job_id = %s AND state = 'dead'"
        bodies = rows.execute(query, (self._job_id,)).fetchall()
        everyone = [*self._poisoned, *self._neighbours]
        # The item is JSON inside JSON, so that its quotes are escaped; no name is part of another.
        letters = {name: reason for name in everyone for body, reason in bodies if name in body}
        return judged(
            poisoned=self._poisoned, neighbours=self._neighbours, letters=letters, number=len(bodies),
            located=stored(rows, everyone),
        )  # fmt: skip


def judged(
    *,
    poisoned: Collection[str],
    neighbours: Collection[str],
    letters: Mapping[str, str],
    number: int,
    located: Collection[str],
) -> list[Judged]:
    """Only the poisoned addresses are in the dead letters (`number` in all), and their neighbours are located."""
    reasons = ", ".join(sorted(set(letters.values()))) or "none"
    return [
        Judged(
            pattern=NAME,
            promise="poison only in the dead letters",
            expected=f"{len(poisoned)} dead letters, one for each poisoned address",
            found=f"{number} dead letters, {len(set(poisoned) & set(letters))} of poison; reason: {reasons}",
            ok=set(letters) == set(poisoned)
            and all(letters.values())
            and number == len(poisoned)
            and not set(poisoned) & set(located),
        ),
        Judged(
            pattern=NAME,
            promise="poison's neighbours done",
            expected=f"{len(neighbours)} good addresses of the same request located",
            found=f"{len(set(neighbours) & set(located))} of them",
            ok=set(neighbours) <= set(located),
        ),
    ]
