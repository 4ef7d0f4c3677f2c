"""What exact canvases cost a diffusion sampler: ``python -m benchmarks.canvasbench --help``.

A step ranks the open slots by confidence and commits the ``k`` best tokens that are jointly valid. Timed is all work on
the canvas in one step: the proposals are put to it in turn; a slot whose token is refused gets its mask, and the token
with the best score under it. Not timed are scores and ranks, which samplers without a grammar need too.

``random``: slots in random order, each proposes any id. ``adversarial``: each proposes an id that is not allowed, so
every commit needs a mask. What comes out of each run is checked: records by ``json.loads``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import product, takewhile
from pathlib import Path
from time import perf_counter_ns, thread_time_ns
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

import constrain
from benchmarks import machine
from benchmarks.tables import table
from benchmarks.tokenizer import find_tokenizer
from constrain.canvas import OPEN, Canvas, Canvases, NotCompletable
from constrain.canvas.regular import RegularCanvas
from constrain.ir.grammar import Grammar
from constrain.vocab.vocabulary import Vocabulary

Scores = npt.NDArray[np.float32]
Make = Callable[[int], Canvas]  # of as many open slots

TEXT, WHOLE, FLAG = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}
FOUR = {"name": TEXT, "age": WHOLE, "city": TEXT, "member": FLAG}
EIGHT = {
    **FOUR,
    "kind": {"enum": ["conference", "invoice", "review"]},
    "score": {"type": "number"},
    "email": TEXT,
    "date": {"type": "string", "pattern": "^20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"},
}
RECORDS = {
    "4 fields, compact": (FOUR, "compact"),
    "4 fields, any blanks": (FOUR, "any"),
    "8 fields, compact": (EIGHT, "compact"),
    "8 fields, any blanks": (EIGHT, "any"),
}


# what to add to the scores of eight ids, for each byte of a mask: much faster than numpy.where
BITS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little")
PENALTIES = np.where(BITS, 0, -np.inf).astype(np.float32)
CLOCKS = {"wall": perf_counter_ns, "cpu": thread_time_ns}


class Times(NamedTuple):
    """Milliseconds of each step, and how many runs of how many gave a valid text."""

    steps: list[float]
    valid: int
    runs: int


class Prepared(NamedTuple):
    """A grammar over a vocabulary. ``facts`` are for the table; ``valid``: is a canvas that is full a text?"""

    make: Make
    valid: Callable[[Canvas], bool]
    facts: list[str]


def prepare(name: str, vocabulary: Vocabulary) -> Prepared:
    """What is made once for a grammar (of a name in ``RECORDS``, or a .lark file), with the time that it takes."""
    grammar = record(*RECORDS[name]) if name in RECORDS else constrain.lark(Path(name).read_text(encoding="utf-8"))
    began = perf_counter_ns()
    canvases = Canvases(grammar, vocabulary)
    spent = (perf_counter_ns() - began) / 1e6
    tokens = canvases.tokens
    kind = "chart" if tokens is None else f"{tokens.states:,} states, {tokens.classes} classes of tokens"
    valid = is_json if name in RECORDS else accepted_by(grammar, vocabulary)
    return Prepared(canvases.of, valid, [name, kind, f"{spent:,.0f}"])


def record(properties: dict[str, Any], whitespace: str) -> Grammar:
    """Objects with just these properties."""
    schema = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    return constrain.json_schema(schema, whitespace=whitespace)


# ---- a sampler's step ------------------------------------------------------------------------------------------


def proposals(canvas: Canvas, k: int, kind: str, rng: np.random.Generator) -> tuple[list[int], list[int]]:
    """The ``k`` open slots of most confidence, in its order, and the token that each would like best."""
    slots = rng.permutation(np.flatnonzero(canvas.slots == OPEN))[:k]
    tokens = rng.integers(0, canvas.vocabulary.width, len(slots)).tolist()
    if kind == "adversarial":
        tokens = [refused(canvas, int(slot), token) for slot, token in zip(slots, tokens, strict=True)]
    return slots.tolist(), tokens


def refused(canvas: Canvas, slot: int, token: int) -> int:
    """The next id that is not allowed, or ``token`` if all are."""
    width = canvas.vocabulary.width
    return next((t % width for t in range(token, token + width) if not canvas.allows(slot, t % width)), token)


def step(canvas: Canvas, slots: Sequence[int], tokens: Sequence[int], row: Scores) -> Canvas:
    """Commit in each of the slots its token, or else the best one that is possible: all canvas work of a step."""
    canvas, taken = commit_many(canvas, slots, tokens)
    for slot, done in zip(slots, taken, strict=True):
        if not done:
            canvas = canvas.commit(slot, best_under(canvas.mask(slot), row))
    return canvas


def commit_many(canvas: Canvas, slots: Sequence[int], tokens: Sequence[int]) -> tuple[Canvas, Sequence[bool]]:
    """Each proposal that is possible after those before it; in one call where a canvas has one for that."""
    if isinstance(canvas, RegularCanvas):
        after, flags = canvas.commit_many(slots, tokens)
        return after, flags.tolist()
    taken = []
    for slot, token in zip(slots, tokens, strict=True):
        try:
            canvas = canvas.commit(slot, token)
            taken.append(True)
        except NotCompletable:
            taken.append(False)
    return canvas, taken


def best_under(mask: npt.NDArray[np.int32], row: Scores) -> int:
    """The id with the best score of those allowed."""
    penalties = PENALTIES.take(mask.view(np.uint8), axis=0).reshape(-1)
    return int((row + penalties[: len(row)]).argmax())


def run(prepared: Prepared, n: int, k: int, kind: str, rng: np.random.Generator, runs: int,
        clock: Callable[[], int] = perf_counter_ns) -> Times:  # fmt: skip
    """Fill canvases of ``n`` slots, ``k`` a step."""
    canvas = prepared.make(n)
    rows = rng.normal(size=(16, canvas.vocabulary.width)).astype(np.float32)
    spent, good = [], 0
    for _ in range(runs):
        canvas = prepared.make(n)
        while (canvas.slots == OPEN).any():
            slots, tokens = proposals(canvas, k, kind, rng)
            began = clock()
            canvas = step(canvas, slots, tokens, rows[len(spent) % 16])
            spent.append((clock() - began) / 1e6)
        good += prepared.valid(canvas)
    return Times(spent, good, runs)


def text_of(canvas: Canvas) -> bytes:
    """What a canvas that is full says, by the table of tokens alone."""
    return text_before(canvas.ending.ends, canvas.slots.tolist(), canvas.vocabulary)


def text_before(ends: Collection[int], slots: Sequence[int], vocabulary: Vocabulary) -> bytes:
    """The bytes of all tokens before the first end."""
    tokens = vocabulary.tokens
    return b"".join(tokens[t] or b"\xff" for t in takewhile(lambda token: token not in ends, slots))


def is_json(canvas: Canvas) -> bool:
    """By a parser that is not ours."""
    try:
        json.loads(text_of(canvas))
    except ValueError:
        return False
    return True


def accepted_by(grammar: Grammar, vocabulary: Vocabulary) -> Callable[[Canvas], bool]:
    """By the engine for models that write from left to right, which shares no code with canvases."""
    automaton = constrain.compile(grammar, vocabulary)

    def accepted(canvas: Canvas) -> bool:
        state = automaton.advance_bytes(automaton.start(), text_of(canvas))
        return state is not None and automaton.is_accepting(state)

    return accepted


# ---- report ----------------------------------------------------------------------------------------------------


def rows_of(names: Sequence[str], vocabulary: Vocabulary, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """One record for each grammar, canvas, number of commits and kind of proposals."""
    for name in names:
        prepared = prepare(name, vocabulary)
        yield {"prepared": prepared.facts}
        for n, k, kind in product(options.lengths, options.commits, ("random", "adversarial")):
            rng = np.random.default_rng(options.seed)
            try:
                times = run(prepared, n, k, kind, rng, options.runs, CLOCKS[options.clock])
            except NotCompletable as error:
                print(f"{name}, {n} slots: {error}", file=sys.stderr)
                continue
            yield {"grammar": name, "slots": n, "commits": k, "proposals": kind, **times._asdict()}


def report(records: Sequence[dict[str, Any]]) -> str:
    """Markdown."""
    head = ["grammar", "kind", "prepared in, ms"]
    made = table(head, [record["prepared"] for record in records if "prepared" in record])
    body = []
    for record in records:
        if "steps" in record:
            at = [f"{np.quantile(record['steps'], share):.2f}" for share in (0.5, 0.9, 0.99)]
            about = [record["grammar"], str(record["slots"]), str(record["commits"]), record["proposals"]]
            body.append([*about, str(len(record["steps"])), *at, f"{record['valid']} of {record['runs']}"])
    head = ["grammar", "slots", "commits", "proposals", "steps", "p50, ms", "p90", "p99", "valid"]
    facts = table(["fact", "value"], list((machine.facts() | {"load": machine.load()}).items()))
    return "\n\n".join(["# Extra time for each denoising step", facts, f"`{machine.command_line()}`", made,
                        table(head, body)]) + "\n"  # fmt: skip


def numbers(text: str) -> list[int]:
    """``32,64`` as a list."""
    return [int(part) for part in text.split(",")]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", default="qwen2_5", help="tokenizer.json, its folder, or a name in ../shared")
    parser.add_argument("--grammars", help=f"some of: {'; '.join(RECORDS)}; or .lark files")
    parser.add_argument("--lengths", type=numbers, default=[32, 64, 128, 256], help="slots of canvases")
    parser.add_argument("--commits", type=numbers, default=[1, 4, 8], help="commits a step")
    parser.add_argument("--runs", type=int, default=3, help="canvases that are filled for each figure")
    parser.add_argument(
        "--clock", choices=CLOCKS, default="wall", help="cpu: of this thread, on a machine that is busy"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, help="where the report goes (default: only printed)")
    options = parser.parse_args()
    names = [name.strip() for name in options.grammars.split(";")] if options.grammars else list(RECORDS)
    unknown = [name for name in names if name not in RECORDS and not Path(name).is_file()]
    if unknown:
        sys.exit(f"no such grammars: {unknown}; there are: {'; '.join(RECORDS)}")
    vocabulary = constrain.vocabulary(str(find_tokenizer(options.tokenizer)))
    text = report(list(rows_of(names, vocabulary, options)))
    print(text)
    if options.output:
        options.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
