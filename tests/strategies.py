"""Small random expressions, terminals, grammars and vocabularies: from a ``Random``, and as Hypothesis strategies.

Over few symbols, so that random texts often match: a, b, c, the two-byte é, and the quote, which JSON must escape.
The strategies draw the generators' choices, so failing examples shrink.
"""

from __future__ import annotations

from random import Random

from hypothesis import strategies as st

from constrain.ir import rx
from constrain.ir.grammar import EMPTY, Bag, Choice, Expr, Grammar, Item, Joined, Literal, Ref, Repeat, Seq, Terminal
from constrain.ir.rx import ANY_BYTE, ANY_CHAR, EPSILON, Rx
from constrain.vocab.vocabulary import Vocabulary

SYMBOLS = 'abcé"'
PIECES = (b"a", b"b", b"c", b"\xc3", b"\xa9", b'"', b"\\", b"u", b"0", b"6", b"1")
RULES = ("s", "t", "u")
CLASSES = (ANY_CHAR, rx.chars(((0x61, 0x63),)), rx.chars(((0x80, 0x7FF),)), ANY_BYTE, rx.chars(((0x10000, 0x10FFFF),)))
SPANS = (  # of edges: disjoint; one has symbols that only some encodings have, one is of surrogates
    *((ord(c), ord(c)) for c in SYMBOLS), (0xC3, 0xC3), (0xF0, 0x10FF), (0xD800, 0xDFFF), (0xE000, 0x10FFFF),
)  # fmt: skip
BOUNDS = ((0, None), (1, None), (0, 1), (2, 2), (1, 3), (0, 4), (2, None), (3, 4))
WINDOWS = (*[(0, None)] * 5, (0, 2), (1, 3), (2, 2), (1, None), (2, 5))


def random_rx(rng: Random, depth: int = 3) -> Rx:
    """A random expression; it may well match nothing, or only symbols that the encoding does not have."""
    kind = rng.choice("llccerg" if depth == 0 else "llccergsssuurrrain")
    match kind:
        case "l":
            return rx.literal("".join(rng.choice(SYMBOLS) for _ in range(rng.randint(1, 2))))
        case "c":
            some = rx.chars((ord(c), ord(c)) for c in rng.sample(SYMBOLS, rng.randint(1, 3)))
            return rng.choice((some, some, some, rng.choice(CLASSES)))
        case "e":
            return EPSILON
        case "g":
            return rx.graph(*random_automaton(rng))
        case "r":
            return rx.repeat(random_rx(rng, max(depth - 1, 0)), *rng.choice(BOUNDS))
        case "i" | "n":
            return rx.complement(random_rx(rng, depth - 1))
    combine = {"s": rx.concat, "u": rx.union, "a": rx.intersect}[kind]
    return combine([random_rx(rng, depth - 1) for _ in range(rng.randint(2, 3))])


def random_automaton(rng: Random) -> tuple[list[list[rx.Edge]], set[int], int]:
    """Edges, final states and start of a deterministic automaton, in which much may be useless."""
    count = rng.randint(1, 4)
    edges = [
        [(low, high, rng.randrange(count)) for low, high in rng.sample(SPANS, rng.choice((0, 1, 1, 2, 3)))]
        for _ in range(count)
    ]
    return edges, {state for state in range(count) if rng.random() < 0.5}, rng.randrange(count)


def random_terminal(rng: Random) -> Terminal:
    return Terminal(random_rx(rng), rng.choice(("utf8", "utf8", "json", "bytes")), *rng.choice(WINDOWS))


def random_literal(rng: Random) -> Literal:
    count = rng.choice([0, 1, 1, 1, 1, 2, 2, 3])
    return Literal(b"".join(rng.choice(PIECES[:6] if rng.random() < 0.2 else PIECES[:3]) for _ in range(count)))


def random_grammar(rng: Random, *, with_terminals: bool = True) -> Grammar:
    """Up to three rules that may refer to each other in every way: left, right and middle recursion, cycles,
    ambiguity, empty rules; the language may be empty."""
    terminals = [random_terminal(rng) for _ in range(rng.randint(1, 3))] if with_terminals else []
    return Grammar("s", {name: _choice(rng, terminals, 2) for name in RULES})


def _choice(rng: Random, terminals: list[Terminal], depth: int) -> Expr:
    ways = [Seq(*(_item(rng, terminals, depth) for _ in range(rng.randint(1, 3)))) for _ in range(rng.randint(1, 3))]
    return Choice(*ways, *[random_literal(rng)] * (rng.random() < 0.6)) if len(ways) > 1 else ways[0]


