"""Automaton states in words: what may come next, why a token is not allowed, what is forced."""

from __future__ import annotations

import bisect
from itertools import islice
from typing import TYPE_CHECKING

from constrain.ir.grammar import Terminal, show
from constrain.kernels.layout import DEAD, END_PC, FINISHED, LEAF

if TYPE_CHECKING:
    from constrain.tokens.pushdown import PushdownAutomaton

MAX_LITERAL = 60
MAX_FORCED = 4096


def expected(automaton: PushdownAutomaton, state: int) -> list[str]:
    """Readable descriptions, each once: literals to come, terminals with the rule they stand in, the end."""
    if state == FINISHED:
        return ["nothing: the text has ended"]
    code = automaton.program.code
    found: dict[str, None] = {}  # in the order found
    for position, stack in automaton.configurations(state):
        if position == END_PC:
            found["the end of the text"] = None
        elif position >= LEAF:
            found[_leaf(automaton, state, position - LEAF, stack)] = None
        else:
            end = position
            while end < len(code) and code[end] < 256 and end - position < MAX_LITERAL:
                end += 1
            text = bytes(code[position:end].tolist()).decode("utf-8", "backslashreplace")
            found[f"{text!r} (rule {rule_at(automaton, position)})"] = None
    return list(found)


def _leaf(automaton: PushdownAutomaton, state: int, leaf_state: int, stack: int) -> str:
    terminal = automaton.terminal_of(leaf_state)
    live = _leaf_bytes(automaton, leaf_state, 256)
    if automaton.program.bags:
        allowed = automaton.live_bytes(state)
        live = [byte for byte in live if byte in allowed]
    places = {rule_at(automaton, address) for address in automaton.return_addresses(stack) if address != END_PC}
    rules = f", rule {', '.join(sorted(places))}" if places else ""
    name = terminal.name or terminal_text(terminal)
    return f"{spell_bytes(live)} ({name}{rules})"


def _leaf_bytes(automaton: PushdownAutomaton, leaf_state: int, limit: int) -> list[int]:
    live = (byte for byte in range(256) if automaton.index.step_leaf(leaf_state, byte) != DEAD)
    return list(islice(live, limit))


def spell_bytes(live: list[int]) -> str:
    """A set of bytes as people write character sets: ``[0-9a-f]``, with all of 128..255 as "any other character"."""
    ranges: list[list[int]] = []
    for byte in live:
        if byte >= 0x80:
            continue
        if ranges and ranges[-1][1] == byte - 1:
            ranges[-1][1] = byte
        else:
            ranges.append([byte, byte])
    spelled = "".join(
        chr_text(low) + ("" if high == low else chr_text(high) if high == low + 1 else f"-{chr_text(high)}")
        for low, high in ranges
    )
    alone = len(ranges) == 1 and ranges[0][0] == ranges[0][1]
    parts = [repr(chr(ranges[0][0])) if alone else f"[{spelled}]"] if ranges else []
    if live and live[-1] >= 0x80:
        parts.append("a character outside ASCII" if live[-1] >= 0xC2 else "the rest of a character")
    return " or ".join(parts)


def chr_text(byte: int) -> str:
    """An ASCII byte inside a character set."""
    char = chr(byte)
    return f"\\{char}" if char in "]\\^-" else char if char.isprintable() else repr(char)[1:-1]


def terminal_text(terminal: Terminal) -> str:
    """What people call a terminal that has no name."""
    text = show(terminal)
    text = text if len(text) <= MAX_LITERAL else text[: MAX_LITERAL - 3] + "..."
    return f"JSON string {text}" if terminal.encoding == "json" else text


def rule_at(automaton: PushdownAutomaton, position: int) -> str:
    """Name of the rule whose code contains ``position``."""
    names = automaton.program.names
    place = bisect.bisect_right(names, position, key=lambda pair: pair[0]) - 1
    return repr(names[place][1])


def explain(automaton: PushdownAutomaton, state: int, token: int) -> str:
    """One short paragraph."""
    vocabulary = automaton.vocabulary
    name = f"token {vocabulary.describe(token)}"
    wanted = "; ".join(expected(automaton, state)[:8])
    if token in vocabulary.eos:
        if automaton.is_accepting(state):
            return f"{name} is allowed: the text so far is complete."
        return f"{name} is not allowed: the text is not complete. Expected: {wanted}."
    data = vocabulary.packed[token] if 0 <= token < len(vocabulary) else None
    if data is None:
        return f"{name} is not allowed: it does not stand for text."
    if automaton.advance(state, token) is not None:
        return f"{name} is allowed."
    count, after = automaton.longest_prefix(state, data)
    if count == 0:
        return f"{name} is not allowed: it starts with {data[:1]!r}. Expected: {wanted}."
    then = "; ".join(expected(automaton, after)[:8])
    read, refused = data[:count], data[count : count + 1]
    return f"{name} is not allowed: after {read!r} it goes on with {refused!r}. Expected there: {then}."


def forced_bytes(automaton: PushdownAutomaton, state: int) -> bytes:
    """Follow the state while it has exactly one live byte and may not end."""
    out = bytearray()
    while state != FINISHED and not automaton.is_accepting(state) and len(out) < MAX_FORCED:
        live = live_bytes(automaton, state, 2)
        if len(live) != 1:
            break
        out += live
        after = automaton.advance_bytes(state, live)
        assert after is not None
        state = after
    return bytes(out)


def live_bytes(automaton: PushdownAutomaton, state: int, limit: int = 256) -> bytes:
    """Bytes that may come next, ascending, at most ``limit``."""
    if automaton.program.bags:  # a leaf does not know which words must not be written
        live = (byte for byte in _readable(automaton, state, 256) if automaton.advance_bytes(state, bytes([byte])))
        return bytes(islice(live, limit))
    return bytes(_readable(automaton, state, limit)[:limit])


def _readable(automaton: PushdownAutomaton, state: int, limit: int) -> list[int]:
    """Bytes that some configuration can read, ascending; it may stop when there are ``limit``."""
    code, live = automaton.program.code, set()
    for position, _ in automaton.configurations(state):
        if position == END_PC:
            continue
        if position < LEAF:
            live.add(code[position])
        else:
            live.update(_leaf_bytes(automaton, position - LEAF, limit))
        if len(live) >= limit:
            break
    return sorted(live)
