"""From an empty process to the first mask, beyond importing torch: ``python -m benchmarks.coldstart``.

Each measurement is a fresh process. ``cold`` has an empty cache of compiled kernels and sorted vocabularies
(``CONSTRAIN_CACHE_DIR`` points to a new folder: what the first run after installation pays), ``warm`` has the cache
which the cold run left. Byte code of Python modules is there in both, as after an installation by pip.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import constrain
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
from time import perf_counter as clock
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
json.dump({name: after - before for (_, before), (name, after) in zip(marks, marks[1:])}, sys.stdout)
"""


def child(tokenizer: Path, cache: str) -> dict[str, float]:
    """Seconds of each step of one fresh process."""
    root = str(Path(__file__).parents[1])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"CONSTRAIN_CACHE_DIR": cache, "PYTHONPATH": os.pathsep.join(paths)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-c", CHILD, str(tokenizer), json.dumps(SCHEMA)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"the measured process failed:\n{done.stderr}")
    steps: dict[str, float] = json.loads(done.stdout)
    return steps | {"all beyond torch": sum(list(steps.values())[1:])}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", required=True, help="tokenizer.json, its folder, or a name, as maskbench")
    parser.add_argument("--repeats", type=int, default=3, help="warm processes; the median is shown")
    options = parser.parse_args()
    tokenizer = find_tokenizer(options.tokenizer)
    compileall.compile_dir(Path(constrain.__file__).parent, quiet=1)
    with tempfile.TemporaryDirectory() as cache:
        cold = child(tokenizer, cache)
        size = sum(p.stat().st_size for p in Path(cache).rglob("*") if p.is_file())
        warm = [child(tokenizer, cache) for _ in range(options.repeats)]
    rows = [[name, f"{cold[name]:.3f}", f"{statistics.median(w[name] for w in warm):.3f}"] for name in cold]
    facts = machine.facts() | {"load average, end": machine.load(), "files kept": f"{size / 2**20:.1f} MiB"}
    sys.stdout.write(table(["fact", "value"], [[k, v] for k, v in facts.items()]) + "\n\n")
    sys.stdout.write(table(["seconds", "cold", "warm"], rows) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
