"""Reading bytes: sets of configurations in, sets of configurations out; states are interned sets."""

from __future__ import annotations

from typing import Any

from constrain.kernels.answers import keep_step, known_step
from constrain.kernels.intern import find, mix, publish
from constrain.kernels.jit import entry, helper, inline
from constrain.kernels.layout import (
    BAD_STATE,
    CAN_END,
    CAN_GO_ON,
    DEAD,
    END_PC,
    FINISHED,
    FIRST_STATE,
    G_FULL,
    GA,
    GN,
    LEAF,
    NO_STATE,
    NOT_KNOWN,
    PROBE,
    PROBES_WANTED,
    RECORDING,
    VA,
)
from constrain.kernels.leaf import step_leaf
from constrain.kernels.pointers import bytes_at, i32, room, table_at, u8
from constrain.kernels.probe import keep_probe
from constrain.kernels.recording import record
from constrain.kernels.stack import add_configuration, add_item, add_pending, add_returns, begin_items, close
from constrain.kernels.union import unite


@inline
def is_literal(g: Any, pc: Any) -> Any:
    """Does the instruction match one byte?"""
    return i32(g, GA.CODE)[pc] < 256


@helper
def step_configuration(v: Any, g: Any, position: Any, stack: Any, byte: Any, at: Any) -> Any:
    """One configuration reads ``byte``: adds items, or writes a configuration; next free place or negative."""
    if position < LEAF:
        if i32(g, GA.CODE)[position] == byte:
            status = add_item(g, position + 1, 0, stack, 0)
            return status if status < 0 else at
        return at
    target = step_leaf(v, position - LEAF, byte)
    if target < 0:
        return target
    if target == DEAD:
        return at
    if i32(g, GA.N_FLAGS)[stack] & RECORDING:
        stack = record(v, g, position - LEAF, target, stack, byte)
        if stack <= 0:
            return stack if stack < 0 else at
    flags = i32(v, VA.S_FLAGS)[target]
    if flags & CAN_END:
        status = add_returns(g, stack)
        if status < 0:
            return status
    return add_configuration(g, at, LEAF + target, stack) if flags & CAN_GO_ON else at


@helper
def read_byte(v: Any, g: Any, first: Any, last: Any, byte: Any) -> Any:
    """Configurations ``W[first:last]`` read ``byte``; the result lies from ``last`` on. Its end, or negative."""
    positions, stacks = i32(g, GA.W_POSITION), i32(g, GA.W_STACK)
    if last == first + 1:  # the common case: inside one literal
        position = positions[first]
        if position < LEAF:
            if i32(g, GA.CODE)[position] != byte:
                return last
            if is_literal(g, position + 1):
                return add_configuration(g, last, position + 1, stacks[first])
    begin_items(g)
    at = last
    for i in range(first, last):
        at = step_configuration(v, g, positions[i], stacks[i], byte, at)
        if at < 0:
            return at
    at = close(g, at)
    return normalise(g, last, at) if at - last >= g[GN.MANY] else at


@inline
def less(p: Any, s: Any, i: Any, position: Any, stack: Any) -> Any:
    """Does configuration i come before (position, stack)?"""
    return p[i] < position or (p[i] == position and s[i] < stack)


@helper
def sort_configurations(g: Any, first: Any, last: Any) -> None:
    """Sort ``W[first:last]``. Shell sort: sets are small."""
    p, s = i32(g, GA.W_POSITION), i32(g, GA.W_STACK)
    gap = 1
    while gap < (last - first) // 3:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(first + gap, last):
            position, stack = p[i], s[i]
            j = i
            while (
                j >= first + gap
                and not less(p, s, j - gap, position, stack)
                and not (p[j - gap] == position and s[j - gap] == stack)
            ):
                p[j], s[j] = p[j - gap], s[j - gap]
                j -= gap
            p[j], s[j] = position, stack
        gap //= 3


@helper
def normalise(g: Any, first: Any, last: Any) -> Any:
    """Sort ``W[first:last]``, in place, and leave one configuration for each position; its end, or negative.

    The stacks of one position are united: in ambiguous grammars that leaves a sixth. Only stacks above which words are
    recorded stay apart, as each is a word of its own.
    """
    sort_configurations(g, first, last)
    p, s, flags = i32(g, GA.W_POSITION), i32(g, GA.W_STACK), i32(g, GA.N_FLAGS)
    kept = first
    for i in range(first, last):
        if kept > first and p[kept - 1] == p[i]:
            if s[kept - 1] == s[i]:
                continue
            if flags[s[kept - 1]] == 0 and flags[s[i]] == 0:
                stack = unite(g, s[kept - 1], s[i])
                if stack < 0:
                    return stack
                s[kept - 1] = stack
                continue
        p[kept], s[kept] = p[i], s[i]
        kept += 1
    return kept


