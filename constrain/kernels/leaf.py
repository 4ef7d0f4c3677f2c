"""Leaf automata: lazily determinised symbol-level programs, stepped by bytes.

A leaf state is (leaf, decoder state, symbols read, sorted set of program counters), hash-consed: equal
states have equal numbers, over all grammars of a vocabulary. Its 256 successors are filled on first use.
Invariant: every leaf state but ``DEAD`` can still be completed to a word of its leaf (the automaton is trim);
``L_LIVE`` holds what that needs where a window bounds the number of symbols.
"""

from __future__ import annotations

from typing import Any

from constrain.kernels.decode import DEAD_BYTE, SYMBOL, decode, span
from constrain.kernels.intern import find, mix, publish
from constrain.kernels.jit import helper, inline
from constrain.kernels.layout import (
    ACCEPTED,
    CAN_END,
    CAN_GO_ON,
    CHUNK_BITS,
    DEAD,
    JSON,
    L_CLASS,
    L_JUMP,
    L_MATCH,
    L_SPLIT,
    UNKNOWN,
    V_FULL,
    VA,
    VN,
)
from constrain.kernels.pointers import i32, room, table_at, u8, words_at
from constrain.kernels.words import step_words


@inline
def successors(v: Any, state: Any) -> Any:
    """The 256 successors of a leaf state."""
    chunk = table_at(v[VA.S_CHUNK])[state >> CHUNK_BITS]
    return words_at(chunk + ((state & ((1 << CHUNK_BITS) - 1)) << 10))


@helper
def class_at(v: Any, leaf: Any, symbol: Any) -> Any:
    """Position in ``L_CUT`` of the run of symbols that contains ``symbol``."""
    cuts = i32(v, VA.L_CUT)
    low = i32(v, VA.L_CUT0)[leaf]
    high = low + i32(v, VA.L_CUTS)[leaf] - 1
    while low < high:
        middle = (low + high + 1) >> 1
        if cuts[middle] <= symbol:
            low = middle
        else:
            high = middle - 1
    return low


@helper
def add_closure(v: Any, pc: Any, size: Any) -> Any:
    """Append to ``X_SET`` the match and class instructions reachable from ``pc`` without reading a symbol."""
    code, stamps = i32(v, VA.L_CODE), i32(v, VA.L_STAMP)
    found, stack = i32(v, VA.X_SET), i32(v, VA.X_PC)
    stamp = v[VN.STAMP]
    stack[0] = pc
    depth = 1
    while depth > 0:
        depth -= 1
        pc = stack[depth]
        if stamps[pc] == stamp:
            continue
        stamps[pc] = stamp
        op = code[pc]
        if op == L_SPLIT:
            stack[depth] = code[pc + 2]
            stack[depth + 1] = code[pc + 1]
            depth += 2
        elif op == L_JUMP:
            stack[depth] = code[pc + 1]
            depth += 1
        else:
            found[size] = pc
            size += 1
    return size


@helper
def sort_set(values: Any, size: Any) -> None:
    """Shell sort, in place: sets are small and nearly sorted."""
    gap = 1
    while gap < size // 3:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(gap, size):
            value = values[i]
            j = i
            while j >= gap and values[j - gap] > value:
                values[j] = values[j - gap]
                j -= gap
            values[j] = value
        gap //= 3


@helper
def keep_alive(v: Any, leaf: Any, count: Any, size: Any) -> Any:
    """Drop from ``X_SET`` what cannot finish inside the leaf's window once ``count`` symbols are read."""
    found = i32(v, VA.X_SET)
    low, high = i32(v, VA.L_LOW)[leaf], i32(v, VA.L_HIGH)[leaf]
    alive, code = i32(v, VA.L_ALIVE)[leaf], i32(v, VA.L_CODE)
    kept = 0
    for i in range(size):
        pc = found[i]
        if code[pc] == L_MATCH:
            good = count >= low
        elif high >= 0 and count >= high:
            good = False
        elif alive >= 0:
            offset = alive + count * i32(v, VA.L_SIZE)[leaf] + pc - i32(v, VA.L_START)[leaf]
            good = u8(v, VA.L_LIVE)[offset] != 0
        else:
            good = True
        if good:
            found[kept] = pc
            kept += 1
    return kept


