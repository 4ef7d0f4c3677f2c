"""Canvases of regular grammars (``canvas/regular.py``): which states are alive between slots, and a path through them.

``alive`` has a row of bits for each place between slots, 0 to n: the states there that lie on some completion. A token
that is committed removes states at its two sides, and these remove others, to the right and to the left, as far as
anything changes. The path is repaired likewise, until it meets the old one: all that is alive can be completed, so no
step of it has to be taken back.
"""

from __future__ import annotations

from typing import Any

from constrain.kernels.chart import has_node, lowest
from constrain.kernels.jit import entry, helper, inline
from constrain.kernels.trie import set_bit

OPEN = -1


@inline
def meets(rows: Any, base: Any, others: Any, other: Any, low: Any, high: Any) -> Any:
    """Do two rows have a state in common, in words ``low`` to before ``high``?"""
    for k in range(low, high):
        if rows[base + k] & others[other + k] != 0:
            return True
    return False


@inline
def bit_of(place: Any) -> Any:
    """A word with one bit."""
    return 1 << place if place < 31 else -2147483648


@helper
def thin(here: Any, there: Any, words: Any, beside: Any, spans: Any, alive: Any) -> Any:
    """Keep those states of the row at ``there`` that have one of the row at ``here`` beside them; was one dropped?

    ``beside``: (states, words), ``spans``: (states, 2) which words of it are not 0
    """
    dropped = False
    for k in range(words):
        word = alive[there + k]
        if word == 0:
            continue
        for j in range(4):
            byte = (word >> (8 * j)) & 255
            while byte != 0:
                place = 8 * j + lowest(byte)
                byte &= byte - 1
                state = 32 * k + place
                if not meets(beside, state * words, alive, here, spans[2 * state], spans[2 * state + 1]):
                    alive[there + k] = alive[there + k] & ~bit_of(place)
                    dropped = True
    return dropped


@helper
def press(slot: Any, number: Any, words: Any, first: Any, source: Any, target: Any, alive: Any, scratch: Any) -> Any:
    """Keep the states on both sides of a slot that class ``number`` joins: 1 if the left row shrinks, 2 the right one,
    3 both; -1, and nothing changed, if none would be left."""
    left, right = slot * words, (slot + 1) * words
    some = 0
    for k in range(2 * words):
        scratch[k] = 0
    for pair in range(first[number], first[number + 1]):
        q, r = source[pair], target[pair]
        if has_node(alive, left, q) and has_node(alive, right, r):
            scratch[q >> 5] |= bit_of(q & 31)
            scratch[words + (r >> 5)] |= bit_of(r & 31)
            some = 1
    if some == 0:
        return -1
    changed = 0
    for k in range(words):
        if alive[left + k] != scratch[k]:
            changed |= 1
            alive[left + k] = scratch[k]
        if alive[right + k] != scratch[words + k]:
            changed |= 2
            alive[right + k] = scratch[words + k]
    return changed


@helper
def spread_right(slot: Any, n: Any, words: Any, before: Any, spans: Any, first: Any, source: Any, target: Any,
                 fixed: Any, alive: Any, scratch: Any) -> None:  # fmt: skip
    """The row before ``slot`` has shrunk: so do those behind it."""
    while slot < n:
        if fixed[slot] == OPEN:
            changed = thin(slot * words, (slot + 1) * words, words, before, spans, alive)
        else:
            changed = press(slot, fixed[slot], words, first, source, target, alive, scratch) & 2 != 0
        if not changed:
            return
        slot += 1


@helper
def spread_left(slot: Any, words: Any, after: Any, spans: Any, first: Any, source: Any, target: Any, fixed: Any,
                alive: Any, scratch: Any) -> None:  # fmt: skip
    """The row before ``slot`` has shrunk: so do those before it."""
    while slot > 0:
        slot -= 1
        if fixed[slot] == OPEN:
            changed = thin((slot + 1) * words, slot * words, words, after, spans, alive)
        else:
            changed = press(slot, fixed[slot], words, first, source, target, alive, scratch) & 1 != 0
        if not changed:
            return


@helper
def follow(slot: Any, state: Any, wanted: Any, words: Any, succ0: Any, succ: Any, token: Any, first: Any, source: Any,
           target: Any, fixed: Any, alive: Any, filling: Any) -> Any:  # fmt: skip
    """A state that is alive behind ``slot`` when ``state`` is before it: ``wanted`` if that can be, else the first of
    its successors; ``filling`` receives the token."""
    if fixed[slot] != OPEN:
        pair = first[fixed[slot]]
        while source[pair] != state:
            pair += 1
        return target[pair]
    chosen = OPEN
    for k in range(succ0[state], succ0[state + 1]):
        if has_node(alive, (slot + 1) * words, succ[k]) and (chosen == OPEN or succ[k] == wanted):
            chosen = k
            if succ[k] == wanted:
                break
    filling[slot] = token[chosen]
    return succ[chosen]


