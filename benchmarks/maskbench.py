"""Masks of several engines on MaskBench files, side by side: ``python -m benchmarks.maskbench --help``.

For each schema all engines run in turn, in an order that rotates, each in its own long-lived process; the machine's
moods thus hit all alike. See README.md for the method and for what it favours.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from benchmarks import machine
from benchmarks.corpus import Case, Corpus
from benchmarks.engines import ENGINES
from benchmarks.report import markdown
from benchmarks.samples import Record
from benchmarks.tokenizer import Tokenizer, encode_exactly, encoder, find_tokenizer, read_tokenizer
from benchmarks.worker import Settings, Worker


@dataclass(frozen=True)
class Job:
    """One schema with its texts as token ids; ``unspelled`` texts had to be left out."""

    name: str
    schema: Any
    texts: tuple[tuple[int, ...], ...]
    valid: tuple[bool, ...]
    unspelled: int


class Cases(Protocol):
    """Where cases come from: ``Corpus``, or the grammars of ``grammarbench``."""

    names: list[str]

    def case(self, name: str) -> Case: ...


class Jobs:
    """Reads and tokenises schemas when their turn comes; never while something is timed."""

    def __init__(self, corpus: Cases, names: Sequence[str], tokenizer: Tokenizer) -> None:
        self.corpus = corpus
        self.names = names
        self.tokenizer = tokenizer
        self.backend = encoder(tokenizer.path)

    def __iter__(self) -> Iterator[Job]:
        return map(self.job, self.names)

    def job(self, name: str) -> Job:
        case = self.corpus.case(name)
        spelled = [(encode_exactly(self.backend, self.tokenizer, i.text), i.valid) for i in case.instances]
        good = [(tuple(ids), valid) for ids, valid in spelled if ids is not None]
        texts, valid = tuple(t for t, _ in good), tuple(v for _, v in good)
        return Job(case.name, case.schema, texts, valid, len(spelled) - len(good))


def run_job(worker: Worker, job: Job, timeout: float) -> Record:
    """Measure one schema with one engine; the texts' true verdicts are written beside the engine's."""
    record = worker.run(job.schema, job.texts, timeout)
    for text, valid in zip(record["texts"], job.valid, strict=False):
        text["valid"] = valid
    return record | {"schema": job.name, "unspelled": job.unspelled}


def taken(jobs: Jobs, worker: Worker, timeout: float) -> list[str]:
    """The names of the jobs that this engine compiles."""
    return [n for n in jobs.names if "ttfm_ns" in worker.run(jobs.corpus.case(n).schema, (), timeout)]


def run_rounds(jobs: Jobs, engines: Sequence[str], settings: Settings, rounds: int, timeout: float) -> Iterator[Record]:
    """All records. Every round starts with fresh processes, so in each of them every schema is new."""
    for number in range(rounds):
        with ExitStack() as stack:
            workers = [stack.enter_context(Worker(name, jobs.tokenizer, settings)) for name in engines]
            for turn, job in enumerate(jobs):
                shift = (turn + number) % len(workers)
                for worker in workers[shift:] + workers[:shift]:
                    yield run_job(worker, job, timeout) | {"round": number, **_facts(worker)}


def _facts(worker: Worker) -> Record:
    kept = {"prepared_mb": worker.facts["memory_mb"], **{k: worker.facts[k] for k in ("version", "prepare_s")}}
    return {**kept, "restarts": worker.restarts}


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--data", type=Path, required=True, help="zip or folder of JSON files {schema, tests: [{data, valid}]}")
    add("--limit", type=int, help="so many schemas, chosen at random")
    add("--seed", type=int, default=0)
    add("--only-supported-by", choices=ENGINES, help="leave out the schemas that this engine refuses")
    common_arguments(parser)
    return parser.parse_args(words)


def common_arguments(parser: argparse.ArgumentParser) -> None:
    """What every side-by-side run can be told."""
    add = parser.add_argument
    add("--tokenizer", required=True, help="tokenizer.json, its folder, or a name in ../shared/data/tokenizers")
    add("--eos", help="text of the end-of-sequence token (default: from tokenizer_config.json)")
    add("--engines", default="constrain,llguidance", help=f"of {', '.join(ENGINES)}; the first is the reference")
    add("--timeout", type=float, default=60.0, help="seconds for one schema and engine, compile and all texts")
    add("--rounds", type=int, default=1, help="repeat with fresh processes; sample-wise medians are reported")
    add("--flush-mb", type=int, default=0, help="write so many MB before each mask, as a model's pass would")
    add("--memory-gb", type=float, default=0.0, help="bound on each engine's address space; 0: none")
    add("--core", type=int, help="pin the engines to this core")
    add("--no-gc", action="store_true", help="switch Python's garbage collector off while measuring")
    add("--output", type=Path, help="Markdown report (default: standard output)")
    add("--json", type=Path, help="raw records, one JSON line each; `python -m benchmarks.report` reads them")


def chosen_engines(options: argparse.Namespace) -> list[str]:
    """``--engines`` as a list. ``SystemExit`` when one is unknown."""
    engines: list[str] = options.engines.split(",")
    if unknown := [e for e in engines if e not in ENGINES]:
        raise SystemExit(f"unknown engines {unknown}; known: {', '.join(ENGINES)}")
    return engines


def chosen_settings(options: argparse.Namespace) -> Settings:
    return Settings(options.flush_mb, options.memory_gb, options.core, not options.no_gc)


def main(words: Sequence[str] | None = None) -> int:
    options = arguments(words)
    chosen_engines(options)  # complain before the work begins
    tokenizer = read_tokenizer(find_tokenizer(options.tokenizer), options.eos)
    settings = chosen_settings(options)
    corpus = Corpus(options.data)
    jobs = Jobs(corpus, corpus.sample(options.limit, options.seed), tokenizer)
    if options.only_supported_by:
        with Worker(options.only_supported_by, tokenizer, settings) as worker:
            jobs = Jobs(corpus, taken(jobs, worker, options.timeout), tokenizer)
    run_and_write(jobs, options, {"kind": "schemas", "title": "MaskBench, side by side"})
    return 0


def run_and_write(jobs: Jobs, options: argparse.Namespace, heading: dict[str, str]) -> None:
    """Measure all jobs and write the report and the records."""
    engines, load, began = chosen_engines(options), machine.load(), time.monotonic()
    rounds = run_rounds(jobs, engines, chosen_settings(options), options.rounds, options.timeout)
    records = list(_with_progress(rounds))
    facts = _facts_of_run(options, jobs, records, load, time.monotonic() - began)
    header = {**heading, "engines": engines, "flush_mb": options.flush_mb, "facts": facts}
    write_results(records, header, options.output, options.json)


def _with_progress(records: Iterator[Record]) -> Iterator[Record]:
    for count, record in enumerate(records, 1):
        if count % 100 == 0:
            sys.stderr.write(f"{count} records, now {record['schema']}\n")
        yield record


def _facts_of_run(options: argparse.Namespace, jobs: Jobs, records: list[Record], load: str, seconds: float) -> Record:
    versions = {f"engine {r['engine']}": _engine_facts(r) for r in records}
    return {
        "command": machine.command_line(),
        **machine.facts(),
        **versions,
        "load average, start": load,
        "load average, end": machine.load(),
        "seconds": f"{seconds:.0f}",
        "tokenizer": f"{jobs.tokenizer.path.parent.name}, {jobs.tokenizer.width:,} tokens",
        "schemas": f"{len(jobs.names)} of {len(jobs.corpus.names)}",
        "texts left out (the tokenizer cannot spell them exactly)": sum(
            {r["schema"]: r["unspelled"] for r in records}.values()
        ),
        "processor caches": f"{options.flush_mb} MB written before each mask" if options.flush_mb else "left alone",
        "rounds": str(options.rounds),
        "garbage collector": "off" if options.no_gc else "on",
        "threads": "1",
    }


def _engine_facts(record: Record) -> str:
    return (
        f"{record['version']}, prepared in {record['prepare_s']:.1f} s (import, vocabulary, one warm-up schema), "
        f"{record['prepared_mb']} MB then, {record['restarts']} restarts"
    )


def write_results(records: list[Record], header: Record, report: Path | None, raw: Path | None) -> None:
    if raw:
        lines = (json.dumps(r, ensure_ascii=False) + "\n" for r in [header, *records])
        with raw.open("w", encoding="utf-8") as out:
            out.writelines(lines)
    text = markdown(records, header)
    if report:
        report.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    sys.exit(main())
