"""What an automaton begins with: an empty program or, where grammars have rules in common, the code of those.

All grammars of one JSON layout share the rule of any value, the separators, the blanks, the numbers. Their code, and
the rows of their bags, are made once for a vocabulary; each automaton begins as a copy, which takes microseconds.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from constrain.automata.program import ProgramBuilder
from constrain.garbage import collected_later
from constrain.ir.grammar import Common, Grammar, RulesOnDemand, Seq
from constrain.kernels.layout import DEAD, FIRST_STATE, G
from constrain.tokens.arena import Arena
from constrain.tokens.index import VocabularyIndex
from constrain.tokens.memories import Memories

MASKS = 256  # remembered at most, by an automaton that has made a costly one
CACHED = 1 << 10  # steps, and visits of a walk: direct-mapped, so a power of two
_SIZES = {
    "stack": 128, "edge": 256, "union": 16, "probe": 2, "closure": 2, "closed": 4, "tokenset": 1, "uniting": 16,
    "memory": 256, "wordset": 256, "bag": 8, "shape": 64, "option": 64, "spelling": 256, "suspicion": 32,
    "state": 256, "configuration": 512, "item": 128, "pending": 64, "work": 1024,
    "walkset": 8, "walkmember": 64, "walkedge": 32, "seen": 64, "maskslot": MASKS, "step": 64,
    "visit": 128, "bucket": 256, "code": 1024, "rule": 64,
}  # fmt: skip


class Beginning(NamedTuple):
    """The parts of an automaton that grow while it is used."""

    arena: Arena
    builder: ProgramBuilder
    memories: Memories


def begin(grammar: Grammar, index: VocabularyIndex) -> Beginning:
    """Nothing but what is known of all grammars with the same common rules. Raises as ``ProgramBuilder.begin``."""
    with index.lock, collected_later():
        common = grammar.rules.common if isinstance(grammar.rules, RulesOnDemand) else None
        found = _empty(index) if common is None else _copy(_with(common, index), index)
        found.builder.begin(grammar)
    return found


def publish(builder: ProgramBuilder, arena: Arena) -> None:
    """Put the code made since the last time where kernels find it."""
    program = builder.program
    done, size = arena["code"], len(program.code)
    while size > arena.room("CODE"):
        arena.grow(G.n["code"])
    while len(program.entries) > arena.room("RULE_ENTRY"):
        arena.grow(G.n["rule"])
    while len(program.token_sets) > arena.room("T_SET"):
        arena.grow(G.n["tokenset"])
    arena.write("T_SET", arena["tokenset"], program.token_sets[arena["tokenset"] :])
    arena["tokenset"], arena["STRIDE"] = len(program.token_sets), program.stride
    arena.write("CODE", done, program.code[done:])
    arena["code"] = size
    entries, ranks, sets = arena.view("RULE_ENTRY"), arena.view("RULE_RANK"), arena.view("RULE_SET")
    for rule in builder.taken():
        entries[rule], ranks[rule] = program.entries[rule], program.ranks[rule]
        if rule in program.set_of:
            sets[rule] = program.set_of[rule]


def make_room_for_answers(arena: Arena, words: int) -> None:
    """An automaton has made its first costly mask: room for such masks, larger caches of what makes them cheaper."""
    arena.put("A_ROW", np.zeros(MASKS * words, np.int32))
    for name in ("A_STEP", "V_SEEN"):
        arena.put(name, np.zeros(3 * CACHED, np.int32))


def _empty(index: VocabularyIndex) -> Beginning:
    arena = Arena.like(_MODEL)
    arena["stack"] = 1  # 0: the empty stack
    arena["union"] = 1
    arena["probe"] = 1
    arena["closure"] = 1
    arena["state"] = FIRST_STATE
    arena["walkset"] = 1  # 0: none
    arena["SHORT"], arena["MANY"], arena["MEMBERS"] = 32, 6, 1 << 18
    arena["CLOSED"] = 1 << 18
    arena.array("B_HEAD")[:] = -1
    builder = ProgramBuilder(index.leaf, index.known_leaf, dead=DEAD, leaves_at_once=bool(index.missing))
    return Beginning(arena, builder, Memories(builder.program, arena, index.arena["LONGEST"]))


def _copy(model: Beginning, index: VocabularyIndex) -> Beginning:
    arena, builder = model.arena.copy(), model.builder.copy(index.leaf, index.known_leaf)
    return Beginning(arena, builder, model.memories.copy(builder.program, arena))


def _with(common: Common, index: VocabularyIndex) -> Beginning:
    """The beginning of grammars with these common rules, made once for an index, which it must not hold."""
    known = index.beginnings.get(common)
    if known is None:
        arena, builder, memories = _empty(index)
        builder.begin(Grammar(next(iter(common.rules)), common.rules))
        builder.part(Seq(*common.parts))
        builder.make_all()
        publish(builder, arena)
        memories.lay_out()
        known = index.beginnings[common] = Beginning(arena, builder.rest(), memories)
    return known


_MODEL = Arena(G, _SIZES)
