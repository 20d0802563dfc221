"""The images that a stack file names: written without a change of anything else."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest
import yaml

from infra.local import stack_images
from infra.render.program import REPOSITORY
from infra.settings.load import SettingsError

VERSIONS = {"app": "0.1.0-1", "rabbitmq": "4.3-2", "redis": "8-3"}
DIGESTS = dict.fromkeys(VERSIONS, f"sha256:{'a' * 64}")
REGISTRY = "registry.example.com/other"
FILES = [*sorted(REPOSITORY.glob("Pulumi.*.yaml")), *sorted((REPOSITORY / "docs" / "stacks").glob("*.yaml"))]


def _copy(file: Path, folder: Path) -> Path:
    copy = folder / file.name
    copy.write_text(file.read_text())
    return copy


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_nothing_else_in_a_file_changes(tmp_path: Path, file: Path) -> None:
    """Neither a setting nor a comment."""
    copy = _copy(file, tmp_path)
    before = yaml.safe_load(copy.read_text())

    assert stack_images.write(copy, REGISTRY, VERSIONS, DIGESTS)

    after = yaml.safe_load(copy.read_text())
    images = {"registry": REGISTRY, "versions": VERSIONS, "digests": DIGESTS}
    assert after["config"].pop("millrace:images") == images
    before["config"].pop("millrace:images")
    assert after == before
    lost = [one for one in difflib.ndiff(file.read_text().splitlines(), copy.read_text().splitlines()) if one[0] == "-"]
    assert not [line for line in lost if "#" in line]
    assert stack_images.named(copy) == images


def test_a_file_that_names_them_is_not_touched(tmp_path: Path) -> None:
    """Not even its time."""
    file = _copy(FILES[0], tmp_path)
    stack_images.write(file, REGISTRY, VERSIONS, DIGESTS)
    before = file.stat()

    assert not stack_images.write(file, REGISTRY, dict(reversed(VERSIONS.items())), DIGESTS)

    assert file.stat().st_mtime_ns == before.st_mtime_ns


def test_a_stack_is_read_before_it_has_images(tmp_path: Path) -> None:
    """Prod is refused without digests, which only a push makes."""
    file = _copy(REPOSITORY / "Pulumi.prod.yaml", tmp_path)
    document = yaml.safe_load(file.read_text())
    del document["config"]["millrace:images"]
    file.write_text(yaml.safe_dump(document))

    assert stack_images.stack(file).own_images == ("app", "rabbitmq", "redis", "pgbouncer")
    assert not stack_images.named(file)
    assert stack_images.write(file, REGISTRY, VERSIONS, DIGESTS)


def test_another_setting_that_is_wrong_is_refused(tmp_path: Path) -> None:
    """With its own message, not with one of the images."""
    file = _copy(REPOSITORY / "Pulumi.staging.yaml", tmp_path)
    document = yaml.safe_load(file.read_text())
    document["config"]["millrace:broker"] = 3
    file.write_text(yaml.safe_dump(document))

    with pytest.raises(SettingsError, match="millrace:broker"):
        stack_images.stack(file)