@helper
def walk_right(slot: Any, state: Any, n: Any, words: Any, succ0: Any, succ: Any, token: Any, first: Any, source: Any,
               target: Any, fixed: Any, alive: Any, path: Any, filling: Any) -> None:  # fmt: skip
    """Lead the path through ``state`` before ``slot`` and on, until it meets the old one."""
    while path[slot] != state:
        path[slot] = state
        if slot == n:
            return
        state = follow(slot, state, path[slot + 1], words, succ0, succ, token, first, source, target, fixed, alive,
                       filling)  # fmt: skip
        slot += 1


@helper
def precede(slot: Any, state: Any, wanted: Any, words: Any, after: Any, first: Any, source: Any, target: Any,
            fixed: Any, alive: Any) -> Any:  # fmt: skip
    """A state that is alive before ``slot`` when ``state`` is behind it: ``wanted`` if that can be, else the lowest."""
    number = fixed[slot]
    if number != OPEN:
        chosen = OPEN
        for pair in range(first[number], first[number + 1]):
            q = source[pair]
            if target[pair] == state and has_node(alive, slot * words, q) and (chosen == OPEN or q == wanted):
                chosen = q
        return chosen
    if has_node(alive, slot * words, wanted) and has_node(after, wanted * words, state):
        return wanted
    q = 0
    while not (has_node(alive, slot * words, q) and has_node(after, q * words, state)):
        q += 1
    return q


@helper
def walk_left(slot: Any, state: Any, words: Any, after: Any, succ0: Any, succ: Any, token: Any, first: Any,
              source: Any, target: Any, fixed: Any, alive: Any, path: Any, filling: Any) -> None:  # fmt: skip
    """Lead the path to ``state`` before ``slot``, back until it meets the old one."""
    while path[slot] != state:
        path[slot] = state
        slot -= 1
        q = precede(slot, state, path[slot], words, after, first, source, target, fixed, alive)
        if fixed[slot] == OPEN:
            k = succ0[q]
            while succ[k] != state:
                k += 1
            filling[slot] = token[k]
        state = q


@helper
def join(slot: Any, number: Any, words: Any, first: Any, source: Any, target: Any, alive: Any, path: Any) -> Any:
    """A pair of class ``number`` that is alive around ``slot``: with the state of the path before it if that can be,
    else with that behind it."""
    chosen, best = OPEN, -1
    for pair in range(first[number], first[number + 1]):
        q, r = source[pair], target[pair]
        if has_node(alive, slot * words, q) and has_node(alive, (slot + 1) * words, r):
            rank = 2 if q == path[slot] else 0
            if r == path[slot + 1]:
                rank += 1
            if rank > best:
                chosen, best = pair, rank
    return chosen


@entry(
    reads={"after": 32, "after_spans": 32, "before": 32, "before_spans": 32, "succ0": 32, "succ": 32, "token": 32,
           "first": 32, "source": 32, "target": 32, "slots": 32, "classes": 32, "tokens": 32},
    writes={"held": 32, "fixed": 32, "alive": 32, "path": 32, "filling": 32, "scratch": 32, "taken": 8},
    without_gil=True,
)  # fmt: skip
def commit_all(
    n: Any, words: Any,
    after: Any, after_spans: Any, before: Any, before_spans: Any, succ0: Any, succ: Any, token: Any,
    first: Any, source: Any, target: Any,
    slots: Any, classes: Any, tokens: Any,
    held: Any, fixed: Any, alive: Any, path: Any, filling: Any, scratch: Any, taken: Any,
) -> Any:  # fmt: skip
    """Commit each proposal that is possible after those before it; how many were. ``taken[k]``: was the k-th?

    ``after``, ``before``  (states, words): rows of states that any token leads to, comes from; ``_spans`` of them
    ``succ``               the successors of state q, from ``succ0[q]`` to ``succ0[q + 1]``, with a ``token`` to each
    ``first``              of class c's pairs (``source``, ``target``)
    ``slots``, ``classes``, ``tokens``  proposals; a class may be OPEN: of tokens that are good for nothing
    ``held``, ``fixed``    (n,): the token and its class in each slot, or OPEN
    ``alive``              (n + 1, words);  ``path`` (n + 1,): states;  ``filling`` (n,);  ``scratch`` (2 * words,)
    """
    count = 0
    for k in range(len(slots)):
        slot, number = slots[k], classes[k]
        taken[k] = 0
        if number == OPEN or fixed[slot] != OPEN:
            continue
        changed = press(slot, number, words, first, source, target, alive, scratch)
        if changed < 0:
            continue
        taken[k] = 1
        held[slot] = tokens[k]
        count += 1
        if changed & 2 != 0:
            spread_right(slot + 1, n, words, before, before_spans, first, source, target, fixed, alive, scratch)
        if changed & 1 != 0:
            spread_left(slot, words, after, after_spans, first, source, target, fixed, alive, scratch)
        if filling[slot] == tokens[k]:
            fixed[slot] = number
            continue
        pair = join(slot, number, words, first, source, target, alive, path)
        fixed[slot] = number
        filling[slot] = tokens[k]
        walk_right(slot + 1, target[pair], n, words, succ0, succ, token, first, source, target, fixed, alive, path,
                   filling)  # fmt: skip
        walk_left(slot, source[pair], words, after, succ0, succ, token, first, source, target, fixed, alive, path,
                  filling)  # fmt: skip
    return count


