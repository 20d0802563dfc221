"""What stands for a cluster and is none: said in words, with where and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.deploy.errors import NothingChangedError
from infra.deploy.requests import connect


@pytest.mark.parametrize("content", ["a: [b", "just text", "[]", "contexts: 3", "current-context: [a]\ncontexts: [b]"])
def test_a_file_that_is_no_kubeconfig(content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the library trips over."""
    file = tmp_path / "config"
    file.write_text(content)
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(file))
    monkeypatch.setenv("KUBECONFIG", str(file))

    with pytest.raises(NothingChangedError, match="KUBECONFIG") as caught:
        connect(None)

    assert str(file) in str(caught.value)
