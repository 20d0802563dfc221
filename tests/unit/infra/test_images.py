"""What makes an image another image."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from app import contract
from infra.lab.staging.images import wanted
from infra.local import images
from infra.local.state import State
from infra.workloads import RUN_AS_USER


def test_context_is_small_and_has_no_caches() -> None:
    """A build sends what the Dockerfile copies."""
    context = images.context_files(images.APP)

    assert "Dockerfile" in context
    assert "app/contract.py" in context
    assert not [name for name in context if "__pycache__" in name or name.startswith(("tests", ".git", ".millrace"))]


def test_linter_settings_are_not_part_of_the_image() -> None:
    """A new rule must not install every package anew."""
    text = '[project]\nname = "x"\n[tool.uv]\na = 1\n[tool.ruff]\nb = 2\n[[tool.mypy.overrides]]\nc = 3\n'

    assert images.without_tools(text) == '[project]\nname = "x"\n[tool.uv]\na = 1\n'


def test_versions_are_different_images() -> None:
    """Two brokers side by side."""
    assert images.tag(images.rabbitmq_image("4.3")) != images.tag(images.rabbitmq_image("4.0"))


def test_no_address_in_a_dockerfile() -> None:
    """Mirrors are the base image's business, registries the machine's."""
    for path in images.DOCKERFILES.rglob("*"):
        if path.is_file():
            assert "://" not in Path(path).read_text(), path


def test_pods_run_as_the_user_in_their_image_whoever_built_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person's own uid is for the local stack, whose secrets are the person's; the two images live side by side."""
    monkeypatch.setattr(os, "getuid", lambda: 1000)

    for image in wanted("4.3"):
        assert f"MILLRACE_UID={RUN_AS_USER}" in images.build_arguments(image, images.tag(image))
        local = replace(image, for_pods=False)
        assert "MILLRACE_UID=1000" in images.build_arguments(local, images.tag(local))
        assert images.tag(local) != images.tag(image)
        assert local.alias != image.alias


def test_modes_in_an_image_do_not_depend_on_the_umask(tmp_path: Path) -> None:
    """Folders that only their owner may enter would belong to root in the image, and its user could not read them."""
    before = os.umask(0o077)
    try:
        context = images._make_context(replace(images.APP, needs_ca=False), State(tmp_path), "millrace-app:test")
    finally:
        os.umask(before)

    folders = [context, *(path for path in context.rglob("*") if path.is_dir())]
    assert len(folders) > 5
    assert {path.stat().st_mode & 0o777 for path in folders} == {0o755}
    assert {path.stat().st_mode & 0o777 for path in context.rglob("*") if path.is_file()} == {0o644}


def test_rabbitmq_gives_up_nodes_and_clients_after_the_time_of_the_contract() -> None:
    """A Dockerfile and an Erlang file cannot import it."""
    folder = images.DOCKERFILES / "rabbitmq"
    said = f"{{raw,6,18,<<{contract.SERVER_PEER_LOST_SECONDS * 1000}:32/native>>}}"
    assert (folder / "Dockerfile").read_text().count(said) == 2
    assert said in (folder / "advanced.config").read_text().replace(" ", "")
