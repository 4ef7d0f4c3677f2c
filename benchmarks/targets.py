"""What constrain aims at, as shares of its rivals' times, and whether a run shows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from benchmarks.samples import Outcomes, figures, taken_by_all, times
from benchmarks.tables import number, table

HEADINGS = {"tbm": "TBM", "ttfm": "TTFM", "total": "total for a schema"}


class Target(NamedTuple):
    """``figure`` of field ``of`` is to be at most ``share`` of the rival's."""

    rival: str
    of: str
    figure: str
    share: float


COLD = (
    Target("llguidance", "tbm", "p50", 0.2),
    Target("llguidance", "tbm", "p99", 0.1),
    Target("llguidance", "tbm", "p99.9", 0.2),
    Target("llguidance", "tbm", "max", 0.3),
    Target("glrmask", "tbm", "p50", 0.7),
    Target("glrmask", "tbm", "p99", 1.0),
    Target("glrmask", "tbm", "p99.9", 2.0),
    Target("llguidance", "ttfm", "p50", 0.3),
    Target("llguidance", "ttfm", "p90", 0.5),
    Target("llguidance", "ttfm", "p99", 0.5),
    Target("llguidance", "total", "mean", 0.15),
    Target("glrmask", "total", "mean", 0.02),
)
FLUSHED = (Target("llguidance", "tbm", "p50", 0.25), Target("llguidance", "tbm", "p99", 0.25))
BETTER_OF = ("llguidance", "xgrammar")
GRAMMAR_SHARE = 0.1  # of the better of them, at p50 and at p99
HEAD = ("figure, µs", "ours", "rival", "its", "share", "aim", "")


def schema_targets(found: Outcomes, engines: Sequence[str], flush_mb: int) -> str:
    """Each aim beside what was measured, on the schemas and positions that the first engine and the rival reach."""
    rows = []
    for rival, of, figure, share in FLUSHED if flush_mb else COLD:
        if rival in engines[1:]:
            both = taken_by_all(found, [engines[0], rival])
            mine, its = (getattr(times(found, e, both, [engines[0], rival]), of) for e in (engines[0], rival))
            rows.append(_row(f"{HEADINGS[of]} {figure}", figures(mine)[figure], rival, figures(its)[figure], share))
    return table(HEAD, rows) if rows else "None of the rivals that the aims speak of took part."


def grammar_targets(found: Outcomes, engines: Sequence[str]) -> str:
    """TBM of each grammar against the better of the rivals, on the positions that all of them reach."""
    rows = list(_grammar_rows(found, engines))
    return table(HEAD, rows) if rows else "None of the rivals that the aims speak of took part."


def _grammar_rows(found: Outcomes, engines: Sequence[str]) -> Iterator[list[str]]:
    ours = engines[0]
    for grammar in found[ours]:
        if found[ours][grammar].status != "ok":
            yield [
                f"{grammar}, TBM",
                "n/a",
                "",
                "n/a",
                "n/a",
                f"{GRAMMAR_SHARE:g}x",
                f"**missed** ({found[ours][grammar].status})",
            ]
            continue
        rivals = [e for e in engines[1:] if e in BETTER_OF and grammar in taken_by_all(found, [ours, e])]
        columns = {e: figures(times(found, e, [grammar], [ours, *rivals]).tbm) for e in [ours, *rivals]}
        for figure in ("p50", "p99") if rivals else ():
            its, best = min((columns[e][figure], e) for e in rivals)
            yield _row(f"{grammar}, TBM {figure}", columns[ours][figure], best, its, GRAMMAR_SHARE)


def _row(what: str, mine: float, rival: str, its: float, aim: float) -> list[str]:
    share = mine / its if its else float("nan")
    verdict = "met" if share <= aim else "**missed**"
    return [what, number(mine), rival, number(its), f"{share:.2f}x", f"{aim:g}x", verdict]
