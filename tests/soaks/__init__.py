"""Long runs for a page of the documentation: commands, which no suite runs."""

from __future__ import annotations

import os

# As in tests/harness/stacks.py: cleanup.py does the reaper's work.
os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"