@entry(
    reads={"after": 32, "after_spans": 32, "before": 32, "before_spans": 32, "succ0": 32, "succ": 32, "token": 32,
           "first": 32, "source": 32, "target": 32, "fixed": 32},
    writes={"alive": 32, "path": 32, "filling": 32, "scratch": 32},
    without_gil=True,
)  # fmt: skip
def begin(
    n: Any, words: Any,
    after: Any, after_spans: Any, before: Any, before_spans: Any, succ0: Any, succ: Any, token: Any,
    first: Any, source: Any, target: Any,
    fixed: Any, alive: Any, path: Any, filling: Any, scratch: Any,
) -> Any:  # fmt: skip
    """Thin rows that hold too much, from the left and from the right, and lay a path; OPEN if there is none, else 0.

    Arguments as for ``commit_all``. ``alive``: rows with the start, with all states, and with the final ones; ``path``:
    all OPEN; ``filling``: the tokens of slots that are fixed.
    """
    for slot in range(n):
        if fixed[slot] == OPEN:
            thin(slot * words, (slot + 1) * words, words, before, before_spans, alive)
        elif press(slot, fixed[slot], words, first, source, target, alive, scratch) < 0:
            return OPEN
    if not meets(alive, n * words, alive, n * words, 0, words):
        return OPEN
    for k in range(n):
        slot = n - 1 - k
        if fixed[slot] == OPEN:
            thin((slot + 1) * words, slot * words, words, after, after_spans, alive)
        else:
            press(slot, fixed[slot], words, first, source, target, alive, scratch)
    walk_right(0, 0, n, words, succ0, succ, token, first, source, target, fixed, alive, path, filling)
    return 0


@entry(reads={"first": 32, "source": 32, "target": 32, "alive": 32}, writes={"fits": 8})
def fitting(slot: Any, words: Any, low: Any, high: Any, first: Any, source: Any, target: Any, alive: Any,
            fits: Any) -> Any:  # fmt: skip
    """``fits[c]`` becomes 1 for classes from ``low`` to before ``high`` that some completion has in an open slot, else
    0; how many do."""
    count = 0
    for number in range(low, high):
        fits[number] = 0
        for pair in range(first[number], first[number + 1]):
            if has_node(alive, slot * words, source[pair]) and has_node(alive, (slot + 1) * words, target[pair]):
                fits[number] = 1
                count += 1
                break
    return count


@entry(reads={"fits": 8, "first": 32, "tokens": 32, "numbers": 32, "rows": 32}, writes={"mask": 32})
def spread_classes(words: Any, fits: Any, first: Any, tokens: Any, numbers: Any, rows: Any, mask: Any) -> None:
    """Set the bits of all tokens of classes that fit in ``mask`` (words,).

    Class c has the tokens from ``first[c]`` to ``first[c + 1]``, or, if ``numbers[c]`` is not OPEN, that row of
    ``rows``.
    """
    for number in range(len(numbers)):
        if fits[number] == 0:
            continue
        if numbers[number] == OPEN:
            for k in range(first[number], first[number + 1]):
                set_bit(mask, tokens[k])
        else:
            base = numbers[number] * words
            for k in range(words):
                mask[k] |= rows[base + k]
