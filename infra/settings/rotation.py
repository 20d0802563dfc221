"""Which generation of each credential is used, which are accepted beside it, and which steps cut nobody off."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator

from app.contract import Role

#: The name of the certificate authority among the credentials; the others are named as their roles.
AUTHORITY = "authority"
#: What servers use among themselves: each is the other's client, so all must accept a generation before any uses it.
AMONG_SERVERS = frozenset({AUTHORITY, Role.REPLICA, Role.SENTINEL, Role.PROBE})


def _rotated(generations: tuple[int, ...]) -> tuple[int, ...]:
    """Two logins of a role take turns, so two generations at once must be neighbours."""
    if not 1 <= len(generations) <= 2 or min(generations) < 1:
        raise ValueError(f"{list(generations)}: write [USED], or [USED, ALSO ACCEPTED], counted from 1")
    if len(generations) == 2 and abs(generations[0] - generations[1]) != 1:
        raise ValueError(f"{list(generations)}: the second must be the generation before or after the first")
    return generations


#: The first is what clients use; servers accept all of them.
Generations = Annotated[tuple[int, ...], AfterValidator(_rotated)]
FIRST: Generations = (1,)


def skipped(user: str, before: Generations, after: Generations) -> Iterator[str]:
    """The problem of a deployment that goes from one to the other, if there is one.

    Servers change first, so they must go on accepting what clients use until then. They change one after the other, so
    what they use among themselves must be accepted before, too.
    """
    used, wanted = before[0], after[0]
    if used in after and (user not in AMONG_SERVERS or wanted in before):
        return
    near = used + (wanted > used) - (wanted < used)
    both_accept = user not in AMONG_SERVERS or near in before
    missing = [near, used] if both_accept else [used, near]
    yield (
        f"millrace:rotation.{user}: {list(after)} after {list(before)} leaves a step out, and servers would refuse "
        f"what runs: deploy {missing} first (docs/deployment.md, Rotate a credential)"
    )
