"""What `make staging` tells others, and refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.lab.staging import target, where
from infra.lab.staging.api_keys import key_in
from infra.lab.staging.errors import StagingError
from infra.lab.staging.folder import Folder
from infra.lab.staging.place import Place
from infra.lab.staging.up import require_images
from infra.local.state import State
from infra.render.program import Program

KEY = "mr_" + "0a" * 8 + "_" + "1b" * 32


def _target(place: Place, tmp_path: Path) -> dict[str, object]:
    return target.content(
        place,
        Folder.of(State(tmp_path)),
        gateway_url="https://localhost:10443",
        stack_file=Path("Pulumi.staging.yaml"),
        kubectl="/bin/kubectl",
    )


def test_every_path_is_absolute(tmp_path: Path) -> None:
    """Its readers may be anywhere."""
    found = _target(Place(), tmp_path)

    for name, value in found.items():
        if name.endswith("_file") or name in {"kubeconfig", "kubectl"}:
            assert Path(str(value)).is_absolute(), name


def test_only_our_own_cluster_has_cables_to_pull(tmp_path: Path) -> None:
    """A foreign one keeps its nodes."""
    assert "node_link_command" in _target(Place(), tmp_path)
    assert "node_link_command" not in _target(Place("theirs"), tmp_path)


def test_a_person_is_told_how_to_reach_everything(tmp_path: Path) -> None:
    """Lines to copy, and never a secret itself."""
    said = "\n".join(where.lines(_target(Place(), tmp_path)))

    assert "curl --cacert" in said
    assert "port-forward service/rabbitmq 15671" in said
    assert "port-forward deployment/flower 5555" in said


def test_a_foreign_cluster_needs_a_registry() -> None:
    """Refused before anything is changed, with the way out."""
    program = Program.of("staging")

    require_images(Place(), program)
    with pytest.raises(StagingError, match=r"images\.registry of Pulumi\.staging\.yaml is empty"):
        require_images(Place("theirs"), program)


def test_secrets_are_for_their_owner_alone(tmp_path: Path) -> None:
    """The folder is closed, too."""
    assert Folder.of(State(tmp_path)).secrets.stat().st_mode & 0o777 == 0o700


def test_a_key_is_found_among_lines_of_a_log() -> None:
    """A pod's log has both of its outputs."""
    assert key_in(f'{{"event": "connected"}}\n{KEY}\n{{"event": "closed"}}\n') == KEY
    assert key_in("Error: no such scope") is None


def test_a_stack_is_found_where_it_belongs() -> None:
    """By the word of a person, then by its own settings; the devcluster's context is no other cluster."""
    assert Place.of(None, None) == Place.of(None, "millrace") == Place()
    assert Place.of("theirs", "millrace") == Place.of(None, "theirs") == Place("theirs")
