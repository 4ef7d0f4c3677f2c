"""Figures of the benchmark reports against definitions written out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.report import general, markdown
from benchmarks.samples import PERCENTILES, outcomes, percentiles, taken_by_all, times


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=300))
def test_percentiles_are_nearest_rank(samples: list[int]) -> None:
    ordered = sorted(samples)
    # Ranks in exact tenths of a percent: 99.9 is not a binary fraction.
    ranks = [max(1, math.ceil(round(p * 10) * len(ordered) / 1000)) for p in PERCENTILES]
    assert percentiles(np.array(samples, np.float64)) == [ordered[r - 1] for r in ranks]


def test_percentiles_of_nothing() -> None:
    assert all(math.isnan(x) for x in percentiles(np.zeros(0)))


def text(masks: list[int], commits: list[int], valid: bool = True, rejected_at: int | None = None) -> dict:
    return {
        "mask_ns": masks,
        "commit_ns": commits,
        "valid": valid,
        "rejected_at": rejected_at,
        "error": "",
        "preemptions": 0,
    }


def record(engine: str, schema: str, texts: list[dict], ttfm: int = 1000, **more: object) -> dict:
    base = {"engine": engine, "schema": schema, "status": "ok", "reason": "", "compile_ns": ttfm // 2, "ttfm_ns": ttfm}
    return base | {"texts": texts} | more


def test_rounds_are_merged_by_the_median_of_each_sample() -> None:
    measured = ((10, 1, 7), (30, 2, 9), (20, 9, 8))
    rounds = [record("e", "s", [text([-1, m, 100], [50, c])], ttfm=t) for m, c, t in measured]
    merged = outcomes(rounds)["e"]["s"]
    assert merged.ttfm_ns == 8
    assert np.isnan(merged.tokens[0][0])  # belongs to the time to first mask
    assert list(merged.tokens[0][1:]) == [29, 100]


def test_verdicts_are_counted() -> None:
    texts = [
        text([5], [], valid=True, rejected_at=0),
        text([5, 5], [1], valid=True),
        text([5, 5], [1], valid=False),
        text([5], [], valid=False, rejected_at=0),
        text([5], [], valid=True, rejected_at=0) | {"error": "too complex"},
    ]
    outcome = outcomes([record("e", "s", texts)])["e"]["s"]
    assert (outcome.wrong_valid, outcome.wrong_invalid, outcome.errors) == (1, 1, ["too complex"])


def test_engines_are_compared_on_the_positions_that_both_reached() -> None:
    found = outcomes(
        [
            record("a", "s", [text([1000, 2000, 3000], [0, 0]), text([7000], [])]),
            record("b", "s", [text([4000], [], rejected_at=0)]),
        ]
    )
    assert list(times(found, "a", ["s"], ["a", "b"]).tbm) == [1]
    assert list(times(found, "b", ["s"], ["a", "b"]).tbm) == [4]
    assert list(times(found, "a", ["s"]).tbm) == [1, 2, 3, 7]


def test_a_time_out_counts_as_the_limit_but_not_as_a_schema() -> None:
    lost = {"engine": "e", "schema": "t", "status": "timeout", "reason": "time-out", "texts": [], "limit_ns": 2e9}
    found = outcomes([record("e", "s", []), lost])
    whole = times(found, "e", found["e"])
    assert (whole.schemas, list(whole.ttfm)) == (1, [1, 2e6])
    assert taken_by_all(found, ["e"]) == ["s"]


def test_report_shows_ratios_to_the_first_engine() -> None:
    records = [
        record("ours", "s", [text([-1, 1000], [1000])], ttfm=1000),
        record("rival", "s", [text([-1, 3000], [1000])], ttfm=250_000),
        {"engine": "ours", "schema": "r", "status": "refused", "reason": "not | this 17", "texts": []},
        record("rival", "r", [text([-1, 9000], [1000], valid=False)]),
    ]
    shown = markdown(records, {"engines": ["ours", "rival"], "facts": {"load": "0"}})
    rows = {line.split(" | ")[0].strip("| "): line for line in shown.split("## (b)")[1].splitlines() if "|" in line}
    assert "| 1.0 | 3.0 (3x) |" in rows["TBM max, µs"]
    assert "| 1.0 | 250 (250x) |" in rows["TTFM max, µs"]
    assert "| ours | refused | not \\| this N | 1 |" in shown
    assert "| invalid accepted: schemas (instances) | 0 (0) | 1 (1) |" in shown


def test_aims_compare_the_same_positions() -> None:
    records = [
        record("ours", "s", [text([-1, 1000, 9000], [1000, 0])], ttfm=1000, peak_mb=50.0),
        record("llguidance", "s", [text([-1, 9000], [1000])], ttfm=2000, peak_mb=70.0),
        record("llguidance", "only its", [text([-1, 1], [1])], ttfm=1),
    ]
    facts = {"engines": ["ours", "llguidance"], "facts": {}}
    shown = markdown(records, facts)
    assert "| TBM p50 | 1.0 | llguidance | 9.0 | 0.11x | 0.2x | met |" in shown
    assert "| TBM p99 | 1.0 | llguidance | 9.0 | 0.11x | 0.1x | **missed** |" in shown
    assert "| TTFM p50 | 1.0 | llguidance | 2.0 | 0.50x | 0.3x | **missed** |" in shown
    assert "| total for a schema mean | 2.0 | llguidance | 11.0 | 0.18x | 0.15x | **missed** |" in shown
    assert "glrmask" not in shown
    assert "| peak memory of the process at the end, MB | 50.0 | 70.0 |" in shown
    flushed = markdown(records, facts | {"flush_mb": 64})
    assert "64 MB written before each mask" in flushed
    assert "| TBM p99 | 1.0 | llguidance | 9.0 | 0.11x | 0.25x | met |" in flushed


def test_grammars_are_compared_with_the_better_rival() -> None:
    records = [
        record("ours", "sql", [text([-1, 1000], [0])]),
        record("llguidance", "sql", [text([-1, 9000], [0])]),
        record("xgrammar", "sql", [text([-1, 8000], [0])]),
        record("glrmask", "sql", [text([-1, 2000], [0])]),
    ]
    header = {"engines": ["ours", "llguidance", "xgrammar", "glrmask"], "facts": {}, "kind": "grammars"}
    shown = markdown(records, header)
    assert "| sql, TBM p50 | 1.0 | xgrammar | 8.0 | 0.12x | 0.1x | **missed** |" in shown
    late = {"engine": "ours", "schema": "cpp", "status": "timeout", "reason": "time-out", "texts": [], "limit_ns": 2e9}
    its = record("llguidance", "cpp", [text([-1, 9000], [0])])
    header["engines"] = ["ours", "llguidance"]
    assert "| cpp, TBM | n/a |  | n/a | n/a | 0.1x | **missed** (timeout) |" in markdown([late, its], header)
    assert "## sql" in shown and "| TBM max, µs | 1.0 | 9.0 (9x) | 8.0 (8x) | 2.0 (2x) |" in shown


@pytest.mark.parametrize(
    ("reason", "expected"), [("line 12:\n  bad", "line N: bad"), ("a|b", "a\\|b"), ("x" * 200, "x" * 100)]
)
def test_reasons_are_made_comparable(reason: str, expected: str) -> None:
    assert general(reason) == expected
