"""``constrain warmup``: compile the kernels, read a tokenizer, and leave both on disk (in an image build, say)."""

from __future__ import annotations

import argparse
import time

import constrain
from constrain.cli import YES
from constrain.cli.mask import read_tokenizer
from constrain.cli.output import add_json, write, write_json
from constrain.kernels import library

EXAMPLES = """
Compiled code is kept per user, for this kind of processor and these sources, and so is what was read of a tokenizer's
file, its tokens sorted; CONSTRAIN_CACHE_DIR moves both.

examples:
  constrain warmup
  constrain warmup --tokenizer path/to/tokenizer.json
  CONSTRAIN_CACHE_DIR=/opt/cache constrain warmup"""

ORIGINS = {
    "disk": "kernels: found compiled on disk",
    "package": "kernels: made from the bitcode that came with this installation",
    "compiler": "kernels: compiled by Numba, as {reason}",
}
"""What is said of where the kernels come from (``library.Origin``)."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``constrain warmup``."""
    parser.epilog = EXAMPLES
    parser.add_argument("--tokenizer", metavar="TOKENIZER", help="prepare this one too; as for constrain mask")
    parser.add_argument("--eos", type=int, action="append", metavar="ID", help="end-of-sequence id, where unknown")
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Run ``constrain warmup``; the exit code."""
    begin = time.perf_counter()
    constrain.warmup(None if options.tokenizer is None else read_tokenizer(options.tokenizer, options.eos))
    seconds, kept, origin = time.perf_counter() - begin, library.prepare(), library.origin()
    if options.json:
        cache = None if kept is None else str(kept.parents[1])
        about = {"kernels": origin.kind, "reason": origin.reason or None}
        write_json({"seconds": round(seconds, 3), "cache": cache} | about)
        return YES
    if kept is None:
        write(f"kernels ready after {seconds:.1f} s, for this process only: nothing could be kept on disk")
    else:
        write(f"kernels ready after {seconds:.1f} s; what was made is kept in {kept.parents[1]}")
    write(ORIGINS[origin.kind].format(reason=origin.reason))
    return YES
