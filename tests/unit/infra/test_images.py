"""What makes an image another image."""

from __future__ import annotations

from pathlib import Path

from infra.local import images


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
