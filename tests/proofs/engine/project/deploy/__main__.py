"""The sample as a project of its own."""

from __future__ import annotations

from pathlib import Path

import images  # type: ignore[import-not-found]  # beside this file: Pulumi runs the folder
import pulumi

from tests.proofs.engine.sample import Sample

Sample(image=images.image())()
pulumi.export("image", images.image())
pulumi.export("folder", Path.cwd().name)
