"""From an empty process to the first mask, beyond importing torch: ``python -m benchmarks.coldstart``.

Each measurement is a fresh process; the least of several is shown, in all and of the processor. ``cold`` has an empty
cache of compiled kernels and sorted vocabularies (``CONSTRAIN_CACHE_DIR`` points to a new folder: what the first run
after installation pays), ``warm`` has the cache which a cold run left. Byte code of Python modules is there in both, as
after an installation by pip. ``--wheel FILE`` measures the package of a wheel, which carries the kernels' bitcode,
instead of this source tree, which has Numba compile them.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

from benchmarks import machine
from benchmarks.tables import table
from benchmarks.tokenizer import find_tokenizer

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer"},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["name", "age"],
    "additionalProperties": False,
}
CHILD = """
import json, sys
from time import perf_counter, process_time
def clock(): return perf_counter(), process_time()
marks = [("", clock())]
import numpy, torch
marks.append(("import torch and numpy", clock()))
import constrain
marks.append(("import constrain", clock()))
vocabulary = constrain.vocabulary(sys.argv[1])
marks.append(("read the vocabulary", clock()))
automaton = constrain.compile(constrain.json_schema(json.loads(sys.argv[2])), vocabulary)
words = numpy.zeros(vocabulary.words, numpy.int32)
marks.append(("compile the schema", clock()))
state = automaton.start()
automaton.fill_mask(state, words)
marks.append(("first mask", clock()))
automaton.advance(state, int(numpy.flatnonzero(numpy.unpackbits(words.view(numpy.uint8), bitorder="little"))[0]))
marks.append(("first advance", clock()))
from constrain.kernels import library
steps = {name: [b - a for a, b in zip(before, after)] for (_, before), (name, after) in zip(marks, marks[1:])}
json.dump({"steps": steps, "origin": library.origin().kind}, sys.stdout)
"""


class Seconds(NamedTuple):
    """By the clock, and of the processor."""

    wall: float
    processor: float


class Process(NamedTuple):
    """What was measured of one process; ``origin``: where it had the kernels from."""

    steps: dict[str, Seconds]
    origin: str


def child(tokenizer: Path, cache: str, root: str) -> Process:
    """Run one fresh process with the package that lies in a folder."""
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"CONSTRAIN_CACHE_DIR": cache, "PYTHONPATH": os.pathsep.join(paths)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-c", CHILD, str(tokenizer), json.dumps(SCHEMA)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=cache)
    if done.returncode:
        raise SystemExit(f"the measured process failed:\n{done.stderr}")
    answer = json.loads(done.stdout)
    steps = {name: Seconds(*seconds) for name, seconds in answer["steps"].items()}
    beyond = list(steps.values())[1:]
    total = Seconds(sum(step.wall for step in beyond), sum(step.processor for step in beyond))
    return Process(steps | {"all beyond torch": total}, answer["origin"])


def measure(options: argparse.Namespace, root: str) -> str:
    """The tables."""
    tokenizer = find_tokenizer(options.tokenizer)
    compileall.compile_dir(Path(root) / "constrain", quiet=1)
    cold, warm, size = [], [], 0
    for _ in range(options.cold):
        with tempfile.TemporaryDirectory() as cache:
            cold.append(child(tokenizer, cache, root))
            size = sum(p.stat().st_size for p in Path(cache).rglob("*") if p.is_file())
            warm += [child(tokenizer, cache, root) for _ in range(options.warm)]
    rows = []
    for name in cold[0].steps:
        row = [name]
        for runs in (cold, warm):
            row += [f"{min(run.steps[name][of] for run in runs):.3f}" for of in (0, 1)]
        rows.append(row)
    facts = machine.facts() | {"load average, end": machine.load(), "files kept": f"{size / 2**20:.1f} MiB"}
    facts |= {"package": options.wheel.name if options.wheel else "source tree"}
    facts |= {"kernels, cold": cold[0].origin, "kernels, warm": warm[0].origin}
    head = ["seconds", "cold", "of the processor", "warm", "of the processor"]
    return f"{table(['fact', 'value'], list(facts.items()))}\n\n{table(head, rows)}\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", required=True, help="tokenizer.json, its folder, or a name, as maskbench")
    parser.add_argument("--wheel", type=Path, help="measure the package in this wheel")
    parser.add_argument("--cold", type=int, default=2, help="cold processes")
    parser.add_argument("--warm", type=int, default=3, help="warm processes after each cold one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.wheel:
            zipfile.ZipFile(options.wheel).extractall(folder)
        sys.stdout.write(measure(options, folder if options.wheel else str(Path(__file__).parents[1])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
