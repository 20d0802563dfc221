"""The devcluster runs staging's own settings, but for images, the host's name, and how many pods there may be."""

from __future__ import annotations

from pathlib import Path

import yaml

from infra.render.program import REPOSITORY, Program
from infra.staging import images, stack_file


def test_only_images_host_and_most_pods_differ(tmp_path: Path) -> None:
    """And the settings are valid."""
    file = stack_file.write(tmp_path, "0.1.0-abc")

    own = yaml.safe_load((REPOSITORY / "Pulumi.staging.yaml").read_text())
    found = yaml.safe_load(file.read_text())
    assert found["config"]["millrace:images"] == {"registry": "", "version": "0.1.0-abc"}
    assert found["config"]["millrace:workloads"]["gateway"]["ingress"]["host"] == "localhost"
    for document in (own, found):
        workloads = document["config"]["millrace:workloads"]
        del document["config"]["millrace:images"]
        del workloads["gateway"]["ingress"]["host"]
        for scaled in (workloads["gateway"], *workloads["pools"]):
            assert scaled["scaling"].pop("maxReplicas", 0) in {0, 20 if document is own else stack_file.MAX_REPLICAS}
    assert found == own
    assert Program.of("staging", file).settings.images.version == "0.1.0-abc"


def test_a_registry_and_its_digests_are_left_out() -> None:
    """The nodes have the images already; a digest of a registry would not be theirs."""
    document = {
        "config": {
            "millrace:images": {"registry": "example.com/x", "version": "1", "digests": {"app": "sha256:1"}},
            "millrace:workloads": {"gateway": {"ingress": {"host": "x"}, "scaling": {}}, "pools": []},
        }
    }

    assert stack_file.derived(document, "2")["config"]["millrace:images"] == {"registry": "", "version": "2"}
    assert document["config"]["millrace:images"]["version"] == "1"


def test_a_version_is_its_content() -> None:
    """The same for the same images in any order, another for another image."""
    one = images.version_of({"app": "sha256:1", "redis": "sha256:2"})

    assert one == images.version_of({"redis": "sha256:2", "app": "sha256:1"})
    assert one != images.version_of({"app": "sha256:3", "redis": "sha256:2"})
    assert one.startswith("0.1.0-")
    assert len(one) == len("0.1.0-") + 12
