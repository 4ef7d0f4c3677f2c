"""The arena of a vocabulary: its constant arrays, and what is reserved for all that grows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from constrain.kernels.classes import CLASSES
from constrain.kernels.layout import FIRST_LEAF_STATE, V
from constrain.tokens.arena import Arena, weights
from constrain.tokens.storage import zeros
from constrain.vocab.quotient import read_quotient
from constrain.vocab.trie import build_trie
from constrain.vocab.vocabulary import Vocabulary

MAX_CHUNKS = 128  # 2 GiB of successor rows
LEAST_ROWS, MOST_ROWS = 16, 1 << 16

# Items reserved for each leaf state that the bound allows: several times what schemas of MaskBench use, so that what an
# index holds hardly ever moves while text is generated. Pages that are not touched take no memory.
_FOR_EACH_STATE = {
    "leafstate": 1, "element": 16, "entry": 1 / 8, "entryid": 2, "residual": 1 / 32, "member": 2, "step": 1 / 8,
    "leaf": 1 / 32, "leafcode": 2, "cut": 1 / 2, "classset": 8, "alive": 128, "word": 1 / 2,
}  # fmt: skip
_STATE_BYTES = 1024 + 132  # successors and columns
_WEIGHTS = weights(V, list(_FOR_EACH_STATE))  # bytes for each count of the table
_WEIGHTS[V.n["leafstate"]] += 1024


def state_bytes(arena: Arena) -> int:
    """Bytes used by leaf automata, their entries and residual nodes, dense rows left out."""
    return int(arena.table[: len(V.n)] @ _WEIGHTS)


def build_arena(vocabulary: Vocabulary, half: int, former: Arena | None) -> Arena:
    """``half``: bytes for dense rows, and as many for leaf automata. ``former``: an arena with the same constants."""
    constants = _constants(former) if former else _read_constants(vocabulary)
    nodes, ids = len(constants["T_BYTE"]), len(constants["T_ID"])
    longest = int(np.diff(constants["TOKEN0"]).max(initial=0))
    states = max(1 << 10, half // _STATE_BYTES)
    rows = min(max(half // (4 * vocabulary.words), LEAST_ROWS), MOST_ROWS) // 2 * 2
    arena = Arena(V, {
        **{name: int(states * share) for name, share in _FOR_EACH_STATE.items()},
        "row": rows * vocabulary.words, "rowslot": rows, "chunk": MAX_CHUNKS,
        "scratch": max(nodes + 2 * ids + 2 * longest + 4096, 2 * states + 2),
    })  # fmt: skip
    arena.constants = tuple(constants)
    for name, values in constants.items():
        arena.put(name, values)
    arena["NODES"], arena["WORDS"], arena["LONGEST"] = nodes, vocabulary.words, longest
    arena["node"], arena["id"] = nodes, ids
    arena["residual"] = arena["step"] = arena["entry"] = 1  # 0 is "free slot" in hash tables
    arena["leafstate"] = FIRST_LEAF_STATE
    arena["word"] = 1  # 0 is "no word"
    arena.array("S_FLAGS")[:FIRST_LEAF_STATE] = (0, 0, 1)  # UNKNOWN, DEAD, ACCEPTED: only the last may end
    return arena


def _constants(former: Arena) -> dict[str, npt.NDArray[Any]]:
    return {name: former.array(name) for name in former.constants}


def _read_constants(vocabulary: Vocabulary) -> dict[str, npt.NDArray[Any]]:
    """The arrays that never change: the trie, the ends, the bytes of tokens, the trie read in classes of characters
    (whose rows are found once for all indexes of the vocabulary)."""
    trie, packed = build_trie(vocabulary), vocabulary.packed
    quotient = read_quotient(vocabulary, trie)
    return {
        "T_BYTE": trie.byte, "T_END": trie.end, "T_KID0": trie.kid0, "T_TOKEN0": trie.token0, "T_KID": trie.kid,
        "T_ID": trie.ids, "T_ROOT": trie.root, "EOS": np.array(sorted(vocabulary.eos), np.int32),
        "TOKEN0": packed.starts, "TOKEN_BYTE": packed.data,
        "T_CLASS": quotient.trie_node, "T_REACH": quotient.trie_reach.ravel(), "T_DEPTH": quotient.trie_depth,
        "Q_LABEL": quotient.label, "Q_END": quotient.end, "Q_MEMBER0": quotient.member0, "Q_TOKEN0": quotient.token0,
        "Q_REACH": quotient.reach.ravel(), "Q_DEPTH": quotient.depth, "Q_OWN": quotient.own_row,
        "Q_BELOW": quotient.below_row, "Q_MEMBER": quotient.member, "Q_CODE": quotient.code, "Q_ID": quotient.ids,
        "Q_ROW": zeros(4 * quotient.rows * vocabulary.words).view(np.int32), "Q_KNOWN": zeros(quotient.rows),
        "C_FIRST": np.array([first for first, _ in CLASSES], np.int32),
        "C_LAST": np.array([last for _, last in CLASSES], np.int32),
    }  # fmt: skip
