"""Bags by the definition: all sequences of elements that a text can be cut into, and what could still follow."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise, product
from typing import TYPE_CHECKING, NamedTuple

from naive.rx import ALPHABETS, cuts, derive, derive_all, inhabited, nullable
from naive.spelling import decode, decode_cut

from constrain.ir.grammar import Bag, Item, Terminal
from constrain.ir.rx import NOTHING, Ranges, Rx

if TYPE_CHECKING:
    from naive.language import Spans

Word = tuple[str, tuple[int, ...]]  # encoding and symbols


class Cut(NamedTuple):
    """Elements up to ``at``: how many of each item, the words used, the item of the last element."""

    at: int
    counts: tuple[int, ...]
    words: frozenset[Word]
    last: int


def word_ends(spans: Spans, item: Item, start: int) -> Iterator[tuple[int, Word]]:
    """Where opening and word of an element that starts here can end, with the word."""
    assert item.word is not None
    for begin in {start} if item.opening is None else spans.ends(item.opening, start):
        for end in spans.terminal_ends(item.word, begin):
            symbols = decode(spans.data[begin:end], item.word.encoding)
            assert symbols is not None
            yield end, (item.word.encoding, tuple(symbols))


def starts(spans: Spans, bag: Bag, cut: Cut) -> set[int]:
    """Where the next element may start."""
    return set(spans.ends(bag.separator, cut.at)) if any(cut.counts) else {cut.at}


def takeable(bag: Bag, cut: Cut) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Items whose upper bounds allow one more element, with the new counts."""
    for k, item in enumerate(bag.items):
        counts = (*cut.counts[:k], cut.counts[k] + 1, *cut.counts[k + 1 :])
        too_many = (item.high is not None and counts[k] > item.high) or (
            bag.high is not None and sum(counts) > bag.high
        )
        if not too_many and not (bag.ordered and k < cut.last):
            yield k, counts


def all_cuts(spans: Spans, bag: Bag, i: int) -> set[Cut]:
    """All ways to read elements from ``i`` on, within the upper bounds."""
    found = {Cut(i, (0,) * len(bag.items), frozenset(), 0)}
    stack = list(found)
    while stack:
        cut = stack.pop()
        for k, counts in takeable(bag, cut):
            for end, words in element_ends(spans, bag.items[k], starts(spans, bag, cut), cut.words):
                longer = Cut(end, counts, words, k)
                if longer not in found:
                    found.add(longer)
                    stack.append(longer)
    return found


def element_ends(
    spans: Spans, item: Item, begins: set[int], words: frozenset[Word]
) -> Iterator[tuple[int, frozenset[Word]]]:
    for begin in begins:
        if item.word is None:
            yield from ((end, words) for end in spans.ends(item.body, begin))
            continue
        for middle, word in word_ends(spans, item, begin):
            if word not in words:
                yield from ((end, words | {word}) for end in spans.ends(item.body, middle))


def is_fulfilled(bag: Bag, counts: tuple[int, ...]) -> bool:
    """All bounds and needs, as the definition has them."""
    if not bag.low <= sum(counts) or (bag.high is not None and sum(counts) > bag.high):
        return False
    for item, count in zip(bag.items, counts, strict=True):
        if count < item.low or (item.high is not None and count > item.high):
            return False
        if count and any(counts[need] == 0 for need in item.needs):
            return False
    return True


def ends(spans: Spans, bag: Bag, i: int) -> set[int]:
    return {cut.at for cut in all_cuts(spans, bag, i) if is_fulfilled(bag, cut.counts)}


def is_open(spans: Spans, bag: Bag, i: int) -> bool:
    """Is the text from ``i`` on the beginning of a bag?"""
    usable = {k for k, item in enumerate(bag.items) if all(map(spans.productive, item.parts))}
    more = spans.productive(bag.separator)

    def can_end(counts: tuple[int, ...], words: frozenset[Word], last: int) -> bool:
        return can_be_finished(bag, counts, words, last, frozenset(usable), more)

    for cut in all_cuts(spans, bag, i):
        if cut.at == spans.end and can_end(cut.counts, cut.words, cut.last):
            return True
        between = any(cut.counts) and spans.open(bag.separator, cut.at)
        for k, counts in takeable(bag, cut):
            if k not in usable:
                continue
            item = bag.items[k]
            begins = starts(spans, bag, cut)
            if item.word is None:
                if (between or any(spans.open(item.body, b) for b in begins)) and can_end(counts, cut.words, k):
                    return True
                continue
            fresh = [(item.word.encoding, w) for w in some_words(item.word, cut.words, amount(bag), b"")]
            good = any(can_end(counts, cut.words | {word}, k) for word in fresh)
            if good and (between or (item.opening and any(spans.open(item.opening, b) for b in begins))):
                return True
            if any(opens_word(spans, bag, item, b, cut, (counts, k), can_end) for b in begins):
                return True
    return False


