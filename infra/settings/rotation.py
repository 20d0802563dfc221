"""Which generation of each credential is used, and which are accepted beside it while it is rotated."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

#: The name of the certificate authority among the credentials; the others are named as their roles.
AUTHORITY = "authority"


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
