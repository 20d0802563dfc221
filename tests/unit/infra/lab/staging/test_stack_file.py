"""The devcluster runs staging's own settings, but for context, images, host name, and how many pods there may be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from infra.lab.staging import images, stack_file
from infra.local.images import APP, rabbitmq_image
from infra.render.program import REPOSITORY, Program
from infra.settings.scaling import most_replicas


def test_only_context_images_host_and_most_pods_differ(tmp_path: Path) -> None:
    """And the settings are valid."""
    versions = dict.fromkeys(("app", "redis", "pgbouncer", "postgresql", "objectstore"), "0.1.0-abc")
    versions["rabbitmq"] = "4.3-abc"

    file = stack_file.write(tmp_path, versions)

    own = yaml.safe_load((REPOSITORY / "Pulumi.staging.yaml").read_text())
    found = yaml.safe_load(file.read_text())
    assert found["config"]["millrace:images"] == {"registry": "", "versions": versions}
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
    assert settings.images.versions == versions
    assert [most_replicas(pool.scaling) for pool in settings.workloads.pools] == [3, 3, 2]


def test_a_registry_and_its_digests_are_left_out() -> None:
    """The nodes have the images already; a digest of a registry would not be theirs."""
    document: dict[str, Any] = {
        "config": {
            "millrace:images": {
                "registry": "example.com/x",
                "versions": {"app": "1"},
                "digests": {"app": "sha256:1"},
            },
            "millrace:cluster": {},
            "millrace:workloads": {"gateway": {"ingress": {"host": "x"}, "scaling": {}}},
        }
    }

    derived = stack_file.derived(document, {"app": "2"}, ())

    assert derived["config"]["millrace:images"] == {"registry": "", "versions": {"app": "2"}}
    assert document["config"]["millrace:images"]["versions"] == {"app": "1"}


def test_a_version_is_its_content() -> None:
    """The same for the same image, another for another one; it begins with what is in the image."""
    one = images.version_of(APP, "sha256:1")

    assert one == images.version_of(APP, "sha256:1")
    assert one != images.version_of(APP, "sha256:2")
    assert one.startswith("0.1.0-")
    assert len(one) == len("0.1.0-") + 12
    assert images.version_of(rabbitmq_image("4.0"), "sha256:1").startswith("4.0-")