@helper
def intern_leaf_state(v: Any, leaf: Any, decoder: Any, count: Any, word: Any, size: Any) -> Any:
    """The number of the state whose program counters are ``X_SET[:size]`` (sorted); negative: grow and retry."""
    found = i32(v, VA.X_SET)
    if word == 0:
        leaf = i32(v, VA.L_PLAIN)[leaf]  # off the excluded words nothing tells it from the plain leaf
    key = mix(mix(mix(mix(7, leaf), decoder), count), word)
    for i in range(size):
        key = mix(key, found[i])
    hashes, table = i32(v, VA.leafstate_hash), i32(v, VA.leafstate_table)
    leaves, decoders, counts = i32(v, VA.S_LEAF), i32(v, VA.S_DECODER), i32(v, VA.S_COUNT)
    starts, sizes, elements = i32(v, VA.S_FROM), i32(v, VA.S_SIZE), i32(v, VA.S_ELEMENT)
    words = i32(v, VA.S_WORD)
    slot = find(room(v, VA.leafstate_table), key)
    while table[slot] != 0:
        state = table[slot]
        if (
            hashes[state] == key
            and leaves[state] == leaf
            and decoders[state] == decoder
            and counts[state] == count
            and sizes[state] == size
            and words[state] == word
        ):
            same = True
            for i in range(size):
                if elements[starts[state] + i] != found[i]:
                    same = False
                    break
            if same:
                return state
        slot = (slot + 1) & (room(v, VA.leafstate_table) - 1)
    state = v[VN.leafstate]
    if state >= room(v, VA.leafstate_hash):
        return V_FULL - VN.leafstate
    if state >> CHUNK_BITS >= v[VN.chunk]:
        return V_FULL - VN.chunk
    first = v[VN.element]
    if first + size > room(v, VA.S_ELEMENT):
        return V_FULL - VN.element
    for i in range(size):
        elements[first + i] = found[i]
    v[VN.element] = first + size
    leaves[state], decoders[state], counts[state] = leaf, decoder, count
    starts[state], sizes[state], words[state] = first, size, word
    i32(v, VA.S_FLAGS)[state] = state_flags(v, leaf, decoder, count, size)
    publish(hashes, table, slot, state, key)
    v[VN.leafstate] = state + 1
    return state


@helper
def state_flags(v: Any, leaf: Any, decoder: Any, count: Any, size: Any) -> Any:
    """May the leaf end here; may it go on. (A JSON leaf goes on to its closing quote.)"""
    found, code = i32(v, VA.X_SET), i32(v, VA.L_CODE)
    if i32(v, VA.L_ENCODING)[leaf] == JSON or decoder != 0:
        return CAN_GO_ON
    flags = 0
    for i in range(size):
        flags |= CAN_END if code[found[i]] == L_MATCH else CAN_GO_ON
    return flags


@helper
def start_leaf(v: Any, leaf: Any) -> Any:
    """The leaf's start state; ``DEAD`` when its language is empty; negative: grow and retry."""
    v[VN.STAMP] += 1
    size = add_closure(v, i32(v, VA.L_START)[leaf], 0)
    sort_set(i32(v, VA.X_SET), size)
    size = keep_alive(v, leaf, 0, size)
    return DEAD if size == 0 else intern_leaf_state(v, leaf, 0, 0, i32(v, VA.L_WORDS)[leaf], size)


