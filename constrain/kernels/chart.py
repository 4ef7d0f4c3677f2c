"""Closure of a grammar over a lattice, on rows of bits (``canvas/charts.py``).

Nodes are taken from the last to the first, so that all rows of later nodes are finished; at one node, symbols whose row
has grown wait on a stack until nothing grows. Invariant: when a symbol is taken from the stack, all that its bits in
``done`` imply has been merged. A node may be its own successor (a gap of any length): then rows of the node itself are
read while they grow, and the second symbol of a pair has to look for the first.
"""

from __future__ import annotations

from typing import Any

from constrain.kernels.jit import entry, helper, inline

NO_ROW = -1


@inline
def lowest(byte: Any) -> Any:
    """The place of the lowest bit of a byte that is not 0."""
    place = 0
    if byte & 15 == 0:
        byte >>= 4
        place = 4
    if byte & 3 == 0:
        byte >>= 2
        place += 2
    if byte & 1 == 0:
        place += 1
    return place


@inline
def has_node(rows: Any, base: Any, node: Any) -> Any:
    """Is ``node`` in the row that begins at ``base``?"""
    return (rows[base + (node >> 5)] >> (node & 31)) & 1 != 0


@helper
def push(symbol: Any, stack: Any, waiting: Any) -> None:
    """Put a symbol on the stack unless it is there. ``waiting[0]`` is its height, ``waiting[1 + x]``: is x on it?"""
    if waiting[1 + symbol] == 0:
        waiting[1 + symbol] = 1
        stack[waiting[0]] = symbol
        waiting[0] += 1


@helper
def pop(stack: Any, waiting: Any) -> Any:
    """Take a symbol from the stack."""
    waiting[0] -= 1
    symbol = stack[waiting[0]]
    waiting[1 + symbol] = 0
    return symbol


@helper
def merge(symbol: Any, node: Any, source: Any, base: Any, nodes: Any, words: Any, numbers: Any, rows: Any, stack: Any,
          waiting: Any, state: Any) -> Any:  # fmt: skip
    """Add ``source[base:base + words]`` to the row of ``symbol`` at ``node``; 1 if there is no room for a new row."""
    number = numbers[symbol * nodes + node]
    if number == NO_ROW:
        number = state[1]
        if number >= state[2]:
            return 1
        state[1] = number + 1
        numbers[symbol * nodes + node] = number
    target, grown = number * words, 0
    for k in range(node >> 5, words):
        word = rows[target + k]
        more = word | source[base + k]
        rows[target + k] = more
        grown |= more ^ word
    if grown != 0:
        push(symbol, stack, waiting)
    return 0


@helper
def merge_pairs(symbol: Any, node: Any, first: Any, last: Any, left: Any, delta: Any, nodes: Any, words: Any,
                numbers: Any, rows: Any, stack: Any, waiting: Any, state: Any) -> Any:  # fmt: skip
    """For each rule A -> symbol C in ``left[first:last]`` and each end in ``delta``: what C has there, A has here."""
    for k in range(node >> 5, words):
        word = delta[k]
        if word == 0:
            continue
        for j in range(4):
            byte = (word >> (8 * j)) & 255
            while byte != 0:
                middle = 32 * k + 8 * j + lowest(byte)
                byte &= byte - 1
                for r in range(first, last):
                    number = numbers[left[2 * r + 1] * nodes + middle]
                    if number != NO_ROW and merge(left[2 * r], node, rows, number * words, nodes, words, numbers, rows,
                                                  stack, waiting, state) != 0:  # fmt: skip
                        return 1
    return 0


@helper
def close_node(node: Any, nodes: Any, words: Any, unit0: Any, unit: Any, left0: Any, left: Any, right0: Any,
               right: Any, numbers: Any, rows: Any, delta: Any, done: Any, stack: Any, waiting: Any,
               state: Any) -> Any:  # fmt: skip
    """Until nothing grows at a node; 1 if there is no room for a new row."""
    while waiting[0] > 0:
        symbol = pop(stack, waiting)
        base = numbers[symbol * nodes + node] * words
        for k in range(node >> 5, words):
            word = rows[base + k]
            delta[k] = word & ~done[symbol * words + k]
            done[symbol * words + k] = word
        for r in range(unit0[symbol], unit0[symbol + 1]):
            if merge(unit[r], node, delta, 0, nodes, words, numbers, rows, stack, waiting, state) != 0:
                return 1
        if merge_pairs(symbol, node, left0[symbol], left0[symbol + 1], left, delta, nodes, words, numbers, rows, stack,
                       waiting, state) != 0:  # fmt: skip
            return 1
        for r in range(right0[symbol], right0[symbol + 1]):
            number = numbers[right[2 * r + 1] * nodes + node]
            if number == NO_ROW or not has_node(rows, number * words, node):
                continue
            if merge(right[2 * r], node, delta, 0, nodes, words, numbers, rows, stack, waiting, state) != 0:
                return 1
    return 0


