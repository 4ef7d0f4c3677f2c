"""Work instead of seconds: what constrain does on a fixed set of grammars and texts, counted exactly.

``python -m benchmarks.work`` shows what has changed since ``work.json`` was written, ``--accept`` writes it anew. The
test ``tests/benchmarks/test_work.py`` fails when a count has grown by more than a few per cent. Counts are the same on
every machine: the vocabulary is made here out of our own texts, and nothing depends on time or on addresses.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import constrain
from benchmarks.corpus import Case, Corpus
from benchmarks.engines.base import GrammarText
from benchmarks.grammarbench import Grammars
from benchmarks.tables import table
from constrain.tokens import pushdown

HERE = Path(__file__).parent
COMMITTED = HERE / "work.json"
TOLERANCE = 0.03
SLACK = 5  # counts below a few dozen may move by so many
KERNELS = ("fill_mask", "advance", "start_state")  # as tokens/pushdown.py calls them
TEXTS_OF_A_GRAMMAR = 4
SHARED = ("entry", "residual", "leafstate", "leaf")  # counters of the vocabulary
SIZES = ("bytes", "shared_bytes")  # no sums of these
Counts = dict[str, int]


def vocabulary() -> constrain.Vocabulary:
    """Every byte, and beginnings and ends of the words of our own texts, as a trained vocabulary would have them."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted((HERE / "cases").glob("*.json")))
    text += "\n".join(i.text for name in Grammars().names for i in Grammars().texts(name))
    pieces: set[bytes] = set()
    for word in {w for line in text.splitlines() for w in line.split(" ")}:
        for cut in range(1, min(len(word), 12) + 1):
            pieces |= {p.encode() for p in (word[:cut], " " + word[:cut], word[-cut:], '"' + word[:cut])}
    pieces |= (
        {b" " * n for n in range(2, 17)} | {b"\n" + b" " * n for n in range(13)} | {b"%d" % n for n in range(1000)}
    )
    pieces |= {a + b for a in PUNCTUATION for b in PUNCTUATION}
    tokens: list[bytes | None] = [*(bytes([b]) for b in range(256)), *sorted(p for p in pieces if len(p) > 1)]
    return constrain.Vocabulary([*tokens, None], [len(tokens)])


PUNCTUATION = tuple(
    p.encode() for p in ('"', '",', '":', '": ', "{", "}", "[", "]", ",", ", ", "(", ")", ";", ");", "'")
)


def tokenise(data: bytes, ids: dict[bytes, int]) -> Iterator[int]:
    """Longest match first: what matters is only that the cut is always the same."""
    longest, at = max(map(len, ids)), 0
    while at < len(data):
        size = next(n for n in range(min(longest, len(data) - at), 0, -1) if data[at : at + n] in ids)
        yield ids[data[at : at + size]]
        at += size


def count_all() -> dict[str, Counts]:
    """Counts of each case, in a fixed order over one fresh vocabulary; of what grammars share, what the case added."""
    made = vocabulary()
    ids = {token: i for i, token in reversed(list(enumerate(made.tokens))) if token}
    corpus, grammars = Corpus(HERE / "cases"), Grammars()
    cases = [corpus.case(name) for name in corpus.names] + [grammars.case(name) for name in grammars.names]
    shared = constrain.compile(constrain.regex("a"), made).counters()
    found = {}
    for case in cases:
        counters, calls = count(case, made, ids)
        added = {name: counters[name] - shared.get(name, 0) for name in SHARED if name in counters}
        found[case.name] = counters | added | calls
        shared = counters
    return found


def count(case: Case, made: constrain.Vocabulary, ids: dict[bytes, int]) -> tuple[Counts, Counts]:
    """Compile one case and write its texts: the automaton's counters after it, and the calls of kernels."""
    words, calls = np.zeros(made.words, np.int32), Counter[str]()
    is_grammar = isinstance(case.schema, GrammarText)
    with counted_kernels(calls):
        grammar = (
            constrain.lark(case.schema.of("lark"), lexer="dynamic_complete")
            if is_grammar
            else constrain.json_schema(case.schema)
        )
        automaton = constrain.compile(grammar, made)
        for instance in case.instances[: TEXTS_OF_A_GRAMMAR if is_grammar else None]:
            write(automaton, instance.text, list(tokenise(instance.text.encode(), ids)), words, instance.valid)
    return automaton.counters(), dict(calls)


