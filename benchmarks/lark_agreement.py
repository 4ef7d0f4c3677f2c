"""Do Lark and the engine accept the same texts? ``python -m benchmarks.lark_agreement --grammars 1000 --seed 1``

Generated grammars (``lark_generated.py``), each read by all of Lark's lexers that it has no conflicts with. They are
run as users run them; with ``--probe`` as the machine runs grammars too large for a product with their contexts.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from itertools import product
from random import Random
from typing import Any

import lark

import constrain
from benchmarks.lark_generated import POOLS, Pool, Texts, grammar, load
from constrain.automata import lexed
from constrain.errors import GrammarError, LimitExceeded
from constrain.frontends.lark import lark_grammar
from constrain.testing import byte_vocabulary
from constrain.tokens.pushdown import PushdownAutomaton

MODES = [
    ("earley", "basic"),
    ("lalr", "basic"),
    ("lalr", "contextual"),
    ("earley", "dynamic"),
    ("earley", "dynamic_complete"),
]
Mode = tuple[str, str]
SECONDS, LONGEST_TEXT = 5, 200
DIFFERENCES = ("MISSING", "TOO MUCH")


def main() -> None:
    options = _options()
    if options.probe:
        lexed.FEW_CONTEXTS = 0
    counts: Counter[tuple[str, str]] = Counter()
    began = time.monotonic()
    for number in range(options.grammars):
        name = list(POOLS)[number % len(POOLS)]
        random = Random(f"{options.seed} {number}")
        source = grammar(POOLS[name], random)
        for mode in MODES:
            compare(name, source, mode, random, counts, options.texts)
        if number % 50 == 49:
            print(f"{table(counts)}\n{number + 1} grammars", file=sys.stderr)
    print(table(counts))
    print(f"\n{options.grammars} grammars, seed {options.seed}, {time.monotonic() - began:.0f} s")
    sys.exit(1 if any(kind in DIFFERENCES for _, kind in counts) else 0)


def compare(name: str, source: str, mode: Mode, random: Random, counts: Counter[tuple[str, str]], texts: int) -> None:
    """One grammar with one lexer; differences are printed."""
    where = "/".join(mode)
    with _Limit(SECONDS) as limit:
        loaded = load(source, *mode)
    if limit.hit or loaded is None:
        counts[where, "Lark too slow" if limit.hit else "refused by Lark"] += 1
        return
    try:
        with _Limit(SECONDS) as limit:
            engine = compiled(loaded)
        if limit.hit:
            counts[where, "engine too slow"] += 1
            print(f"SLOW {where} compile\n{source}", flush=True)
            return
        counts[where, "grammars"] += 1
        counts[name, "grammars"] += 1
        for text in dict.fromkeys(samples(loaded, POOLS[name], random, texts)):
            verdict = judge(loaded, engine, text)
            for key in (where, name):
                counts[key, verdict] += 1
            if verdict.isupper():
                print(f"{verdict} {where} {text!r}\n{source}", flush=True)
                return
    except LimitExceeded as error:
        counts[where, f"limit: {error.what}"] += 1
    except GrammarError as error:
        counts[where, f"refused: {error.message}"] += 1


def judge(loaded: lark.Lark, engine: PushdownAutomaton | None, text: str) -> str:
    """What both say of a text."""
    with _Limit(0.3) as limit:
        expected = accepts(loaded, text)
    if limit.hit:
        return "texts too slow for Lark"
    with _Limit(SECONDS) as limit:
        found = engine is not None and reads(engine, text)
    if limit.hit:
        return "SLOW"
    if found != expected:
        return "MISSING" if expected else "TOO MUCH"
    return "members" if expected else "others"


def compiled(loaded: lark.Lark) -> PushdownAutomaton | None:
    """The engine; None where no text matches."""
    try:
        return constrain.compile(lark_grammar(loaded), byte_vocabulary())
    except GrammarError as error:
        if "no text at all matches" not in str(error):
            raise
        return None


def samples(loaded: lark.Lark, pool: Pool, random: Random, count: int) -> Iterator[str]:
    """All texts of up to two letters, members and others."""
    for length in range(3):
        for letters in product(pool.letters[:5], repeat=length):
            yield "".join(letters)
    texts = Texts(loaded, pool.letters, random)
    for _ in range(count):
        member = texts.member("start")[:LONGEST_TEXT]
        yield member
        yield texts.near(member)


def accepts(loaded: lark.Lark, text: str) -> bool:
    try:
        loaded.parse(text)
    except lark.exceptions.UnexpectedInput:
        return False
    except RuntimeError as error:  # raised after the whole text has been accepted, in more than one way
        if "multiple start symbol items" not in str(error):
            raise
    return True


def reads(engine: PushdownAutomaton, text: str) -> bool:
    state = engine.advance_bytes(engine.start(), text.encode())
    return state is not None and engine.is_accepting(state)


class _Slow(Exception):
    """The time is up."""


class _Limit:
    """At most so many seconds of this process; ``hit`` says whether that was too little."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.hit = seconds, False

    def __enter__(self) -> _Limit:
        signal.signal(signal.SIGVTALRM, self._stop)
        signal.setitimer(signal.ITIMER_VIRTUAL, self.seconds)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        self.hit = kind is _Slow
        return self.hit

    def _stop(self, *_: object) -> None:
        raise _Slow


def table(counts: Counter[tuple[str, str]]) -> str:
    """Rows by lexer and by kind of grammar."""
    columns = ["grammars", "members", "others", *DIFFERENCES]
    rows = ["/".join(mode) for mode in MODES] + list(POOLS)
    lines = [f"| | {' | '.join(columns)} | else |", "|---" * (len(columns) + 2) + "|"]
    for row in rows:
        rest = {kind: count for (name, kind), count in sorted(counts.items()) if name == row and kind not in columns}
        other = "; ".join(f"{kind}: {count}" for kind, count in rest.items())
        lines.append(f"| {row} | {' | '.join(str(counts[row, column]) for column in columns)} | {other} |")
    return "\n".join(lines)


def _options() -> Any:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--grammars", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--texts", type=int, default=12, help="members and as many near ones for each grammar and lexer"
    )
    parser.add_argument("--probe", action="store_true", help="no products: as the machine runs large grammars")
    return parser.parse_args()


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