@entry(
    reads={"unit0": 32, "unit": 32, "left0": 32, "left": 32, "right0": 32, "right": 32},
    writes={"numbers": 32, "rows": 32, "delta": 32, "done": 32, "stack": 32, "waiting": 32, "state": 64},
    without_gil=True,
)
def close_inside(
    nodes: Any, words: Any, symbols: Any,
    unit0: Any, unit: Any, left0: Any, left: Any, right0: Any, right: Any,
    numbers: Any, rows: Any, delta: Any, done: Any, stack: Any, waiting: Any, state: Any,
) -> Any:  # fmt: skip
    """Add to rows all that follows; 1 if there is no room for a new row (call again with more), else 0.

    ``unit``     for each symbol B the heads A of rules A -> B, from ``unit0[B]`` to ``unit0[B + 1]``
    ``left``     for each B, pairs (A, C) of rules A -> B C;   ``right``  for each C, pairs (A, B)
    ``numbers``  (symbols, nodes): the row of a symbol at a node, or NO_ROW;  ``rows`` (room, words)
    ``delta``    (words,), ``done`` (symbols, words), ``stack`` (symbols,), ``waiting`` (symbols + 1,): scratch
    ``state``    the node to go on with (counts down), rows in use, room for rows

    Cost: ends times rules times words of a row.
    """
    while state[0] >= 0:
        node = state[0]
        waiting[0] = 0
        for symbol in range(symbols):
            waiting[1 + symbol] = 0
            if numbers[symbol * nodes + node] != NO_ROW:
                push(symbol, stack, waiting)
            for k in range(words):
                done[symbol * words + k] = 0
        if close_node(node, nodes, words, unit0, unit, left0, left, right0, right, numbers, rows, delta, done, stack,
                      waiting, state) != 0:  # fmt: skip
            return 1
        state[0] = node - 1
    return 0


@helper
def mark(symbol: Any, node: Any, wanted: Any, here: Any, nodes: Any, words: Any, numbers: Any, rows: Any, alive: Any,
         stack: Any, waiting: Any) -> Any:  # fmt: skip
    """Ends of ``symbol`` at ``node`` that are in ``wanted`` are part of a text; is there one? ``here``: the node whose
    symbols wait on the stack."""
    number = numbers[symbol * nodes + node]
    if number == NO_ROW:
        return False
    base, found, grown = number * words, 0, 0
    for k in range(node >> 5, words):
        common = rows[base + k] & wanted[k]
        before = alive[base + k]
        found |= common
        grown |= common & ~before
        alive[base + k] = before | common
    if grown != 0 and node == here:
        push(symbol, stack, waiting)
    return found != 0


@helper
def mark_pair(first: Any, second: Any, node: Any, wanted: Any, nodes: Any, words: Any, numbers: Any, rows: Any,
              alive: Any, stack: Any, waiting: Any) -> None:  # fmt: skip
    """Where ``first`` ends such that ``second`` goes on to a wanted end, both are part of a text."""
    number = numbers[first * nodes + node]
    if number == NO_ROW:
        return
    base, grown = number * words, 0
    for k in range(node >> 5, words):
        word = rows[base + k]
        if word == 0:
            continue
        for j in range(4):
            byte = (word >> (8 * j)) & 255
            while byte != 0:
                place = 8 * j + lowest(byte)
                byte &= byte - 1
                if mark(second, 32 * k + place, wanted, node, nodes, words, numbers, rows, alive, stack, waiting):
                    before = alive[base + k]
                    after = before | (word & (1 << place)) if place < 31 else before | (word & -2147483648)
                    alive[base + k] = after
                    grown |= after ^ before
    if grown != 0:
        push(first, stack, waiting)


@entry(
    reads={"unit0": 32, "unit": 32, "pair0": 32, "pair": 32, "numbers": 32, "rows": 32},
    writes={"alive": 32, "delta": 32, "done": 32, "stack": 32, "waiting": 32},
    without_gil=True,
)
def close_outside(
    nodes: Any, words: Any, symbols: Any, unit0: Any, unit: Any, pair0: Any, pair: Any,
    numbers: Any, rows: Any, alive: Any, delta: Any, done: Any, stack: Any, waiting: Any,
) -> None:  # fmt: skip
    """Mark in ``alive`` (like ``rows``) what the marked ones are made of. ``unit``: for each A the B of rules A -> B;
    ``pair``: for each A, pairs (B, C). Nodes are taken from the first to the last: what is marked at a node comes from
    earlier ones, or from other symbols there.
    """
    for node in range(nodes):
        waiting[0] = 0
        for symbol in range(symbols):
            waiting[1 + symbol] = 0
            if numbers[symbol * nodes + node] != NO_ROW:
                push(symbol, stack, waiting)
                for k in range(words):
                    done[symbol * words + k] = 0
        while waiting[0] > 0:
            symbol = pop(stack, waiting)
            base, news = numbers[symbol * nodes + node] * words, 0
            for k in range(words):
                word = alive[base + k]
                delta[k] = word & ~done[symbol * words + k]
                done[symbol * words + k] = word
                news |= delta[k]
            if news == 0:
                continue
            for r in range(unit0[symbol], unit0[symbol + 1]):
                mark(unit[r], node, delta, node, nodes, words, numbers, rows, alive, stack, waiting)
            for r in range(pair0[symbol], pair0[symbol + 1]):
                mark_pair(pair[2 * r], pair[2 * r + 1], node, delta, nodes, words, numbers, rows, alive, stack, waiting)