@inline
def hash_configurations(g: Any, first: Any, last: Any) -> Any:
    """A hash of ``W[first:last]``."""
    p, s = i32(g, GA.W_POSITION), i32(g, GA.W_STACK)
    key = 23
    for i in range(first, last):
        key = mix(mix(key, p[i]), s[i])
    return key


@inline
def are_configurations(g: Any, positions: Any, stacks: Any, start: Any, first: Any, size: Any) -> Any:
    """Are ``size`` pairs from ``start`` on those of ``W`` from ``first`` on?"""
    p, s = i32(g, GA.W_POSITION), i32(g, GA.W_STACK)
    for i in range(size):
        if positions[start + i] != p[first + i] or stacks[start + i] != s[first + i]:
            return False
    return True


@helper
def intern_state(g: Any, first: Any, last: Any) -> Any:
    """The state whose configurations are ``W[first:last]`` (normalised); negative: grow and retry."""
    if first == last:
        return NO_STATE
    p, s = i32(g, GA.W_POSITION), i32(g, GA.W_STACK)
    key, size = hash_configurations(g, first, last), last - first
    hashes, table = i32(g, GA.state_hash), i32(g, GA.state_table)
    starts, sizes = i32(g, GA.Q_FROM), i32(g, GA.Q_SIZE)
    positions, stacks = i32(g, GA.C_POSITION), i32(g, GA.C_STACK)
    slot = find(room(g, GA.state_table), key)
    while table[slot] != 0:
        state = table[slot]
        is_like = hashes[state] == key and sizes[state] == size
        if is_like and are_configurations(g, positions, stacks, starts[state], first, size):
            return state
        slot = (slot + 1) & (room(g, GA.state_table) - 1)
    state = g[GN.state]
    if state >= room(g, GA.state_hash):
        return G_FULL - GN.state
    begin = g[GN.configuration]
    if begin + size > room(g, GA.C_POSITION):
        return G_FULL - GN.configuration
    for i in range(size):
        positions[begin + i], stacks[begin + i] = p[first + i], s[first + i]
    g[GN.configuration] = begin + size
    starts[state], sizes[state] = begin, size
    i32(g, GA.Q_ACCEPTING)[state] = 1 if p[first] == END_PC else 0
    publish(hashes, table, slot, state, key)
    g[GN.state] = state + 1
    return state


@helper
def load_state(g: Any, state: Any) -> Any:
    """Copy a state's configurations to ``W[0:n]``; n, or negative: grow and retry, or ``BAD_STATE``."""
    if state < FIRST_STATE or state >= g[GN.state]:
        return BAD_STATE
    first, size = i32(g, GA.Q_FROM)[state], i32(g, GA.Q_SIZE)[state]
    p, s = i32(g, GA.W_POSITION), i32(g, GA.W_STACK)
    if size > room(g, GA.W_POSITION):
        return G_FULL - GN.work
    positions, stacks = i32(g, GA.C_POSITION), i32(g, GA.C_STACK)
    for i in range(size):
        p[i], s[i] = positions[first + i], stacks[first + i]
    return size


@helper
def read_bytes(v: Any, g: Any, last: Any, data: Any, first_byte: Any, last_byte: Any) -> Any:
    """Configurations ``W[:last]`` read ``data[first_byte:last_byte]``; where the result begins and ends, and how many
    bytes were read before it became empty. A negative end: grow and retry."""
    first = 0
    for i in range(first_byte, last_byte):
        after = read_byte(v, g, first, last, data[i])
        if after < 0 or after == last:
            return last, after, i - first_byte
        # A long text must not fill the scratch: the old set is not needed any more.
        if first > 4096:
            size = move_down(g, last, after)
            first, last = 0, size
        else:
            first, last = last, after
    return first, normalise(g, first, last), last_byte - first_byte


@helper
def state_after(v: Any, g: Any, state: Any, data: Any, first_byte: Any, last_byte: Any) -> Any:
    """The state after ``data[first_byte:last_byte]``, and how many bytes could be read; negative: grow and retry."""
    first, last, count = 0, load_state(g, state), 0
    if last >= 0:
        first, last, count = read_bytes(v, g, last, data, first_byte, last_byte)
    return last if last < 0 else intern_state(g, first, last), count


