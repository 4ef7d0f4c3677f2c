"""What the sub-commands write: lines of text to standard output, or one JSON value with ``--json``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the option ``--json``."""
    parser.add_argument("--json", action="store_true", help="write JSON, for programs")


def write(text: str) -> None:
    """Write one line of text to standard output."""
    sys.stdout.write(text + "\n")


def write_json(value: Any) -> None:
    """Write one value as a line of JSON to standard output."""
    write(json.dumps(value, ensure_ascii=False))


def note(text: str) -> None:
    """Something for the person, not for the output: standard error."""
    sys.stderr.write(text + "\n")


def read_bytes(file: str) -> bytes:
    """All bytes of a file, or of standard input for ``-``."""
    return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
