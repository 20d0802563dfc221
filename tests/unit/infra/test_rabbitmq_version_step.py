"""The RabbitMQ image's script that refuses to start on a volume of a version without a supported path to its own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.unit.infra.stacks import ROOT


@pytest.mark.parametrize(
    ("found", "wanted", "starts"),
    [
        (None, "4.3", True),
        ("4.3", "4.3", True),
        ("4.2", "4.3", True),
        # Back to the image that wrote the volume, after a step that never came up.
        ("4.3", "4.2", True),
        ("4.1", "4.3", False),
        ("4.0", "4.3", False),
        ("4.3", "4.0", False),
        ("3.13", "4.3", False),
    ],
)
def test_a_minor_version_is_not_skipped(tmp_path: Path, found: str | None, wanted: str, starts: bool) -> None:
    """By the volume that the node starts on, which knows what wrote it; nobody has to say it."""
    marker = tmp_path / "millrace-rabbitmq-version"
    if found is not None:
        marker.write_text(f"{found}\n")
    command = ("sh", str(ROOT / "infra/images/rabbitmq/version-step"), str(tmp_path), wanted)

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode == 0) is starts
    assert marker.read_text().strip() == (wanted if starts else found)
    if not starts:
        assert f"RabbitMQ {found} wrote this volume" in done.stderr
        assert f"put the image of {found} back" in done.stderr
