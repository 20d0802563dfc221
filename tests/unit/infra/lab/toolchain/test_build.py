"""What is built, and when it is built again."""

from __future__ import annotations

import dataclasses
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from infra.lab.toolchain import TOOLS, GoTool, ToolError, build, go_tool, missing, tools
from infra.lab.toolchain.build import arguments, key, module
from tests.unit.infra.lab.toolchain.conftest import FakeGo

KUBECONFORM = tools.find("kubeconform")


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The pins in a folder that a test may change."""
    folder = tmp_path / "toolchain"
    shutil.copytree(module(KUBECONFORM), folder / "kubeconform")
    monkeypatch.setattr(build, "FOLDER", folder)
    return folder / "kubeconform"


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_every_tool_is_pinned(tool: GoTool) -> None:
    """Its source is in its folder, or its go.mod requires the module of its package and go.sum knows that version."""
    go_mod = (module(tool) / "go.mod").read_text()
    if tool.package == go_mod.split()[1]:
        assert (module(tool) / "main.go").exists()
        return
    required = re.findall(r"^(?:require )?\s*(\S+\.\S+/?\S*) (v\S+)", go_mod, re.MULTILINE)
    pins = {path: version for path, version in required if f"{tool.package}/".startswith(f"{path}/")}
    assert pins
    path = max(pins, key=len)
    assert f"{path} {pins[path]} h1:" in (module(tool) / "go.sum").read_text()


def test_names_are_unique() -> None:
    """A name is a file's name in the cache."""
    assert len({tool.name for tool in TOOLS}) == len(TOOLS)


@pytest.mark.parametrize("file", ["go.mod", "go.sum", "main.go"])
def test_other_pins_are_another_program(copied: Path, file: str) -> None:
    """Otherwise a raised version, or a changed source of ours, would go on with the old program."""
    before = key(KUBECONFORM)
    with (copied / file).open("a") as pins:
        pins.write("// another\n")
    assert key(KUBECONFORM) != before


@pytest.mark.parametrize(
    "change", [{"ldflags": "-X a=b"}, {"tags": ("x",)}, {"flags": ("-mod=mod",)}, {"cgo": True}, {"package": "b"}]
)
def test_other_flags_are_another_program(change: dict[str, Any]) -> None:
    """Each of them changes what comes out."""
    assert key(dataclasses.replace(KUBECONFORM, **change)) != key(KUBECONFORM)


def test_an_estimate_is_no_part_of_a_program() -> None:
    """Correcting it builds nothing."""
    assert key(dataclasses.replace(KUBECONFORM, about_seconds=1)) == key(KUBECONFORM)


def test_arguments() -> None:
    """As `go build` takes them, the package last."""
    tool = GoTool("x", "example.org/x", 1, ldflags="-s", tags=("a", "b"), flags=("-mod=mod",))
    expected = ("-trimpath", "-buildvcs=false", "-mod=mod", "-tags=a,b", "-ldflags=-s", "example.org/x")
    assert arguments(tool) == expected


def test_a_tool_is_built_once(fake_go: FakeGo, capfd: pytest.CaptureFixture[str]) -> None:
    """The first call says what it builds and how long it takes; the second says nothing."""
    fake_go("1.99")
    assert missing("kubeconform", "etcd") == ("kubeconform", "etcd")
    first = go_tool("kubeconform")
    assert missing("kubeconform", "etcd") == ("etcd",)
    assert first.read_text() == "built\n"
    assert "build kubeconform from its Go module (about 45 s)" in capfd.readouterr().err

    fake_go("1.99", build="exit 1")
    assert go_tool("kubeconform") == first
    assert capfd.readouterr().err == ""


def test_a_build_leaves_the_checkout_as_it_is(fake_go: FakeGo, copied: Path) -> None:
    """Also where GOFLAGS has -mod=mod, with which Go writes to go.mod."""
    before = (copied / "go.mod").read_text()
    fake_go("1.99", build='echo changed > go.mod; echo built > "$3"')
    go_tool("kubeconform")
    assert (copied / "go.mod").read_text() == before


def test_a_failed_build_says_why_and_is_tried_again(fake_go: FakeGo, cache_folder: Path) -> None:
    """Nothing of it stays in the cache."""
    fake_go("1.99", build="echo 'no required module' >&2; exit 1")
    with pytest.raises(ToolError, match=r"(?s)kubeconform could not be built from .*no required module"):
        go_tool("kubeconform")
    assert [path.name for path in (cache_folder / "go").iterdir() if path.is_dir()] == []
    fake_go("1.99")
    assert go_tool("kubeconform").exists()


def test_cgo_is_off(fake_go: FakeGo) -> None:
    """A static program runs in any image, and needs no C compiler."""
    fake_go("1.99", build='echo "$CGO_ENABLED $GOWORK" > "$3"')
    assert go_tool("kubeconform").read_text() == "0 off\n"


def test_an_unknown_tool() -> None:
    """A typo is told from those that there are."""
    with pytest.raises(ToolError, match=r"no tool 'kubecnform'; there are: .*kubeconform"):
        go_tool("kubecnform")


def test_what_a_main_embeds_comes_out_of_its_module(fake_go: FakeGo, tmp_path: Path) -> None:
    """It is beside the source when that is compiled, and nowhere else."""
    (tmp_path / "module" / "cmd").mkdir(parents=True)
    (tmp_path / "module" / "cmd" / "schema.json").write_text("of the module")
    fake_go("9.0", build='cat schema.json > "$3"', module=str(tmp_path / "module"))
    tool = dataclasses.replace(KUBECONFORM, embeds=("example.com/module", ("cmd/schema.json",)))
    (tmp_path / "out").mkdir()
    build._build(tmp_path / "bin" / "go", tool, tmp_path / "out")
    assert (tmp_path / "out" / tool.name).read_text() == "of the module"
    assert not (module(tool) / "schema.json").exists()
