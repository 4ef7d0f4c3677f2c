"""How cost grows: with vocabulary, properties, depth, length of the text, size of the batch.

``python -m benchmarks.growth --tokenizer llama3_1 --axes closed,open --output growth.md --json growth.json``

Every point is measured in a process of its own, so that memory is the point's own and masks are cold. An engine that
does not finish a point in ``--timeout`` seconds is not asked for larger ones. Schemas and texts are of our own writing.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import machine
from benchmarks.batch import Batch
from benchmarks.corpus import Corpus
from benchmarks.maskbench import chosen_engines
from benchmarks.report import general
from benchmarks.samples import Record, percentiles, token_times
from benchmarks.tables import number, table
from benchmarks.tokenizer import Tokenizer, encode_exactly, encoder, find_tokenizer, read_tokenizer
from benchmarks.worker import Settings, Worker

CASES = Path(__file__).parent / "cases"
VOCABULARIES = ("llama2", "smollm2", "gpt2", "llama3_1", "qwen2_5", "gemma3")
ENDS = {"llama2": "</s>"}  # its folder has no tokenizer_config.json
Job = tuple[Any, list[str]]  # a schema and texts


@dataclass(frozen=True)
class Point:
    """``jobs`` measured at place ``x`` of an axis. ``tokenizer``: this one instead of the run's."""

    axis: str
    x: int
    jobs: tuple[Job, ...]
    tokenizer: str | None = None


def closed(count: int) -> Job:
    return _properties(count, {"additionalProperties": False})


def opened(count: int) -> Job:
    return _properties(count, {})


