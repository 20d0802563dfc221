"""The file that declares the queues: read whole, or refused with the place that is wrong."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from app import contract
from app.contract import Queue, QueuesFileError, queue_names, read_queues
from infra.local.state import REPOSITORY


def _file(folder: Path, text: str) -> Path:
    path = folder / "queues.toml"
    path.write_text(text)
    return path


def test_one_line_is_a_queue(tmp_path: Path) -> None:
    """All but the purpose has a default."""
    assert read_queues(_file(tmp_path, '[invoices]\npurpose = "to customers"')) == (
        Queue(name="invoices", purpose="to customers"),
    )


def test_the_order_of_the_file_is_the_order_of_service(tmp_path: Path) -> None:
    """Not the alphabet's."""
    path = _file(tmp_path, "".join(f'[{name}]\npurpose = "x"\n' for name in ("zebra", "ape", "mole")))

    assert [queue.name for queue in read_queues(path)] == ["zebra", "ape", "mole"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "declares no queue"),
        ("[a", "Expected"),
        ("a = 1", r"\[a\]: must be a table"),
        ('[Invoices]\npurpose = "x"', r"\[Invoices\]: a name has 1 to 30 lower case letters"),
        ('["a.b"]\npurpose = "x"', r"\[a\.b\]: a name has"),
        ('[a]\npurpose = "x"\nlimit = 3', r"\[a\] limit: nobody reads this entry; known are delivery_limit"),
        ('[a]\npurpose = ""', r"\[a\] purpose: '' is not a text"),
        ("[a]", r"\[a\] purpose: is missing"),
        ('[a]\npurpose = "x"\ndelivery_limit = 0', r"\[a\] delivery_limit: 0 is not a whole number above 0"),
        ('[a]\npurpose = "x"\ndelivery_limit = true', r"\[a\] delivery_limit: True is not a whole number"),
        ('[a]\npurpose = "x"\nmax_length_bytes = 1.5', r"\[a\] max_length_bytes: 1.5 is not a whole number"),
        ('[a]\npurpose = "x"\nstarts_within_seconds = 0.7', r"\[a\] starts_within_seconds: 0.7 is not one of 0.005,"),
        ('[a]\npurpose = "x"\npool = 3', r"\[a\] pool: 3 is not a table"),
        ('[a]\npurpose = "x"\nproducers = "b"', r"\[a\] producers: 'b' is not a list of names"),
        ('[a]\npurpose = "x"\nproducers = ["B"]', r"\[a\] producers: 'B' is not a name of the form"),
        (
            '[a]\npurpose = "x"\n[a.pool.application]\nimage = "b:1"',
            r"\[a\]: our tasks that name no queue go",
        ),
        (
            '[z]\npurpose="x"\n[a]\npurpose = "x"\nstarts_within_seconds = 1\n[a.pool.application]\nimage = "b:1"',
            r"\[a\] starts_within_seconds: its application does not have our canary",
        ),
        ('[a]\npurpose = "x"\nproducers = [3]', r"\[a\] producers: 3 is not a name of the form"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place(tmp_path: Path, text: str, words: str) -> None:
    """File, queue, entry, and what would be right."""
    with pytest.raises(QueuesFileError, match=words) as caught:
        read_queues(_file(tmp_path, text))

    assert "queues.toml" in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """By its path."""
    with pytest.raises(QueuesFileError, match=r"nowhere\.toml"):
        read_queues(tmp_path / "nowhere.toml")


def test_a_command_with_a_wrong_file_says_so_in_a_line(tmp_path: Path) -> None:
    """No traceback: somebody mistyped a word."""
    environment = {"MILLRACE_QUEUES_FILE": str(_file(tmp_path, "[a]")), "PATH": ""}
    done = subprocess.run(
        [REPOSITORY / ".venv/bin/python", "-m", "app", "topology"],
        env=environment, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip

    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"QueuesFileError: {tmp_path}/queues.toml: [a] purpose: is missing; say what the queue is for"
    ]


_SEARCHED = ("app", "infra", "loadtests", "chaos", "compose.yaml", "Makefile")
#: Where a queue's name may stand: its declaration, the declarations of tasks, what a stack overrides.
_NAMED_IN = {"app/queues.toml", "app/contract.py", "Pulumi.staging.yaml", "Pulumi.prod.yaml"}


def test_a_queue_is_named_nowhere_else() -> None:
    """A second place is one that somebody forgets: whoever needs the queues enumerates them."""
    names = "|".join(queue_names())
    named = re.compile(rf"""["']({names})["']|worker-({names})|queue: ({names})$""")
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *_SEARCHED],
        cwd=REPOSITORY, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip

    found = [
        f"{path}:{number}: {line.strip()}"
        for path in tracked
        if path not in _NAMED_IN and not path.startswith("app/tasks/") and (REPOSITORY / path).is_file()
        for number, line in enumerate((REPOSITORY / path).read_text(errors="replace").splitlines(), start=1)
        if named.search(line.split("#", 1)[0])
    ]

    assert found == []


@pytest.mark.parametrize(
    ("external", "expected"),
    [("", "bulk"), ('[external]\npurpose = "x"', "external"), (
        '[external]\npurpose = "x"\n[external.pool.application]\nimage = "theirs:1"\ncommand = ["celery"]', "bulk"
    )],
    ids=["not declared", "ours", "somebody else's"],
)  # fmt: skip
def test_the_examples_work_with_any_queues(
    external: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of them named a queue that a file of one's own need not have, and then no process started."""
    file = tmp_path / "queues.toml"
    file.write_text(f'[interactive]\npurpose = "x"\n[bulk]\npurpose = "x"\n{external}\n')
    found = contract.read_queues(file)
    monkeypatch.setattr(contract, "queues", lambda: found)

    assert contract.external_queue() == expected
