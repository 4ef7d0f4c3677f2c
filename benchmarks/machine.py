"""Facts about the machine and the moment, without which figures mean nothing."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("constrain-lm", "numpy", "llvmlite", "torch", "tokenizers", "transformers")


def facts() -> dict[str, str]:
    """Name -> value, ready for a table."""
    found = {
        "processor": _processor(),
        "cores": f"{os.cpu_count()} ({len(os.sched_getaffinity(0))} usable)",
        "memory": f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB",
        "system": platform.platform(),
        "python": sys.version.split()[0],
        "commit": commit(),
    }
    return found | {name: v for name in PACKAGES if (v := version_of(name))}


def load() -> str:
    """Load averages of 1, 5 and 15 minutes."""
    return " ".join(f"{x:.2f}" for x in os.getloadavg())


def command_line() -> str:
    return " ".join(["python", "-m", "benchmarks." + Path(sys.argv[0]).stem, *sys.argv[1:]])


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def version_of(package: str) -> str:
    """Installed version of a package, or nothing."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def commit() -> str:
    """``git describe`` of the tree under measurement."""
    command = ["git", "-C", str(Path(__file__).parents[1]), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown (no git)"
