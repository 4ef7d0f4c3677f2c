"""Small worlds of our own, each with a difficulty of its own. ``exact_seq.jsonl`` has more, where the data are."""

from __future__ import annotations

from fractions import Fraction

from sampling.enumerable import Ids, World, bigram, shares


def whole_prefix(prefix: Ids) -> tuple[Fraction, ...]:
    """A law that no n-gram model has: it counts how often each id has come."""
    return shares(*(1 + prefix.count(i) * (i + 1) for i in range(3)), 1 + len(prefix))


def trigram(prefix: Ids) -> tuple[Fraction, ...]:
    """A law that looks at the last two ids."""
    last, before = ((*prefix[::-1], 2, 2))[:2]
    return shares(1 + 3 * last, 1 + 2 * before, 1 + (last == before))


AB = (b"a", b"b")
WORLDS = {
    world.name: world
    for world in (
        # The likeliest first token leads to one unlikely member.
        World("trap", (b"0", b"1"), "000|1[01]{2}", 3, bigram((90, 8, 2), (1, 90, 9), (45, 45, 10))),
        # Z = (1 - 0.1^12) / 9, GCD(a^n b) = 2^-(n+1): all of it is known in closed form.
        World("geometric", AB, "a*b", 12, bigram((1, 1, 8), (1, 1, 8), (0, 0, 1))),
        # One member in 5e13.
        World("rare", (*AB, b"c"), "abcabcabca", 10, bigram((1, 9, 9, 1), (1, 1, 18, 1), (9, 9, 1, 1), (1, 9, 9, 1))),
        # The same text in several spellings.
        World("spellings", (*AB, b"ab", b"ba", b"aab"), "(ab)+", 5, bigram(*[(3, 2, 2, 1, 1, i) for i in range(1, 7)])),
        # Two ids with the same bytes.
        World("twins", (b"a", b"a", b"b"), "a{1,2}b?", 4, bigram(*[(5, 1, 2, i) for i in (1, 3, 9, 27)])),
        # Three ids that end the text, of different probabilities.
        World("ends", AB, "(ab|b)*", 5, bigram((4, 4, 1, 2, 0), (1, 7, 5, 5, 5), (3, 3, 0, 1, 1)), ends=3),
        # No token spells "x": masks must not begin what cannot be finished.
        World("unspellable", AB, "ax|ab?|b", 4, bigram((6, 3, 1), (2, 3, 5), (1, 1, 2))),
        # Long members do not fit under the cap: allowed by the grammar, not by the target.
        World("cap", AB, "a{5}|a?b|(ba)*", 4, bigram((8, 1, 1), (8, 1, 1), (4, 4, 2))),
        # The model never writes "b" after "a", though the grammar wants it: masked decoding dies there.
        World("dead_end", AB, "ab|bb?", 3, bigram((7, 2, 1), (9, 0, 1), (1, 3, 6))),
        # Only the empty text.
        World("empty", AB, "", 3, bigram((5, 2, 3), (1, 1, 1), (1, 1, 1))),
        # Nothing is forbidden but length.
        World("free", AB, "[ab]*", 6, bigram((4, 4, 1), (4, 4, 1), (3, 3, 4))),
        # Characters that are cut into tokens, and tokens that hold beginnings of characters.
        World("bytes", (b"\xc3", b"\xa9", "é".encode(), b"a\xc3"), "é{1,2}|aéa?é", 4, bigram(*[(4, 3, 2, 1, 2)] * 5)),
        # A model that looks at all that was written.
        World("history", (*AB, b"c"), "[abc]*c", 5, whole_prefix),
        World("trigram", AB, "(a|bb)*", 8, trigram),
    )
}
