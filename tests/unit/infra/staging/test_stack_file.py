"""The devcluster runs staging's own settings, but for context, images, host name, and how many pods there may be."""

from __future__ import annotations

from pathlib import Path

import yaml

from infra.render.program import REPOSITORY, Program
from infra.settings.scaling import most_replicas
from infra.staging import images, stack_file


def test_only_context_images_host_and_most_pods_differ(tmp_path: Path) -> None:
    """And the settings are valid."""
    file = stack_file.write(tmp_path, "0.1.0-abc")

    own = yaml.safe_load((REPOSITORY / "Pulumi.staging.yaml").read_text())
    found = yaml.safe_load(file.read_text())
    assert found["config"]["millrace:images"] == {"registry": "", "version": "0.1.0-abc"}
    assert found["config"]["millrace:workloads"]["gateway"]["ingress"]["host"] == "localhost"
    assert found["config"]["millrace:cluster"].pop("context") == "millrace"
    for document, most in ((own, 20), (found, stack_file.MAX_REPLICAS)):
        workloads = document["config"]["millrace:workloads"]
        del document["config"]["millrace:images"]
        del workloads["gateway"]["ingress"]["host"]
        assert workloads["gateway"]["scaling"].pop("maxReplicas") == most
    for name in ("interactive", "bulk"):
        added = found["config"]["millrace:workloads"]["pools"][name].pop("scaling")
        assert added == {"maxReplicas": stack_file.MAX_REPLICAS}, "what scales, and nothing else of it"
    assert found == own
    settings = Program.of("staging", file).settings
    assert settings.images.version == "0.1.0-abc"
    assert [most_replicas(pool.scaling) for pool in settings.workloads.pools] == [3, 3, 2]


def test_a_registry_and_its_digests_are_left_out() -> None:
    """The nodes have the images already; a digest of a registry would not be theirs."""
    document = {
        "config": {
            "millrace:images": {"registry": "example.com/x", "version": "1", "digests": {"app": "sha256:1"}},
            "millrace:cluster": {},
            "millrace:workloads": {"gateway": {"ingress": {"host": "x"}, "scaling": {}}},
        }
    }

    assert stack_file.derived(document, "2", ())["config"]["millrace:images"] == {"registry": "", "version": "2"}
    assert document["config"]["millrace:images"]["version"] == "1"


def test_a_version_is_its_content() -> None:
    """The same for the same images in any order, another for another image."""
    one = images.version_of({"app": "sha256:1", "redis": "sha256:2"})

    assert one == images.version_of({"redis": "sha256:2", "app": "sha256:1"})
    assert one != images.version_of({"app": "sha256:3", "redis": "sha256:2"})
    assert one.startswith("0.1.0-")
    assert len(one) == len("0.1.0-") + 12
