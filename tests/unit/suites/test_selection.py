"""What CI runs of the proofs: what guards a change first, then what it draws, and always the core."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, strategies as st

from tests.suites.runner import REPOSITORY
from tests.suites.selection import chosen, in_order, still_fits
from tests.suites.table import PROOFS, TEST, Suite


def _suite(name: str, *, guards: tuple[str, ...] = (), on_cluster: bool = False, always: bool = False) -> Suite:
    return Suite(name=name, proves="", seconds=100, commands=(), guards=guards, on_cluster=on_cluster, always=always)


SUITES = [
    _suite("core", on_cluster=True, always=True),
    _suite("nodes", guards=("chaos/",), on_cluster=True),
    _suite("relay", guards=("app/relay/",)),
    _suite("redis", guards=("infra/servers/redis",)),
    *(_suite(f"other-{number}") for number in range(6)),
]


def test_what_guards_a_change_comes_before_the_others() -> None:
    """What always runs, the suite of the changed path, then the others."""
    order = [suite.name for suite in in_order(SUITES, changed=["README.md", "app/relay/main.py"], commit="a")]
    assert order[:2] == ["core", "relay"]


@given(commit=st.text(min_size=1))
def test_each_commit_draws_all_of_them_in_an_order_of_its_own(commit: str) -> None:
    """Nothing is forgotten, and the same commit draws the same."""
    first, again = (in_order(SUITES, changed=[], commit=commit) for _ in range(2))
    assert first == again
    assert set(first) == set(SUITES)


def test_commits_draw_differently() -> None:
    """Over some commits every suite comes first at some time."""
    firsts = {in_order(SUITES, changed=[], commit=str(number))[1].name for number in range(200)}
    assert firsts == {suite.name for suite in SUITES if not suite.always}


def test_what_fits_is_chosen_and_the_cluster_comes_last() -> None:
    """The changed paths' suites have their time before others; those on the cluster run last, the core at the end."""
    ordered = in_order(SUITES, changed=["chaos/drain.py", "app/relay/main.py"], commit="a")
    names = [suite.name for suite in chosen(ordered, budget_seconds=450)]
    assert "relay" in names[:2]
    assert names[-2:] == ["nodes", "core"]
    assert len(names) == 4
    assert [suite.name for suite in chosen(ordered, budget_seconds=0)] == ["core"]


def test_what_is_not_for_ci_is_left_to_people() -> None:
    """However much time there is; the others are all chosen."""
    suites = [*SUITES, replace(_suite("unsteady"), not_in_ci="a reason")]
    assert set(chosen(suites, budget_seconds=10_000)) == set(SUITES)


def test_time_for_the_core_is_kept_when_others_were_late() -> None:
    """A suite that would leave none is left out; the core never is."""
    core, relay = SUITES[0], SUITES[2]
    assert still_fits(relay, SUITES, elapsed_seconds=0, budget_seconds=200)
    assert not still_fits(relay, SUITES, elapsed_seconds=1, budget_seconds=200)
    assert still_fits(core, SUITES, elapsed_seconds=1000, budget_seconds=200)


def test_the_table_is_whole() -> None:
    """Each folder of proofs is a suite, none takes more than ten minutes, and every guarded path exists."""
    folders = {str(path.parent.relative_to(REPOSITORY)) for path in REPOSITORY.glob("tests/proofs/*/test_*.py")}
    assert folders == {word for suite in PROOFS for command in suite.commands for word in command if "proofs/" in word}
    assert max(suite.seconds for suite in (*TEST, *PROOFS)) <= 600
    paths = {guard for suite in PROOFS for guard in suite.guards}
    assert not [guard for guard in paths if not list(REPOSITORY.glob(f"{guard.rstrip('/')}*"))]
