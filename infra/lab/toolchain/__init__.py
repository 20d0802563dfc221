"""Programs and files out of Go modules, pinned: `go_tool("kubeconform")` and `go_module(...)`."""

from __future__ import annotations

from infra.lab.toolchain.build import go_tool, missing
from infra.lab.toolchain.errors import ToolError
from infra.lab.toolchain.modules import GoModule, go_module
from infra.lab.toolchain.tools import TOOLS, GoTool

__all__ = ["TOOLS", "GoModule", "GoTool", "ToolError", "go_module", "go_tool", "missing"]
