"""Which policies can part a broker from its neighbours; what becomes of the real one is asked in infra/program."""

from __future__ import annotations

import pytest

from chaos.errors import NotConfirmedError
from chaos.partition import without


def test_a_policy_without_neighbours_cuts_nothing() -> None:
    """A drill that changes nothing must not be taken for one."""
    with pytest.raises(NotConfirmedError, match="reach each other"):
        without({"ingress": [], "egress": []}, "rabbitmq-1")