@helper
def may_become(v: Any, leaf: Any, state: Any, low: Any, high: Any) -> Any:
    """Does some class instruction of ``state`` match a symbol in low..high?"""
    if low > high:
        return False
    code, inside = i32(v, VA.L_CODE), u8(v, VA.L_IN)
    cuts, classes = i32(v, VA.L_CUT), i32(v, VA.L_CLASSOF)
    elements, first = i32(v, VA.S_ELEMENT), i32(v, VA.S_FROM)[state]
    last = i32(v, VA.L_CUT0)[leaf] + i32(v, VA.L_CUTS)[leaf]
    run = class_at(v, leaf, low)
    while run < last and cuts[run] <= high:
        for i in range(first, first + i32(v, VA.S_SIZE)[state]):
            pc = elements[i]
            if code[pc] == L_CLASS and inside[code[pc + 1] + classes[run]] != 0:
                return True
        run += 1
    return False


@helper
def step_partial(v: Any, state: Any, decoder: Any) -> Any:
    """The state after a byte that leaves a symbol unfinished."""
    leaf = i32(v, VA.S_LEAF)[state]
    low, high, low2, high2 = span(decoder)
    if not (may_become(v, leaf, state, low, high) or may_become(v, leaf, state, low2, high2)):
        return DEAD
    found, elements = i32(v, VA.X_SET), i32(v, VA.S_ELEMENT)
    first, size = i32(v, VA.S_FROM)[state], i32(v, VA.S_SIZE)[state]
    for i in range(size):
        found[i] = elements[first + i]
    return intern_leaf_state(v, leaf, decoder, i32(v, VA.S_COUNT)[state], i32(v, VA.S_WORD)[state], size)


@helper
def step_symbol(v: Any, state: Any, symbol: Any) -> Any:
    """The state after a byte that completes ``symbol``."""
    leaf = i32(v, VA.S_LEAF)[state]
    low, high = i32(v, VA.L_LOW)[leaf], i32(v, VA.L_HIGH)[leaf]
    count = i32(v, VA.S_COUNT)[state] + 1
    if high < 0:
        count = min(count, low)  # only "enough" matters; without a window the count stays 0
    code, inside, elements = i32(v, VA.L_CODE), u8(v, VA.L_IN), i32(v, VA.S_ELEMENT)
    kind = i32(v, VA.L_CLASSOF)[class_at(v, leaf, symbol)]
    first = i32(v, VA.S_FROM)[state]
    v[VN.STAMP] += 1
    size = 0
    for i in range(first, first + i32(v, VA.S_SIZE)[state]):
        pc = elements[i]
        if code[pc] == L_CLASS and inside[code[pc + 1] + kind] != 0:
            size = add_closure(v, pc + 2, size)
    sort_set(i32(v, VA.X_SET), size)
    size = keep_alive(v, leaf, count, size)
    word = i32(v, VA.S_WORD)[state]
    if word != 0:
        word = step_words(v, word, symbol)
    return DEAD if size == 0 else intern_leaf_state(v, leaf, 0, count, word, size)


@helper
def can_close(v: Any, state: Any) -> Any:
    """May a JSON leaf's closing quote come here?"""
    word = i32(v, VA.S_WORD)[state]
    if word != 0 and i32(v, VA.W_FINAL)[word] != 0:
        return False
    code, elements, first = i32(v, VA.L_CODE), i32(v, VA.S_ELEMENT), i32(v, VA.S_FROM)[state]
    for i in range(first, first + i32(v, VA.S_SIZE)[state]):
        if code[elements[i]] == L_MATCH:
            return True
    return False


@inline
def has_window(v: Any, leaf: Any) -> Any:
    """Does the leaf bound the number of its symbols?"""
    return i32(v, VA.L_LOW)[leaf] > 0 or i32(v, VA.L_HIGH)[leaf] >= 0


@helper
def free_state(v: Any, state: Any, longest: Any) -> Any:
    """A state that counts nothing and does the same on all texts of up to ``longest`` bytes, else the state itself.

    Such texts stay clear of the window's bounds. Else each count would have entries of its own. Negative: grow
    and retry.
    """
    leaf, count = i32(v, VA.S_LEAF)[state], i32(v, VA.S_COUNT)[state]
    if not has_window(v, leaf) or count < i32(v, VA.L_LOW)[leaf]:
        return state
    twin, high = i32(v, VA.L_TWIN)[leaf], i32(v, VA.L_HIGH)[leaf]
    if twin > 0:
        return twin if i32(v, VA.S_DECODER)[state] == 0 and (high < 0 or high - count >= longest) else state
    free = i32(v, VA.L_FREE)[leaf]
    if free == 0 or count + longest > free:
        return state
    return same_elements(v, state, i32(v, VA.L_UNBOUNDED)[leaf])


