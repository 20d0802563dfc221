"""Steps from one version of RabbitMQ to another: the image's script by the volume, the program by what runs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from infra.servers.rabbitmq.steps import skipped_version
from tests.unit.infra.stacks import ROOT

#: The version that wrote the volume, the image's, and whether it may start.
STEPS = (
    ("4.3", "4.3", True),
    ("4.2", "4.3", True),
    # Back to the image that wrote the volume, after a step that never came up.
    ("4.3", "4.2", True),
    ("4.1", "4.3", False),
    ("4.0", "4.3", False),
    ("4.3", "4.0", False),
    ("3.13", "4.3", False),
)


def _start(volume: Path, wanted: str) -> subprocess.CompletedProcess[str]:
    command = ("sh", str(ROOT / "infra/images/rabbitmq/version-step"), str(volume), wanted)
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _marker(volume: Path) -> Path:
    return volume / "millrace-rabbitmq-version"


def _data(volume: Path, *flags: str) -> None:
    """What RabbitMQ leaves of its feature flags: an Erlang term in a file beside the node's folder."""
    (volume / "data" / "rabbit@rabbitmq-0").mkdir(parents=True)
    if flags:
        text = ",\n ".join(f"'{flag}'" if "." in flag else flag for flag in flags)
        (volume / "data" / "rabbit@rabbitmq-0-feature_flags").write_text(f"[{text}].\n")


@pytest.mark.parametrize(("found", "wanted", "starts"), STEPS)
def test_a_minor_version_is_not_skipped(tmp_path: Path, found: str, wanted: str, starts: bool) -> None:
    """By the volume that the node starts on, which knows what wrote it; nobody has to say it."""
    _marker(tmp_path).write_text(f"{found}\n")

    done = _start(tmp_path, wanted)

    assert (done.returncode == 0) is starts
    assert _marker(tmp_path).read_text().strip() == (wanted if starts else found)
    if not starts:
        assert f"RabbitMQ {found} wrote this volume" in done.stderr
        assert f"put the image of {found} back" in done.stderr


@pytest.mark.parametrize(("before", "after", "allowed"), STEPS)
def test_the_preview_judges_as_the_volume_does(before: str, after: str, allowed: bool) -> None:
    """One rule in two languages."""
    assert (not list(skipped_version(before, after))) is allowed


def test_an_empty_volume_is_anybody_s(tmp_path: Path) -> None:
    """A new node, whose file system has made a folder of its own already."""
    (tmp_path / "lost+found").mkdir()

    assert _start(tmp_path, "4.3").returncode == 0
    assert _marker(tmp_path).read_text() == "4.3\n"


@pytest.mark.parametrize("marker", [None, ""], ids=["no marker", "an empty one"])
@pytest.mark.parametrize(("found", "starts"), [("4.2", True), ("4.0", False)])
def test_data_without_a_marker_tell_by_their_feature_flags(
    tmp_path: Path, found: str, starts: bool, marker: str | None
) -> None:
    """A volume from before the marker; RabbitMQ names a flag after each version whose flags are all on."""
    versions = [f"rabbitmq_4.{minor}.0" for minor in range(int(found.partition(".")[2]) + 1)]
    _data(tmp_path, "khepri_db", *versions, "virtual_host_metadata")
    if marker is not None:
        _marker(tmp_path).write_text(marker)

    done = _start(tmp_path, "4.3")

    assert (done.returncode == 0) is starts
    assert starts or f"RabbitMQ {found} wrote this volume" in done.stderr


@pytest.mark.parametrize("flags", [(), ("quorum_queue", "stream_queue")], ids=["no file", "RabbitMQ 3"])
def test_data_that_tell_nothing_are_refused(tmp_path: Path, flags: tuple[str, ...]) -> None:
    """Before a marker is written, which would make them pass the next time; the error says what to write where."""
    _data(tmp_path, *flags)

    done = _start(tmp_path, "4.3")

    assert done.returncode == 1
    assert not _marker(tmp_path).exists()
    assert f"write its version, such as 4.3, into {_marker(tmp_path)}" in " ".join(done.stderr.split())