@inline
def spans(symbol: Any, first: Any, last: Any, nodes: Any, words: Any, numbers: Any, rows: Any) -> Any:
    """Can ``symbol`` lie between two nodes?"""
    number = numbers[symbol * nodes + first]
    return number != NO_ROW and has_node(rows, number * words, last)


@helper
def find_middle(left: Any, right: Any, first: Any, last: Any, nodes: Any, words: Any, numbers: Any, rows: Any) -> Any:
    """A node at which ``left``, begun at ``first``, and ``right``, ended at ``last``, meet; -1 for none."""
    number = numbers[left * nodes + first]
    if number == NO_ROW:
        return -1
    for k in range(first >> 5, (last >> 5) + 1):
        word = rows[number * words + k]
        if word == 0:
            continue
        for j in range(4):
            byte = (word >> (8 * j)) & 255
            while byte != 0:
                middle = 32 * k + 8 * j + lowest(byte)
                byte &= byte - 1
                if spans(right, middle, last, nodes, words, numbers, rows):
                    return middle
    return -1


@helper
def split(symbol: Any, first: Any, last: Any, nodes: Any, words: Any, terminals: Any, unit0: Any, unit: Any,
          pair0: Any, pair: Any, numbers: Any, rows: Any, queue: Any, passed: Any, found: Any) -> Any:  # fmt: skip
    """A terminal (1) or a rule of two symbols (2) that ``symbol`` comes to between two nodes, in ``found``."""
    head, tail = 0, 1
    queue[0] = symbol
    passed[symbol] = 1
    result = 0
    while head < tail and result == 0:
        current = queue[head]
        head += 1
        if current < terminals:
            found[0] = current
            result = 1
            break
        for r in range(pair0[current], pair0[current + 1]):
            middle = find_middle(pair[2 * r], pair[2 * r + 1], first, last, nodes, words, numbers, rows)
            if middle >= 0:
                found[0], found[1], found[2] = pair[2 * r], pair[2 * r + 1], middle
                result = 2
                break
        if result == 0:
            for r in range(unit0[current], unit0[current + 1]):
                below = unit[r]
                if passed[below] == 0 and spans(below, first, last, nodes, words, numbers, rows):
                    passed[below] = 1
                    queue[tail] = below
                    tail += 1
    for k in range(tail):
        passed[queue[k]] = 0
    return result


@entry(
    reads={"unit0": 32, "unit": 32, "pair0": 32, "pair": 32, "numbers": 32, "rows": 32},
    writes={"stack": 32, "queue": 32, "passed": 32, "found": 32, "leaves": 32},
)
def derive(
    nodes: Any, words: Any, terminals: Any, start: Any, begin: Any, end: Any, unit0: Any, unit: Any, pair0: Any,
    pair: Any, numbers: Any, rows: Any, stack: Any, queue: Any, passed: Any, found: Any, leaves: Any,
) -> Any:  # fmt: skip
    """The leaves (terminal, begin, end) of a derivation of ``start``, in the order of the text; how many, or -1.

    Only for lattices in which every symbol ends behind its begin: then what it is split into is smaller. ``stack`` and
    ``leaves``: (nodes, 3); ``passed``: zeros for each symbol.
    """
    stack[0], stack[1], stack[2] = start, begin, end
    height, count = 1, 0
    while height > 0:
        height -= 1
        symbol, first, last = stack[3 * height], stack[3 * height + 1], stack[3 * height + 2]
        kind = split(symbol, first, last, nodes, words, terminals, unit0, unit, pair0, pair, numbers, rows, queue,
                     passed, found)  # fmt: skip
        if kind == 0:
            return -1
        if kind == 1:
            leaves[3 * count], leaves[3 * count + 1], leaves[3 * count + 2] = found[0], first, last
            count += 1
        else:
            stack[3 * height], stack[3 * height + 1], stack[3 * height + 2] = found[1], found[2], last
            stack[3 * height + 3], stack[3 * height + 4], stack[3 * height + 5] = found[0], first, found[2]
            height += 2
    return count
