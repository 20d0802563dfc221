"""`python -m infra.documents`: write the generated pages anew."""

from __future__ import annotations

from pathlib import Path

from infra.connections import connections
from infra.documents.drawing import drawing
from infra.documents.matrix import matrix
from infra.render.manifests import manifests
from infra.render.recorder import record
from infra.settings.load import parse, read_stack_file, stack_file

ROOT = Path(__file__).parents[2]
STACKS = ("staging", "prod")
BEGIN = "<!-- drawn by `python -m infra.documents`: staging -->"
END = "<!-- end of the drawing -->"


def pages() -> dict[Path, str]:
    """Each page and what it should hold."""
    configs = {stack: read_stack_file(stack_file(stack, ROOT)) for stack in STACKS}
    tables = {stack: connections(parse(config, stack)) for stack, config in configs.items()}
    bodies = [one.body for one in manifests(record(configs["staging"], "staging", lambda name: name))]
    page = ROOT / "ARCHITECTURE.md"
    before, _, rest = page.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    drawn = f"{before}{BEGIN}\n```mermaid\n{drawing(bodies, tables['staging'])}```\n{END}{after}"
    return {page: drawn, ROOT / "docs" / "connections.md": matrix(tables)}


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text)
