"""What is billed is counted from the stack."""

from __future__ import annotations

from collections.abc import Callable

from infra.aws.bill import quantities
from infra.render.recorder import Registered


def test_what_prod_is_billed_for(registered: Callable[[str], tuple[Registered, ...]]) -> None:
    """Counted by hand: six endpoints in three zones, two nodes in each, two disks a node, a standby of the database."""
    found = quantities(registered("prod"))
    assert found["interface endpoint, by zone and hour"] == 18
    assert found["node m7g.xlarge, by hour, at least"] == 6
    assert found["gp3 of nodes, by GiB and month, at least"] == 1200
    assert found["db.m7g.large of RDS, by hour"] == 2
    assert found["mq.m7g.large of Amazon MQ, by hour"] == 3
    assert found["cache.m7g.large of ElastiCache, by hour"] == 3