def opens_word(spans: Spans, bag: Bag, item: Item, begin: int, cut: Cut, taken: tuple, can_end: object) -> bool:
    """Does the text end in the word, or in the body, of an element that starts at ``begin``?"""
    counts, k = taken
    assert item.word is not None and callable(can_end)
    for middle in {begin} if item.opening is None else spans.ends(item.opening, begin):
        for symbols in some_words(item.word, cut.words, amount(bag), spans.data[middle:]):
            if can_end(counts, cut.words | {(item.word.encoding, symbols)}, k):
                return True
    for end, word in word_ends(spans, item, begin):
        if word not in cut.words and spans.open(item.body, end) and can_end(counts, cut.words | {word}, k):
            return True
    return False


def amount(bag: Bag) -> int:
    """More elements than this never have to follow."""
    return bag.low + sum(item.low for item in bag.items) + len(bag.items)


def can_be_finished(
    bag: Bag, counts: tuple[int, ...], words: frozenset[Word], last: int, usable: frozenset[int], more: bool
) -> bool:
    """Is there any number of further elements of each item that fulfils all, with words enough?"""
    most = [
        max(item.low, bag.low, 1) if k in usable and more_allowed(bag, k, last) and (more or not sum(counts)) else 0
        for k, item in enumerate(bag.items)
    ]
    for extra in product(*(range(n + 1) for n in most)):
        total = tuple(a + b for a, b in zip(counts, extra, strict=True))
        if is_fulfilled(bag, total) and (more or sum(total) <= 1) and has_words(bag, extra, words):
            return True
    return False


def more_allowed(bag: Bag, k: int, last: int) -> bool:
    return not bag.ordered or k >= last


def has_words(bag: Bag, extra: tuple[int, ...], words: frozenset[Word]) -> bool:
    """Can all further elements have words of their own? By augmenting paths."""
    wanted = [bag.items[k].word for k, n in enumerate(extra) for _ in range(n) if bag.items[k].word is not None]
    choices = [
        [(word.encoding, symbols) for symbols in some_words(word, words, len(wanted), b"")]
        for word in wanted
        if word is not None
    ]
    owner: dict[Word, int] = {}

    def place(i: int, tried: set[Word]) -> bool:
        for word in choices[i]:
            if word not in tried:
                tried.add(word)
                if word not in owner or place(owner[word], tried):
                    owner[word] = i
                    return True
        return False

    return all(place(i, set()) for i in range(len(wanted)))


def some_words(terminal: Terminal, used: frozenset[Word], wanted: int, begun: bytes) -> list[tuple[int, ...]]:
    """Up to ``wanted`` words not in ``used`` with a spelling that begins with ``begun``; all when there are fewer."""
    avoid = {symbols for encoding, symbols in used if encoding == terminal.encoding}
    alphabet = ALPHABETS[terminal.encoding]
    found: list[tuple[int, ...]] = []
    layer: list[tuple[tuple[int, ...], Rx]] = []
    for symbols, ranges in decode_cut(begun, terminal.encoding) if begun else [([], None)]:
        rest = derive_all(terminal.language, symbols)
        nexts = [()] if ranges is None else [(s,) for s in symbols_in(rest, ranges, wanted + len(avoid) + 1)]
        layer += [((*symbols, *more), derive_all(rest, list(more))) for more in nexts]
    layer = list(dict.fromkeys(layer))
    while layer and len(found) < max(wanted, 1):
        longer = []
        for symbols, rest in layer:
            size = len(symbols)
            if terminal.high is not None and size > terminal.high:
                continue
            if not inhabited(
                rest, max(terminal.low - size, 0), None if terminal.high is None else terminal.high - size, alphabet
            ):
                continue
            if nullable(rest) and size >= terminal.low and symbols not in avoid:
                found.append(symbols)
            longer += [((*symbols, s), derive(rest, s)) for s in symbols_in(rest, alphabet, wanted + len(avoid) + 1)]
        layer = [(symbols, rest) for symbols, rest in longer if rest != NOTHING]
    return found


def symbols_in(rx: Rx, within: Ranges, amount: int) -> list[int]:
    """Of each class of symbols that ``rx`` tells apart, up to ``amount`` symbols of ``within``."""
    edges = sorted(cuts(rx))
    found = []
    for low, high in within:
        bounds = [low, *(c for c in edges if low < c <= high), high + 1]
        for a, b in pairwise(bounds):
            found += range(a, min(b, a + amount))
    return found