@contextlib.contextmanager
def counted_kernels(calls: Counter[str]) -> Iterator[None]:
    """Count the calls of kernels that ``tokens/pushdown.py`` makes, retries included."""
    before = {name: getattr(pushdown, name) for name in KERNELS}
    for name, kernel in before.items():
        setattr(pushdown, name, _counting(kernel, f"calls of {name}", calls))
    try:
        yield
    finally:
        for name, kernel in before.items():
            setattr(pushdown, name, kernel)


def _counting(kernel: Callable[..., Any], name: str, calls: Counter[str]) -> Callable[..., Any]:
    def counted(*arguments: Any) -> Any:
        calls[name] += 1
        return kernel(*arguments)

    counted.direct = counted  # type: ignore[attr-defined]
    return counted


def write(automaton: Any, text: str, tokens: list[int], words: Any, valid: bool) -> None:
    """Every mask and every step of one text; a wrong verdict would make the counts meaningless."""
    state: int | None = automaton.start()
    for token in tokens:
        automaton.fill_mask(state, words)
        allowed = bool((int(words[token >> 5]) >> (token & 31)) & 1)
        state = automaton.advance(state, token) if allowed else None
        if state is None:
            break
    else:
        automaton.fill_mask(state, words)
    if (state is not None and automaton.is_accepting(state)) != valid:
        raise AssertionError(f"wrong verdict, so the counts mean nothing: {text}")


def differences(found: dict[str, Counts], committed: dict[str, Counts]) -> list[tuple[str, str, int, int]]:
    """(case, count, before, now) of all that has changed by more than the tolerance, or come, or gone; gone is 0."""
    changed = []
    for case in [*committed, *(c for c in found if c not in committed)]:
        before, now = committed.get(case, {}), found.get(case, {})
        for name in [*before, *(n for n in now if n not in before)]:
            old, new = before.get(name, 0), now.get(name, 0)
            if abs(new - old) > max(SLACK, TOLERANCE * abs(old)):
                changed.append((case, name, old, new))
    return changed


def grown(found: dict[str, Counts], committed: dict[str, Counts]) -> list[str]:
    """What has become more work, in words; empty when nothing has. Counts that are new are not compared."""
    names = {name for counts in found.values() for name in counts}
    lost = sorted({name for counts in committed.values() for name in counts} - names)
    more = [d for d in differences(found, committed) if d[3] > d[2] and d[1] in committed.get(d[0], {})]
    return [f"nothing counts {name} any more" for name in lost] + [
        f"{case}: {name} {old:,} -> {new:,} ({new / max(old, 1):.2f}x)" for case, name, old, new in more
    ]


def committed_counts() -> dict[str, Counts]:
    counts: dict[str, Counts] = json.loads(COMMITTED.read_text(encoding="utf-8")) if COMMITTED.exists() else {}
    return counts


def main(words: list[str] | None = None) -> int:
    """Show the differences; 1 if there is more work than before and ``--accept`` is not given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accept", action="store_true", help="write these counts to work.json")
    accept = parser.parse_args(words).accept
    found, committed = count_all(), committed_counts()
    rows = [[case, name, f"{old:,}", f"{new:,}"] for case, name, old, new in differences(found, committed)]
    totals: Counter[str] = sum((Counter(counts) for counts in found.values()), Counter())
    before: Counter[str] = sum((Counter(counts) for counts in committed.values()), Counter())
    rows += [["(sum)", name, f"{before[name]:,}", f"{totals[name]:,}"] for name in totals if name not in SIZES]
    sys.stdout.write(table(["case", "count", "work.json", "now"], rows) + "\n")
    if accept:
        lines = [f" {json.dumps(case)}: {json.dumps(counts)}" for case, counts in found.items()]
        COMMITTED.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
        return 0
    return int(bool(grown(found, committed)))


if __name__ == "__main__":
    sys.exit(main())
