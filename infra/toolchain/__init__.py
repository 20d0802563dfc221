"""What the project needs of Go, pinned: programs, `go_tool("kubeconform")`, and files of modules, `go_module(...)`."""

from __future__ import annotations

from infra.toolchain.build import go_tool, missing
from infra.toolchain.errors import ToolError
from infra.toolchain.modules import GoModule, go_module
from infra.toolchain.tools import TOOLS, GoTool

__all__ = ["TOOLS", "GoModule", "GoTool", "ToolError", "go_module", "go_tool", "missing"]
