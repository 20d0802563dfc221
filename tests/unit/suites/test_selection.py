"""What CI runs of the proofs: what guards a change first, then what it draws, and always the core."""

from __future__ import annotations

from hypothesis import given, strategies as st

from tests.suites.runner import REPOSITORY
from tests.suites.selection import fits, in_order
from tests.suites.table import PROOFS, TEST, Suite


def _suite(name: str, *, seconds: int = 100, guards: tuple[str, ...] = (), always: bool = False) -> Suite:
    return Suite(name=name, proves="", seconds=seconds, commands=(), guards=guards, always=always)


SUITES = [
    _suite("core", always=True),
    _suite("relay", guards=("app/relay/",)),
    _suite("redis", guards=("infra/servers/redis",)),
    *(_suite(f"other-{number}") for number in range(6)),
]


def test_what_guards_a_change_comes_first_and_the_core_last() -> None:
    """The suite of the changed path, then the others, then what always runs."""
    order = [suite.name for suite in in_order(SUITES, changed=["README.md", "app/relay/main.py"], commit="a")]
    assert order[0] == "relay"
    assert order[-1] == "core"


@given(commit=st.text(min_size=1))
def test_each_commit_draws_all_of_them_in_an_order_of_its_own(commit: str) -> None:
    """Nothing is forgotten, and the same commit draws the same."""
    first, again = (in_order(SUITES, changed=[], commit=commit) for _ in range(2))
    assert first == again
    assert set(first) == set(SUITES)


def test_commits_draw_differently() -> None:
    """Over some commits every suite comes first at some time."""
    firsts = {in_order(SUITES, changed=[], commit=str(number))[0].name for number in range(200)}
    assert firsts == {suite.name for suite in SUITES if not suite.always}


def test_time_for_the_core_is_kept() -> None:
    """A suite is left out if the core would not fit after it; the core is never left out."""
    core, relay = SUITES[:2]
    assert fits(relay, SUITES, elapsed_seconds=0, budget_seconds=200)
    assert not fits(relay, SUITES, elapsed_seconds=1, budget_seconds=200)
    assert fits(core, SUITES, elapsed_seconds=1000, budget_seconds=200)


def test_the_table_is_whole() -> None:
    """Each folder of proofs is a suite, none takes more than ten minutes, and every guarded path exists."""
    folders = {str(path.parent.relative_to(REPOSITORY)) for path in REPOSITORY.glob("tests/proofs/*/test_*.py")}
    assert folders == {word for suite in PROOFS for command in suite.commands for word in command if "proofs/" in word}
    assert max(suite.seconds for suite in (*TEST, *PROOFS)) <= 600
    paths = {guard for suite in PROOFS for guard in suite.guards}
    assert not [guard for guard in paths if not list(REPOSITORY.glob(f"{guard.rstrip('/')}*"))]
