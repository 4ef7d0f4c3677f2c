"""``constrain warmup``: compile the kernels and leave them in the cache on disk (in an image build, say)."""

from __future__ import annotations

import argparse

import constrain
from constrain.cli import YES
from constrain.cli.output import add_json, write, write_json
from constrain.kernels.jit import CACHE_FOLDER

EXAMPLES = """
Compiled code is kept per user, for this kind of processor and these sources; CONSTRAIN_CACHE_DIR moves it.

examples:
  constrain warmup
  CONSTRAIN_CACHE_DIR=/opt/cache constrain warmup"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``constrain warmup``."""
    parser.epilog = EXAMPLES
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Run ``constrain warmup``; the exit code."""
    seconds = constrain.warmup()
    if options.json:
        write_json({"seconds": round(seconds, 3), "cache": None if CACHE_FOLDER is None else str(CACHE_FOLDER)})
    elif CACHE_FOLDER is None:
        write(f"kernels ready after {seconds:.1f} s, for this process only: they are not kept on disk")
    else:
        write(f"kernels ready after {seconds:.1f} s; compiled code is kept in {CACHE_FOLDER}")
    return YES
