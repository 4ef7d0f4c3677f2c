"""From records to tables: verdicts, percentiles, ratios. ``python -m benchmarks.report results.jsonl`` prints again.

Records (one JSON line each, see ``measure.py`` and ``worker.py``) carry raw nanoseconds, so that every figure can
be computed anew from the file.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Record = dict[str, Any]
Samples = npt.NDArray[np.float64]
PERCENTILES = (50.0, 90.0, 99.0, 99.9, 100.0)
FIGURES = (  # heading, field of Times, which of (mean, *LABELS)
    ("TBM", "tbm", (0, 1, 2, 3, 4, 5)),
    ("TBM, mean over each schema:", "schema_means", (1, 2)),
    ("TTFM", "ttfm", (0, 1, 2, 3, 4, 5)),
    ("compile only", "compile", (1, 3)),
)
LABELS = ("p50", "p90", "p99", "p99.9", "max")


def percentiles(samples: Samples) -> list[float]:
    """Nearest-rank percentiles (each is a value that was measured); NaN when there is none."""
    if not len(samples):
        return [float("nan")] * len(PERCENTILES)
    return [float(x) for x in np.percentile(samples, PERCENTILES, method="inverted_cdf")]


@dataclass
class Outcome:
    """What one engine did with one schema, all rounds together.

    ``tokens[k][i]``: ns of mask + commit at position i of text k, the median over the rounds.
    """

    status: str
    reason: str = ""
    compile_ns: float = float("nan")
    ttfm_ns: float = float("nan")
    tokens: list[Samples] = field(default_factory=list)
    limit_ns: float = 0.0  # the time-out, where it ran out of time or crashed
    wrong_valid: int = 0
    wrong_invalid: int = 0
    errors: list[str] = field(default_factory=list)
    preempted: int = 0
    collections: int = 0


Outcomes = dict[str, dict[str, Outcome]]  # engine -> schema -> outcome


def merge_rounds(records: Sequence[Record]) -> Outcome:
    """One outcome from the rounds of one engine on one schema. Times are sample-wise medians; the worst status wins."""
    worst = max(records, key=lambda r: ("ok", "refused", "failed", "timeout", "crash").index(r["status"]))
    compiled = [r for r in records if "ttfm_ns" in r]
    outcome = Outcome(worst["status"], worst["reason"])
    outcome.limit_ns = max(r.get("limit_ns", 0.0) for r in records)
    outcome.collections = sum(r.get("collections", 0) for r in records)
    if compiled:
        outcome.compile_ns = float(np.median([r["compile_ns"] for r in compiled]))
        outcome.ttfm_ns = float(np.median([r["ttfm_ns"] for r in compiled]))
    for versions in zip(*(r["texts"] for r in compiled), strict=False):
        outcome.tokens.append(_median_samples([token_times(t) for t in versions]))
        outcome.preempted += sum(t["preemptions"] for t in versions)
        first = versions[0]
        if first["error"]:
            outcome.errors.append(first["error"])
        elif first["valid"] and first["rejected_at"] is not None:
            outcome.wrong_valid += 1
        elif not first["valid"] and first["rejected_at"] is None:
            outcome.wrong_invalid += 1
    return outcome


def token_times(text: Record) -> Samples:
    """Mask + commit at each position; NaN where the mask was part of the time to first mask."""
    masks = np.array(text["mask_ns"], np.float64)
    commits = np.zeros(len(masks))
    commits[: len(text["commit_ns"])] = text["commit_ns"]
    return np.asarray(np.where(masks < 0, np.nan, masks + commits))


def _median_samples(versions: list[Samples]) -> Samples:
    length = min(map(len, versions))
    return np.asarray(np.median([v[:length] for v in versions], axis=0))


def outcomes(records: Iterable[Record]) -> Outcomes:
    """Group the records by engine and schema and merge their rounds."""
    grouped: dict[str, dict[str, list[Record]]] = {}
    for record in records:
        grouped.setdefault(record["engine"], {}).setdefault(record["schema"], []).append(record)
    return {engine: {s: merge_rounds(rs) for s, rs in of.items()} for engine, of in grouped.items()}


def taken_by_all(found: Outcomes, engines: Sequence[str]) -> list[str]:
    """Schemas that every one of ``engines`` compiles and writes without failure, crash or time-out."""
    names: list[str] = [s for s, o in found[engines[0]].items() if o.status == "ok"]
    return [s for s in names if all(s in found[e] and found[e][s].status == "ok" for e in engines)]


@dataclass(frozen=True)
class Times:
    """Samples in microseconds of one engine on ``schemas`` compiled schemas. ``ttfm`` may have more: the time-outs."""

    schemas: int
    ttfm: Samples
    compile: Samples
    tbm: Samples
    schema_means: Samples  # mean TBM of each schema: a few huge texts hold most of the tokens


def times(found: Outcomes, engine: str, schemas: Iterable[str], beside: Sequence[str] = ()) -> Times:
    """Samples on these schemas; with ``beside``, only the text positions that all those engines reached."""
    ttfm: list[float] = []
    build: list[float] = []
    tokens: list[Samples] = []
    means: list[float] = []
    count = 0
    for schema in schemas:
        outcome = found[engine][schema]
        if np.isnan(outcome.ttfm_ns):
            ttfm += [outcome.limit_ns] if outcome.limit_ns else []
            continue
        count += 1
        ttfm.append(outcome.ttfm_ns)
        build.append(outcome.compile_ns)
        here = _samples_beside(found, engine, schema, beside)
        tokens.append(here)
        means.append(_mean(here[~np.isnan(here)]))
    return Times(count, *(_microseconds(x) for x in ([ttfm], [build], tokens, [means])))


def _samples_beside(found: Outcomes, engine: str, schema: str, beside: Sequence[str]) -> Samples:
    parts = [np.zeros(0)]
    others = [found[e][schema].tokens for e in beside]
    for position, samples in enumerate(found[engine][schema].tokens):
        reached = min([len(samples), *(len(o[position]) if position < len(o) else 0 for o in others)])
        parts.append(samples[:reached])
    return np.concatenate(parts)


def _microseconds(parts: Sequence[Samples | list[float]]) -> Samples:
    """All parts as one array, ns to µs, without NaN."""
    whole: Samples = np.concatenate([np.zeros(0), *(np.asarray(p, np.float64) for p in parts)])
    microseconds: Samples = whole[~np.isnan(whole)] / 1e3
    return microseconds


def markdown(records: Sequence[Record], header: dict[str, Any]) -> str:
    """The whole report. The first engine of the header is the one that ratios refer to."""
    found = outcomes(records)
    engines = [e for e in header["engines"] if e in found]
    common = taken_by_all(found, engines)
    parts = [
        "# MaskBench, side by side",
        table(["fact", "value"], [[k, str(v)] for k, v in header["facts"].items()]),
        "## Verdicts",
        _verdicts(found, engines),
        "## (a) Every schema that each engine takes",
        "The sets differ, so the columns are not to be compared with each other. A time-out or crash before the "
        "first mask counts as a TTFM of the whole time limit.",
        _times_table({e: times(found, e, found[e]) for e in engines}),
        f"## (b) The {len(common)} schemas that all of these engines take",
        "The same text positions for all.",
        _times_table({e: times(found, e, common, engines) for e in engines}),
    ]
    parts += _pairs(found, engines)
    parts += ["## Why schemas were refused or failed", _reasons(found, engines)]
    return "\n\n".join(parts) + "\n"


def _pairs(found: Outcomes, engines: Sequence[str]) -> list[str]:
    ours, *rivals = engines
    parts = [f"## (c) {ours} and one rival at a time: schemas that both take"] if rivals else []
    for rival in rivals:
        both = taken_by_all(found, [ours, rival])
        pair = {e: times(found, e, both, [ours, rival]) for e in (ours, rival)}
        parts += [f"{rival}: {len(both)} schemas.", _times_table(pair)]
    return parts


def _verdicts(found: Outcomes, engines: Sequence[str]) -> str:
    rows: dict[str, list[str]] = {}
    for engine in engines:
        every = list(found[engine].values())
        status = Counter(o.status for o in every)
        right = sum(o.status == "ok" and not (o.wrong_valid or o.wrong_invalid or o.errors) for o in every)
        figures = {
            "schemas": len(every),
            "refused": status["refused"],
            "all verdicts right": f"{right} ({right / len(every):.1%})",
            "valid rejected: schemas (instances)": _pair(o.wrong_valid for o in every),
            "invalid accepted: schemas (instances)": _pair(o.wrong_invalid for o in every),
            "gave up while writing: schemas (instances)": _pair(len(o.errors) for o in every),
            "failed (exception)": status["failed"],
            "crashes": status["crash"],
            "time-outs": status["timeout"],
            "pre-emptions while writing": sum(o.preempted for o in every),
            "full garbage collections": sum(o.collections for o in every),
        }
        for name, value in figures.items():
            rows.setdefault(name, []).append(str(value))
    return table(["", *engines], [[name, *values] for name, values in rows.items()])


def _pair(counts: Iterable[int]) -> str:
    values = [c for c in counts if c]
    return f"{len(values)} ({sum(values)})"


def _times_table(columns: dict[str, Times]) -> str:
    """Rows of figures; after the first column each cell adds its ratio to the first column's."""
    rows = [
        ["schemas", *(str(t.schemas) for t in columns.values())],
        ["masks", *(f"{len(t.tbm):,}" for t in columns.values())],
    ]
    for name, of, chosen in FIGURES:
        figures = [[_mean(getattr(t, of)), *percentiles(getattr(t, of))] for t in columns.values()]
        for row in chosen:
            label = ("mean", *LABELS)[row]
            rows.append([f"{name} {label}, µs", *_with_ratios([f[row] for f in figures])])
    return table(["", *columns], rows)


