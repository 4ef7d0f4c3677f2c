"""How a wheel is built: by hatchling, with the kernels' bitcode in it (``constrain/kernels/shipped.py``).

This file is both the build backend, which asks for Numba only where a wheel is built, and hatchling's hook. An editable
installation carries no bitcode: with the first change of a kernel it would be of other sources.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from typing import Any

from hatchling import build
from hatchling.build import *  # noqa: F403
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

COMPILE = "import sys, pathlib; from constrain.kernels import library; library.ship(pathlib.Path(sys.argv[1]))"


def get_requires_for_build_wheel(config_settings: dict[str, Any] | None = None) -> list[str]:
    """hatchling's, and what compiles kernels. (PEP 517)"""
    return [*build.get_requires_for_build_wheel(config_settings), "numba>=0.68", "llvmlite>=0.50"]


class KernelHook(BuildHookInterface):
    """Adds the bitcode to a wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile the kernels of this source tree in a process of its own."""
        if version == "editable":
            return
        self._folder = tempfile.TemporaryDirectory()
        path = os.path.join(self._folder.name, "kernels.bitcode")
        paths = [self.root, *filter(None, [os.environ.get("PYTHONPATH")])]
        own = {
            name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")
        }  # it has its settings
        environment = own | {"PYTHONPATH": os.pathsep.join(paths)}
        subprocess.run([sys.executable, "-c", COMPILE, path], env=environment, check=True)
        build_data["force_include"][path] = "constrain/kernels/kernels.bitcode"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """The wheel is written."""
        if version != "editable":
            self._folder.cleanup()