def _properties(count: int, more: dict[str, Any]) -> Job:
    """Optional properties; the text has 20 of them, in order."""
    names = [f"property {n} of the record" for n in range(count)]
    schema = {
        "type": "object",
        "properties": {name: {"type": ("string", "integer")[n % 2]} for n, name in enumerate(names)},
    }
    chosen = range(0, count, max(count // 20, 1))
    return schema | more, [json.dumps({names[n]: (f"value {n}", n)[n % 2] for n in chosen})]


def recursion(depth: int) -> Job:
    """A small recursive schema, a text of this depth."""
    node = {"type": "object", "properties": {"name": {"type": "string"}, "child": {"$ref": "#"}}, "required": ["name"]}
    text = '{"name": "one level", "child": ' * depth + '{"name": "the last"}' + "}" * depth
    return {**node, "additionalProperties": False}, [text]


def nesting(depth: int) -> Job:
    """A schema that is itself nested so deep."""
    schema: dict[str, Any] = {"type": "string"}
    text = '"in the middle"'
    for level in range(depth):
        properties = {f"level {level}": schema, "note": {"type": "integer"}}
        schema = {
            "type": "object",
            "properties": properties,
            "required": [f"level {level}"],
            "additionalProperties": False,
        }
        text = json.dumps({f"level {level}": None}).replace("null", text)
    return schema, [text]


def length(items: int) -> Job:
    """An array of objects; 17 or so tokens an item."""
    item = {"type": "object", "properties": {"id": {"type": "integer"}, "name": {"type": "string"}}, "required": ["id"]}
    schema = {"type": "array", "items": {**item, "additionalProperties": False}}
    return schema, [json.dumps([{"id": n, "name": f"the item with number {n}"} for n in range(items)])]


AXES: dict[str, tuple[str, Callable[[int], Job], tuple[int, ...]]] = {
    "closed": ("properties of a closed object", closed, (10, 100, 1000, 10_000)),
    "open": ("properties of an open object", opened, (10, 100, 1000, 10_000)),
    "recursion": ("depth of the text, recursive schema", recursion, (1, 10, 100, 300)),
    "nesting": ("depth of the schema", nesting, (1, 4, 16, 64)),
    "length": ("items of an array", length, (10, 100, 1000, 3000)),
}
TITLES = {
    "vocabulary": "tokens in the vocabulary",
    "batch": "sequences in the batch",
    **{k: v[0] for k, v in AXES.items()},
}
BATCHES = (1, 4, 16, 64)


def points(axis: str, threads: int) -> list[Point]:
    """The points of an axis, small ones first."""
    if axis == "vocabulary":
        corpus = Corpus(CASES)
        jobs = tuple((c.schema, [i.text for i in c.instances if i.valid]) for c in map(corpus.case, corpus.names))
        return [Point(axis, 0, jobs, name) for name in VOCABULARIES]  # x: known when the tokenizer is read
    if axis == "batch":
        case = Corpus(CASES).case("configuration.json")
        texts = [i.text for i in case.instances if i.valid]
        return [Point(axis, size, ((Batch(case.schema, size, threads), texts),)) for size in BATCHES]
    _, make, sizes = AXES[axis]
    return [Point(axis, x, (make(x),)) for x in sizes]


def measure_point(point: Point, engine: str, tokenizer: Tokenizer, timeout: float) -> Record:
    """All jobs of a point in one fresh process; ``status`` is that of the worst job."""
    backend, runs = encoder(tokenizer.path), []
    with Worker(engine, tokenizer, Settings()) as worker:
        prepared = worker.facts
        for schema, texts in point.jobs:
            spelled = [encode_exactly(backend, tokenizer, text) for text in texts]
            runs.append(worker.run(schema, [t for t in spelled if t is not None], timeout))
    samples = [token_times(text) for run in runs for text in run["texts"]]
    every = np.concatenate([np.zeros(0), *samples])
    tbm = percentiles(every[~np.isnan(every)] / 1e3)
    ttfm = [run["ttfm_ns"] / 1e3 for run in runs if "ttfm_ns" in run]
    bad = [run for run in runs if run["status"] != "ok"]
    rejected = [t["error"] or "a valid text" for run in runs for t in run["texts"] if t["rejected_at"] is not None]
    return {
        "axis": point.axis,
        "x": tokenizer.width if point.axis == "vocabulary" else point.x,
        "engine": engine,
        "status": bad[0]["status"] if bad else "rejected" if rejected else "ok",
        "reason": bad[0]["reason"][:200] if bad else rejected[0] if rejected else "",
        "refused": len(bad),
        "jobs": len(runs),
        "masks": len(every),
        "tbm_p50": tbm[0],
        "tbm_p99": tbm[2],
        "ttfm": statistics.median(ttfm) if ttfm else float("nan"),
        "total": (float(np.nansum(every)) / 1e3 + sum(ttfm)) / max(len(ttfm), 1),
        "added_mb": max(runs[-1].get("memory_mb", float("nan")) - prepared["memory_mb"], 0.0),
        "process_mb": runs[-1].get("peak_mb", float("nan")),
    }


def measure_axes(options: argparse.Namespace, engines: Sequence[str]) -> Iterator[Record]:
    """Points in turn, engines within a point; an engine that has run out of time is left out from there on."""
    for axis in options.axes.split(","):
        lost: set[str] = set()
        for point in points(axis, options.threads):
            name = point.tokenizer or options.tokenizer
            tokenizer = read_tokenizer(find_tokenizer(name), ENDS.get(name, options.eos))
            for engine in engines:
                if engine not in lost:
                    record = measure_point(point, engine, tokenizer, options.timeout)
                    lost |= {engine} if record["status"] in ("timeout", "crash") else set()
                    sys.stderr.write(f"{axis} {record['x']} {engine}: {record['status']}\n")
                    yield record


COLUMNS = (
    ("TBM p50, µs", "tbm_p50"), ("TBM p99, µs", "tbm_p99"), ("TTFM, µs", "ttfm"),
    ("total, µs", "total"), ("memory added, MB", "added_mb"), ("peak of the process, MB", "process_mb"),
)  # fmt: skip


def markdown(records: Sequence[Record], facts: dict[str, str]) -> str:
    """A table for each axis."""
    parts = ["# Growth", table(["fact", "value"], [[k, v] for k, v in facts.items()])]
    for axis in dict.fromkeys(r["axis"] for r in records):
        rows = [[f"{r['x']:,}", r["engine"], *_cells(r)] for r in records if r["axis"] == axis]
        parts += [f"## {TITLES[axis]}", table([TITLES[axis], "engine", *(c for c, _ in COLUMNS), ""], rows)]
    return "\n\n".join(parts) + "\n"


def _cells(record: Record) -> list[str]:
    note = (
        ""
        if record["status"] == "ok"
        else f"{record['status']} ({record['refused']} of {record['jobs']}): {general(record['reason'])}"
    )
    return [*(number(record[key]) for _, key in COLUMNS), note]


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--tokenizer", required=True, help="for all axes but vocabulary; see maskbench")
    add("--eos", help="text of the end-of-sequence token (default: from tokenizer_config.json)")
    add("--axes", default=",".join(TITLES), help=f"of {', '.join(TITLES)}")
    add("--engines", default="constrain,llguidance,xgrammar,glrmask")
    add("--timeout", type=float, default=20.0, help="seconds for one job of one engine")
    add("--threads", type=int, default=2, help="of the engines' own batch calls")
    add("--output", type=Path, help="Markdown report (default: standard output)")
    add("--json", type=Path, help="figures; `python -m benchmarks.plots` draws them")
    options = parser.parse_args(words)
    if unknown := [axis for axis in options.axes.split(",") if axis not in TITLES]:
        raise SystemExit(f"unknown axes {unknown}; known: {', '.join(TITLES)}")
    return options


def main(words: Sequence[str] | None = None) -> int:
    options = arguments(words)
    engines, load = chosen_engines(options), machine.load()
    records = list(measure_axes(options, engines))
    facts = {
        "command": machine.command_line(),
        **machine.facts(),
        "load average, start": load,
        "load average, end": machine.load(),
        "time limit": f"{options.timeout:g} s for one job of one engine",
    }
    if options.json:
        options.json.write_text(json.dumps({"facts": facts, "records": records}, indent=1) + "\n", encoding="utf-8")
    text = markdown(records, facts)
    if options.output:
        options.output.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
