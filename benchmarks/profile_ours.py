"""Where constrain is slow or wrong, for tuning: ``python -m benchmarks.profile_ours --data ... --tokenizer ...``.

Prints the slowest masks and compiles with schema and position, the wrong verdicts, and the refusals by keyword.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.corpus import Corpus
from benchmarks.engines import ENGINES
from benchmarks.maskbench import Job, Jobs, run_job
from benchmarks.samples import Record, percentiles, token_times
from benchmarks.tables import number, table
from benchmarks.tokenizer import Tokenizer, find_tokenizer, read_tokenizer
from benchmarks.worker import Settings, Worker

MASK_COLUMNS = ("µs", "mask + commit", "schema", "text", "position", "before", "token")


def slowest_masks(runs: Iterable[tuple[Job, Record]], tokenizer: Tokenizer, most: int) -> Iterator[list[str]]:
    """Rows: mask + commit in µs, their parts, schema, text number, position, the text before it, the next token."""
    found = []
    for job, record in runs:
        for text_number, text in enumerate(record["texts"]):
            for position, nanoseconds in enumerate(token_times(text)):
                if not np.isnan(nanoseconds):
                    found.append((nanoseconds, job, text_number, position, text))
        found = sorted(found, key=lambda f: -f[0])[:most]
    for nanoseconds, job, text_number, position, text in found:
        tokens = job.texts[text_number]
        commit = text["commit_ns"][position] if position < len(text["commit_ns"]) else 0
        parts = f"{number(text['mask_ns'][position] / 1e3)} + {number(commit / 1e3)}"
        before, after = _text(tokenizer, tokens[:position]), _text(tokenizer, tokens[position : position + 1])
        yield [number(nanoseconds / 1e3), parts, job.name, str(text_number), str(position), before[-50:], after]


def slowest_schemas(runs: Iterable[tuple[Job, Record]], field: str, most: int) -> Iterator[list[str]]:
    """Rows: µs to first mask, µs of compile alone, schema."""
    timed = [(r[field], r["compile_ns"], j.name) for j, r in runs if field in r and "ttfm_ns" in r]
    for ttfm, build, name in sorted(timed, reverse=True)[:most]:
        yield [number(ttfm / 1e3), number(build / 1e3), name]


def wrong_verdicts(runs: Iterable[tuple[Job, Record]], tokenizer: Tokenizer) -> Iterator[list[str]]:
    """Rows: what is wrong, schema, text number, the text before the place, the token that was not allowed."""
    for job, record in runs:
        for n, text in enumerate(record["texts"]):
            at = text["rejected_at"]
            if text["valid"] and at is not None:
                tokens = job.texts[n]
                after = _text(tokenizer, tokens[at : at + 1]) or "<end>"
                yield ["valid rejected", job.name, str(n), _text(tokenizer, tokens[:at])[-60:], after]
            elif not text["valid"] and at is None:
                yield ["invalid accepted", job.name, str(n), _text(tokenizer, job.texts[n])[:80], ""]


def refusals(runs: Iterable[tuple[Job, Record]]) -> Iterator[list[str]]:
    """Rows: status, first words of the reason (for us: the keyword), count, an example schema."""
    counts: Counter[tuple[str, str]] = Counter()
    examples: dict[tuple[str, str], tuple[str, str]] = {}
    for job, record in runs:
        if record["status"] != "ok":
            kind = (record["status"], " ".join(record["reason"].split()).split(": ")[0][:60])
            counts[kind] += 1
            examples.setdefault(kind, (job.name, " ".join(record["reason"].split())[:120]))
    for kind, count in counts.most_common():
        yield [*kind, str(count), *examples[kind]]


def _text(tokenizer: Tokenizer, tokens: Sequence[int]) -> str:
    data = b"".join(tokenizer.tokens[t] or b"" for t in tokens)
    return "`" + data.decode("utf-8", "backslashreplace").replace("|", "\\|").replace("\n", "\\n") + "`" if data else ""


def arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--data", type=Path, required=True)
    add("--tokenizer", required=True)
    add("--eos")
    add("--engine", default="constrain", choices=ENGINES)
    add("--limit", type=int)
    add("--seed", type=int, default=0)
    add("--only", help="only schemas whose name contains this")
    add("--timeout", type=float, default=30.0)
    add("--most", type=int, default=25, help="rows in each table")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    options = arguments(words)
    tokenizer = read_tokenizer(find_tokenizer(options.tokenizer), options.eos)
    corpus = Corpus(options.data)
    names = [n for n in corpus.sample(None, options.seed) if options.only is None or options.only in n]
    jobs = Jobs(corpus, names[: options.limit], tokenizer)
    with Worker(options.engine, tokenizer, Settings()) as worker:
        runs = [(job, run_job(worker, job, options.timeout)) for job in jobs]
    sys.stdout.write(report(runs, tokenizer, options.most))
    return 0


def report(runs: Sequence[tuple[Job, Record]], tokenizer: Tokenizer, most: int) -> str:
    """All tables as Markdown."""
    samples = [token_times(t) for _, r in runs for t in r["texts"]]
    every = np.concatenate([np.zeros(0), *samples])
    ttfm = np.array([r["ttfm_ns"] for _, r in runs if "ttfm_ns" in r])
    summary = [
        ["TBM", *map(number, percentiles(every[~np.isnan(every)] / 1e3))],
        ["TTFM", *map(number, percentiles(ttfm / 1e3))],
    ]
    parts = [
        f"{len(runs)} schemas, {len(ttfm)} compiled, {len(every):,} masks",
        table(["µs", "p50", "p90", "p99", "p99.9", "max"], summary),
        "## Slowest masks",
        table(MASK_COLUMNS, slowest_masks(runs, tokenizer, most)),
        "## Slowest to first mask",
        table(["TTFM µs", "compile µs", "schema"], slowest_schemas(runs, "ttfm_ns", most)),
        "## Wrong verdicts",
        table(["what", "schema", "text", "before", "token"], wrong_verdicts(runs, tokenizer)),
        "## Refused, failed, crashed, out of time",
        table(["status", "keyword or error", "schemas", "example", "its reason"], refusals(runs)),
    ]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.exit(main())
