"""From samples to tables: verdicts, percentiles, ratios. ``python -m benchmarks.report results.jsonl`` prints again."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.samples import Outcomes, Record, Times, figures, outcomes, taken_by_all, times
from benchmarks.tables import number, ratio, table
from benchmarks.targets import grammar_targets, schema_targets

SHOWN = (  # heading, field of Times, figures
    ("TBM", "tbm", ("mean", "p50", "p90", "p99", "p99.9", "max")),
    ("TBM, mean over each schema:", "schema_means", ("p50", "p90")),
    ("TTFM", "ttfm", ("mean", "p50", "p90", "p99", "p99.9", "max")),
    ("total for a schema", "total", ("mean", "p50", "p99")),
    ("compile only", "compile", ("p50", "p99")),
)


def markdown(records: Sequence[Record], header: dict[str, Any]) -> str:
    """The whole report. The first engine of the header is the one that ratios refer to."""
    found = outcomes(records)
    engines = [e for e in header["engines"] if e in found]
    body = _grammars if header.get("kind") == "grammars" else _schemas
    parts = [
        f"# {header.get('title', 'MaskBench, side by side')}",
        table(["fact", "value"], [[k, str(v)] for k, v in header["facts"].items()]),
        "## Verdicts",
        _verdicts(found, engines),
        *body(found, engines, header.get("flush_mb", 0)),
        "## What was refused or failed, and why",
        _reasons(found, engines),
    ]
    return "\n\n".join(parts) + "\n"


def _schemas(found: Outcomes, engines: Sequence[str], flush_mb: int) -> list[str]:
    common = taken_by_all(found, engines)
    return [
        "## Aims",
        f"{engines[0]} and each rival on the schemas and text positions that both reach"
        + (f"; {flush_mb} MB written before each mask." if flush_mb else "."),
        schema_targets(found, engines, flush_mb),
        "## (a) Every schema that each engine takes",
        "The sets differ, so the columns are not to be compared with each other. A time-out or crash before the "
        "first mask counts as a TTFM of the whole time limit.",
        _times_table({e: times(found, e, found[e]) for e in engines}),
        f"## (b) The {len(common)} schemas that all of these engines take",
        "The same text positions for all.",
        _times_table({e: times(found, e, common, engines) for e in engines}),
        *_pairs(found, engines),
    ]


def _grammars(found: Outcomes, engines: Sequence[str], flush_mb: int) -> list[str]:
    parts = ["## Aims", grammar_targets(found, engines)]
    for grammar in found[engines[0]]:
        takers = [e for e in engines if found[e][grammar].status == "ok"]
        parts += [f"## {grammar}", "The text positions that all of these reached."]
        parts.append(_times_table({e: times(found, e, [grammar], takers) for e in takers}))
    return parts


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
            "peak memory of the process at the end, MB": number(max(o.peak_mb for o in every)),
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
    for name, of, chosen in SHOWN:
        found = [figures(getattr(t, of)) for t in columns.values()]
        for figure in chosen:
            rows.append([f"{name} {figure}, µs", *_with_ratios([f[figure] for f in found])])
    return table(["", *columns], rows)


def _with_ratios(values: list[float]) -> list[str]:
    first = values[0]
    return [number(first), *(f"{number(v)} ({ratio(v, first)})" for v in values[1:])]


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


def read(path: Path) -> tuple[list[Record], dict[str, Any]]:
    """Records and header (the first line) of a results file."""
    header, *records = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    return records, header


if __name__ == "__main__":
    sys.stdout.write(markdown(*read(Path(sys.argv[1]))))
