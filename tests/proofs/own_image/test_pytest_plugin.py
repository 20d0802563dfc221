"""The fixture for users, as docs/tasks.md shows it: their test, in a process of its own, on a real PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

from app import contract
from app.contract import Role
from infra.local.state import REPOSITORY
from tests.harness.page import read, write
from tests.harness.stack import Stack


def _side_by_side(folder: Path, *environments: dict[str, str]) -> list[subprocess.CompletedProcess[str]]:
    """Run the user's test in each of these environments, with only our plugin."""
    command = [sys.executable, "-m", "pytest", "-p", "app.kinds.pytest_plugin", "-p", "no:cacheprovider", "-q"]

    def run(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, "test_invoices.py"], cwd=folder, env=os.environ | environment, capture_output=True, text=True,
            check=False,
        )  # fmt: skip

    with ThreadPoolExecutor() as pool:
        return list(pool.map(run, environments))


def test_the_page_as_it_stands(acme: Stack, tmp_path: Path) -> None:
    """The task of the first page and the test of the other pass, and leave nothing behind."""
    write(read(REPOSITORY / "docs" / "first-task.md", "app/tasks/invoices.py"), tmp_path / "page")
    write(read(REPOSITORY / "docs" / "tasks.md", "test_invoices.py"), tmp_path)
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "__init__.py").touch()
    (tmp_path / "page" / "app" / "tasks" / "invoices.py").rename(tmp_path / "acme" / "invoices.py")
    queues = tmp_path / "queues.toml"
    queues.write_text(contract.DEFAULT_QUEUES_FILE.read_text() + '\n[invoices]\npurpose = "bills of customers"\n')
    tables = "SELECT count(*) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
    before = acme.query(tables)
    password = quote(acme.password(Role.OWNER, "postgresql"), safe="")
    port = acme.port("postgresql", contract.PORT_POSTGRESQL)
    url = f"postgresql://{Role.OWNER}:{password}@localhost:{port}/{contract.POSTGRESQL_DATABASE}"
    environment = {
        "MILLRACE_TEST_POSTGRESQL": f"{url}?sslmode=verify-full&sslrootcert={acme.ca_file}",
        contract.QUEUES_FILE_VARIABLE: str(queues),
        "PYTHONPATH": f"{tmp_path}:{REPOSITORY}",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    done, refused = _side_by_side(tmp_path, environment, environment | {"MILLRACE_TEST_POSTGRESQL": ""})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
    assert acme.query(tables) == before
    assert refused.returncode == 1
    assert "MILLRACE_TEST_POSTGRESQL is not set" in refused.stdout