@helper
def move_down(g: Any, first: Any, last: Any) -> Any:
    """Move ``W[first:last]`` to the start of the scratch; its size."""
    p, s = i32(g, GA.W_POSITION), i32(g, GA.W_STACK)
    for i in range(first, last):
        p[i - first], s[i - first] = p[i], s[i]
    return last - first


@entry
def start_state(g: Any, rule: Any, accepts_empty: Any) -> Any:
    """State before the first byte (accepting if the empty text is in the language); negative: grow and retry."""
    g = table_at(g)
    g[GN.MASKING], g[GN.ENDED], g[GN.ASKED] = 0, 0, 0
    begin_items(g)
    status = add_pending(g, rule, END_PC, 0, 0)
    if status < 0:
        return status
    last = close(g, 0)
    if last >= 0 and accepts_empty:
        last = add_configuration(g, last, END_PC, 0)
    last = last if last < 0 else normalise(g, 0, last)
    if g[GN.ASKED] > 0 and last >= 0:
        return PROBES_WANTED
    return last if last < 0 else intern_state(g, 0, last)


@helper
def look(g: Any, pc: Any, stack: Any) -> Any:
    """How many configurations come of address ``pc`` on ``stack``: those that wait for a byte, and at PROBE
    instructions those of which that is not known. Negative: grow and retry."""
    g[GN.MASKING], g[GN.ENDED], g[GN.PROBING] = 0, 0, 1
    begin_items(g)
    status = add_item(g, pc, 0, stack, 0)
    status = status if status < 0 else close(g, 0)
    g[GN.PROBING] = 0
    return status


@helper
def answer_from(g: Any, count: Any) -> Any:
    """What ``W[:count]``, the result of ``look``, says: 0, 1 or ``NOT_KNOWN``."""
    positions, code = i32(g, GA.W_POSITION), i32(g, GA.CODE)
    for i in range(count):
        if positions[i] >= LEAF or code[positions[i]] != PROBE:
            return 1
    return NOT_KNOWN if count > 0 else 0


@entry
def probe(g: Any, pc: Any, stack: Any, answer: Any) -> Any:
    """``look``; or, with an ``answer`` (0 or 1), remember it; or, with a negative ``pc``, find all answers that do not
    depend on others that are not known, and return how many are left. Negative: grow and retry."""
    g = table_at(g)
    if pc >= 0:
        return look(g, pc, stack) if answer == NOT_KNOWN else keep_probe(g, pc, stack, answer)
    left, before = 0, -1
    while left != before:
        before, left = left, 0
        for item in range(g[GN.probe] - 1, 0, -1):  # the last ones were met behind the others
            if i32(g, GA.F_LIVE)[item] == NOT_KNOWN:
                count = look(g, i32(g, GA.F_PC)[item], i32(g, GA.F_STACK)[item])
                if count < 0:
                    return count
                i32(g, GA.F_LIVE)[item] = answer_from(g, count)
                left += i32(g, GA.F_LIVE)[item] == NOT_KNOWN
    return left


@entry
def advance(v: Any, g: Any, state: Any, token: Any, address: Any, length: Any) -> Any:
    """State after an ordinary token or, if ``token`` is negative, after the bytes at ``address``.

    ``NO_STATE`` if not allowed, then ``READ`` of the table says how many bytes could be read; negative: grow and
    retry. One kernel for both, since each kernel costs seconds to compile. Cost of a call: the bytes.
    """
    v, g = table_at(v), table_at(g)
    g[GN.MASKING], g[GN.ENDED], g[GN.ASKED] = 0, 0, 0
    if state == FINISHED:
        g[GN.READ] = 0
        return NO_STATE
    if token < 0:
        target, g[GN.READ] = state_after(v, g, state, bytes_at(address), 0, length)
        return target if g[GN.ASKED] == 0 or target < 0 else PROBES_WANTED
    target = known_step(g, state, token)
    if target > 0:
        return target
    starts = i32(v, VA.TOKEN0)
    if token >= room(v, VA.TOKEN0) - 1 or starts[token] == starts[token + 1]:
        return NO_STATE
    target, g[GN.READ] = state_after(v, g, state, u8(v, VA.TOKEN_BYTE), starts[token], starts[token + 1])
    if g[GN.ASKED] > 0 and target >= 0:
        return PROBES_WANTED
    if target > 0 and i32(g, GA.Q_SIZE)[state] >= g[GN.MANY]:
        keep_step(g, state, token, target)
    return target
