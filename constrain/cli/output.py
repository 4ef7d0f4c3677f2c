"""What the sub-commands write: lines of text to standard output, or one JSON value with ``--json``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="write JSON, for programs")


def write(text: str) -> None:
    sys.stdout.write(text + "\n")


def write_json(value: Any) -> None:
    write(json.dumps(value, ensure_ascii=False))


def note(text: str) -> None:
    """Something for the person, not for the output: standard error."""
    sys.stderr.write(text + "\n")


def read_bytes(file: str) -> bytes:
    """All bytes of a file, or of standard input for ``-``."""
    return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
