"""Builds the pages into the package when a wheel, an editable install or a source archive is made.

A wheel takes the recipes into the package too; an editable install reads them where they are.
"""

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).parent / "web"))
import pages


class PagesHook(BuildHookInterface):  # type: ignore[type-arg]
    """Has the pages built once, from the lock file, with a Node that the build brings where the system has none."""

    def dependencies(self) -> list[str]:
        """Return what the build needs beside hatchling."""
        return [] if pages.is_built() or pages.find_node() else [pages.NODE_PACKAGE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the pages where their sources have changed, and take the recipes into a wheel."""
        pages.build()
        if self.target_name == "wheel" and version == "standard":
            build_data["force_include"][str(Path(self.root) / "recipes")] = "fieldguide/recipes"