def _mean(samples: Samples) -> float:
    return float(samples.mean()) if len(samples) else float("nan")


def _with_ratios(values: list[float]) -> list[str]:
    first = values[0]
    return [number(first), *(f"{number(v)} ({_ratio(v, first)})" for v in values[1:])]


def number(value: float) -> str:
    return "n/a" if np.isnan(value) else f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _ratio(value: float, first: float) -> str:
    if np.isnan(value) or np.isnan(first) or not first:
        return "n/a"
    return f"{value / first:,.0f}x" if value / first >= 100 else f"{value / first:.2g}x"


def _reasons(found: Outcomes, engines: Sequence[str], most: int = 12) -> str:
    rows = []
    for engine in engines:
        counts = Counter((o.status, general(o.reason)) for o in found[engine].values() if o.status != "ok")
        counts.update(("gave up", general(e)) for o in found[engine].values() for e in o.errors)
        rows += [[engine, status, reason, str(n)] for (status, reason), n in counts.most_common(most)]
        left = sum(counts.values()) - sum(n for _, n in counts.most_common(most))
        rows += [[engine, "", "(other)", str(left)]] if left else []
    return table(["engine", "status", "reason", "schemas"], rows)


def general(reason: str) -> str:
    """A message without what differs from schema to schema (quoted values, numbers), on one line, at most 100 long."""
    line = " ".join(reason.split())
    line = re.sub(r"\d+", "N", line)
    return line[:100].replace("|", "\\|")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def read(path: Path) -> tuple[list[Record], dict[str, Any]]:
    """Records and header (the first line) of a results file."""
    header, *records = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    return records, header


if __name__ == "__main__":
    sys.stdout.write(markdown(*read(Path(sys.argv[1]))))
