"""From records to samples: rounds merged, positions that all engines reached, percentiles.

Records (see ``measure.py`` and ``worker.py``) carry raw nanoseconds, so that every figure can be computed anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Record = dict[str, Any]
Samples = npt.NDArray[np.float64]
PERCENTILES = (50.0, 90.0, 99.0, 99.9, 100.0)
LABELS = ("p50", "p90", "p99", "p99.9", "max")
FIGURES = ("mean", *LABELS)


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
    peak_mb: float = 0.0  # of the engine's process when it had finished this schema


Outcomes = dict[str, dict[str, Outcome]]  # engine -> schema -> outcome


def merge_rounds(records: Sequence[Record]) -> Outcome:
    """One outcome from the rounds of one engine on one schema. Times are sample-wise medians; the worst status wins."""
    worst = max(records, key=lambda r: ("ok", "refused", "failed", "timeout", "crash").index(r["status"]))
    compiled = [r for r in records if "ttfm_ns" in r]
    outcome = Outcome(worst["status"], worst["reason"])
    outcome.limit_ns = max(r.get("limit_ns", 0.0) for r in records)
    outcome.peak_mb = max(r.get("peak_mb", 0.0) for r in records)
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
    total: Samples  # of each schema: first mask, and all masks and commits of its texts


def times(found: Outcomes, engine: str, schemas: Iterable[str], beside: Sequence[str] = ()) -> Times:
    """Samples on these schemas; with ``beside``, only the text positions that all those engines reached."""
    ttfm: list[float] = []
    build: list[float] = []
    tokens: list[Samples] = []
    means: list[float] = []
    totals: list[float] = []
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
        means.append(mean(here[~np.isnan(here)]))
        totals.append(outcome.ttfm_ns + float(np.nansum(here)))
    return Times(count, *(_microseconds(x) for x in ([ttfm], [build], tokens, [means], [totals])))


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


def mean(samples: Samples) -> float:
    """NaN when there is none."""
    return float(samples.mean()) if len(samples) else float("nan")


def figures(samples: Samples) -> dict[str, float]:
    """Mean and percentiles by name."""
    return dict(zip(FIGURES, [mean(samples), *percentiles(samples)], strict=True))