def _item(rng: Random, terminals: list[Terminal], depth: int) -> Expr:
    """One member of a sequence: a leaf, a rule, or, less often, something with parts."""
    kind = rng.choice("lllrrrttcpj" if terminals else "llllrrrcpj")
    if kind == "t":
        return rng.choice(terminals)
    if kind == "r":
        return Ref(rng.choice(RULES))
    if kind == "l" or depth == 0:
        return random_literal(rng)
    if kind == "c":
        return _choice(rng, terminals, depth - 1)
    if kind == "p":
        low = rng.randint(0, 3)
        return Repeat(_item(rng, terminals, depth - 1), low, rng.choice([None, low, low + 1, 4]))
    items = [(_item(rng, terminals, depth - 1), rng.random() < 0.4) for _ in range(rng.randint(1, 4))]
    return Joined(tuple(items), random_literal(rng))


def random_bag_grammar(rng: Random) -> Grammar:
    """A bag of up to four items, often of the same texts, beside other text and inside itself; may have no members."""
    items = rng.randint(1, 4)
    separator = rng.choice((b",", b",", b",", b"", b"a"))
    words = [_bag_word(rng, separator) for _ in range(2)]
    bag = Bag(
        tuple(_bag_item(rng, words, items) for _ in range(items)),
        Literal(separator),
        *rng.choice(((0, None), (0, None), (1, None), (0, 2), (2, 3), (3, None))),
        ordered=rng.random() < 0.25,
    )
    outer = rng.choice(
        (Seq(Literal(b"["), Ref("b"), Literal(b"]")), Ref("b"), Choice(Seq(Ref("b"), Literal(b"b")), Ref("b")))
    )
    return Grammar("s", {"s": outer, "b": bag})


def _bag_word(rng: Random, separator: bytes) -> Terminal:
    """Such that a text is cut into words in few ways: cutting it into distinct words is NP-hard otherwise."""
    encoding = rng.choice(("json", "json", "utf8", "bytes"))
    first = 0 if encoding == "json" else 2 if separator == b"," else 4
    return Terminal(rng.choice(WORDS[first : None if separator == b"," or encoding == "json" else 6]), encoding)


def _bag_item(rng: Random, words: list[Terminal], items: int) -> Item:
    low, high = rng.choice(((0, 1), (0, 1), (0, None), (1, 1), (0, 2), (1, None), (2, 2)))
    needs = tuple(i for i in range(items) if rng.random() < 0.15)
    bodies = (Literal(b"1"), Literal(b"1"), Literal(b"a"), Seq(Literal(b"["), Ref("s"), Literal(b"]")))
    if rng.random() < 0.4:
        return Item(rng.choice(bodies), low, high, needs=needs)
    opening = rng.choice((Literal(b'"'), Literal(b'"'), Literal(b'"'), None, Repeat(Literal(b"a"), 0, 1)))
    body = rng.choice((*bodies, EMPTY, Repeat(Literal(b"a"), 0, 1)))
    return Item(body, low, high, opening=opening, word=rng.choice(words), needs=needs)


WORDS = (
    rx.repeat(ANY_CHAR, 0, None) - EPSILON,
    rx.repeat(ANY_CHAR, 0, None) - EPSILON - rx.literal("a"),
    rx.repeat(rx.chars(((0x61, 0x62),)), 1, None),
    rx.repeat(rx.chars(((0x61, 0x62),)), 1, 2),
    rx.literal("a"),
    rx.union((rx.literal("a"), rx.literal("ab"), rx.literal("é"))),
    rx.concat((rx.repeat(rx.literal("a"), 0, None), rx.literal("b"))),
    rx.concat((rx.repeat(rx.literal("a"), 0, None), rx.chars(((0x62, 0x63),)))),
)


def random_vocabulary(rng: Random, *, complete: bool = False) -> Vocabulary:
    """Aliases, ids without text, tokens across characters, several ends, a wide tail.

    ``complete``: with all 256 bytes, so that every text can be spelled and no state is a dead end.
    """
    texts: list[bytes | None] = [
        None if rng.random() < 0.15 else b"".join(rng.choice(PIECES) for _ in range(rng.randint(1, 4)))
        for _ in range(rng.randint(4, 20))
    ]
    texts += [bytes([b]) for b in range(256)] if complete else PIECES
    ends = rng.randint(1, 2)
    texts += [None] * ends
    rng.shuffle(texts)
    blank = [i for i, text in enumerate(texts) if text is None]
    return Vocabulary(texts, blank[:ends], len(texts) + rng.randint(0, 40))


def randoms() -> st.SearchStrategy[Random]:
    """Generators whose choices Hypothesis makes."""
    return st.randoms(use_true_random=False)


def expressions() -> st.SearchStrategy[Rx]:
    return st.builds(random_rx, randoms())


def terminals() -> st.SearchStrategy[Terminal]:
    return st.builds(random_terminal, randoms())


def grammars(*, with_terminals: bool = True) -> st.SearchStrategy[Grammar]:
    return st.builds(random_grammar, randoms(), with_terminals=st.just(with_terminals))


def bag_grammars() -> st.SearchStrategy[Grammar]:
    return st.builds(random_bag_grammar, randoms())


def vocabularies(*, complete: bool = False) -> st.SearchStrategy[Vocabulary]:
    return st.builds(random_vocabulary, randoms(), complete=st.just(complete))