@helper
def plain_state(v: Any, state: Any) -> Any:
    """The state of the plain leaf that has read the same symbols; negative: grow and retry."""
    return same_elements(v, state, i32(v, VA.S_LEAF)[state])


@helper
def same_elements(v: Any, state: Any, leaf: Any) -> Any:
    """The state of ``leaf`` (of the same program) at the same instructions, counting from 0, off all words."""
    found, elements = i32(v, VA.X_SET), i32(v, VA.S_ELEMENT)
    first, size = i32(v, VA.S_FROM)[state], i32(v, VA.S_SIZE)[state]
    for i in range(size):
        found[i] = elements[first + i]
    return intern_leaf_state(v, leaf, i32(v, VA.S_DECODER)[state], 0, 0, size)


@helper
def boundary_state(v: Any, state: Any) -> Any:
    """The state before the symbol that has been read in part; negative: grow and retry."""
    found, elements, leaf = i32(v, VA.X_SET), i32(v, VA.S_ELEMENT), i32(v, VA.S_LEAF)[state]
    first, size = i32(v, VA.S_FROM)[state], i32(v, VA.S_SIZE)[state]
    for i in range(size):
        found[i] = elements[first + i]
    return intern_leaf_state(v, leaf, 0, i32(v, VA.S_COUNT)[state], i32(v, VA.S_WORD)[state], size)


@helper
def grow_leaf_state(v: Any, state: Any, byte: Any) -> Any:
    """Compute and remember one successor; negative: grow and retry."""
    encoding = i32(v, VA.L_ENCODING)[i32(v, VA.S_LEAF)[state]]
    decoder = i32(v, VA.S_DECODER)[state]
    if encoding == JSON and decoder == 0 and byte == 0x22:
        target = ACCEPTED if can_close(v, state) else DEAD
    else:
        read = decode(encoding, decoder, byte)
        if read == DEAD_BYTE:
            target = DEAD
        elif read >= SYMBOL:
            target = step_symbol(v, state, read & (SYMBOL - 1))
        else:
            target = step_partial(v, state, read)
    if target > 0:
        successors(v, state)[byte] = target
        if decoder == 0 and byte < 0x80 and i32(v, VA.S_WORD)[state] == 0:
            fill_alike(v, state, encoding, byte, target)
    return target


@helper
def fill_alike(v: Any, state: Any, encoding: Any, byte: Any, target: Any) -> None:
    """Remember a successor for all ASCII symbols that the leaf does not tell from ``byte``, a whole symbol."""
    leaf = i32(v, VA.S_LEAF)[state]
    if encoding == JSON and (byte < 0x20 or byte == 0x22 or byte == 0x5C):
        return
    cuts, classes, row = i32(v, VA.L_CUT), i32(v, VA.L_CLASSOF), successors(v, state)
    run = i32(v, VA.L_CUT0)[leaf]
    last = run + i32(v, VA.L_CUTS)[leaf]
    kind = classes[class_at(v, leaf, byte)]
    while run < last and cuts[run] < 0x80:
        if classes[run] == kind:
            end = min(cuts[run + 1], 0x80) if run + 1 < last else 0x80
            for symbol in range(cuts[run], end):
                if encoding != JSON or (symbol >= 0x20 and symbol != 0x22 and symbol != 0x5C):
                    row[symbol] = target
        run += 1


@inline
def step_leaf(v: Any, state: Any, byte: Any) -> Any:
    """The leaf state after ``byte``: ``DEAD``, ``ACCEPTED`` (nothing may follow in the leaf) or another state."""
    target = successors(v, state)[byte]
    return target if target != UNKNOWN else grow_leaf_state(v, state, byte)
