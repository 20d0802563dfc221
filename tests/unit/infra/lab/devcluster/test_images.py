"""Images."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile

import pytest

from infra.lab.devcluster.images import archive, full_name


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("millrace-app:latest", "docker.io/library/millrace-app:latest"),
        ("millrace-app", "docker.io/library/millrace-app:latest"),
        ("grafana/grafana:12", "docker.io/grafana/grafana:12"),
        ("ghcr.io/kedacore/keda:2", "ghcr.io/kedacore/keda:2"),
        ("localhost/app:1", "localhost/app:1"),
        ("registry.local:5000/app:1", "registry.local:5000/app:1"),
        ("registry.local:5000/app", "registry.local:5000/app:latest"),
    ],
)
def test_a_name_is_completed_as_docker_means_it(name: str, full: str) -> None:
    """Containerd lists whole names."""
    assert full_name(name) == full


def test_an_archive_holds_what_its_manifest_says() -> None:
    """The layer's sum is in the configuration; a runtime checks it. No time is in it: one program is one archive."""
    with tarfile.open(fileobj=io.BytesIO(archive("a.test/pause:1", b"program"))) as tar:
        assert {member.mtime for member in tar} == {0}
        contents = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
    (manifest,) = json.loads(contents["manifest.json"])
    assert manifest["RepoTags"] == ["a.test/pause:1"]
    layer = contents[manifest["Layers"][0]]
    configuration = json.loads(contents[manifest["Config"]])
    assert configuration["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer).hexdigest()}"]
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        program = tar.getmember("pause")
    assert (program.mode, program.mtime) == (0o755, 0)
