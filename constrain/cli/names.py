"""What an option names in the user's own code: ``package.module:NAME``."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from constrain.cli import UsageError


def look_up(option: str, name: str) -> Any:
    """The object that ``package.module:NAME`` names, looked up from the current folder too."""
    module, _, attribute = name.partition(":")
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise UsageError(f"{option} {name!r}: {error}") from error
