"""Two loads at once would each see effects that nobody sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtests.errors import NotReadyError
from loadtests.exclusive import exclusive


def test_a_second_load_is_refused_and_a_later_one_is_not(tmp_path: Path) -> None:
    """With the reason."""
    with exclusive(tmp_path), pytest.raises(NotReadyError, match="Another load"), exclusive(tmp_path):
        pass
    with exclusive(tmp_path):
        pass
    assert not list(tmp_path.iterdir())
