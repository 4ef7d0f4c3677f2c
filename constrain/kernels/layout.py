"""Names of all arrays, counters and sentinels that kernels and their Python owners share.

An arena is a set of *groups*: arrays that grow together, with one counter (how many items are used) and, where
items are interned, a hash array and an open-addressing table of item numbers (0 = free). ``GROUPS`` of each
arena lists them; positions in the int64 table follow from it: counters first, then (address, length) pairs.
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any, NamedTuple

from constrain.kernels.classes import SET_WORDS, WIDTH

# ---- sentinels -------------------------------------------------------------------------------------------

UNKNOWN, DEAD, ACCEPTED, FIRST_LEAF_STATE = 0, 1, 2, 3  # leaf states
NO_STATE, FINISHED, FIRST_STATE = 0, 1, 2  # automaton states
LEAF = 1 << 30  # a position p >= LEAF is leaf state p - LEAF, below it a program counter
END_PC = 0  # the program counter of END: the text is complete
ROOT = 0  # trie node of the empty string; also "no such child"
EMPTY_STACK = 0
HAS_EXIT_UNKNOWN, NO_EXIT = 0, -1
DENSE, EVICTED = -1, -2  # E_SIZE: the tokens are a row of words; that row has been given up

CHUNK_BITS = 14  # leaf states in a chunk of successor rows: 16,384 rows, 16 MiB

# Leaf state flags.
CAN_END, CAN_GO_ON = 1, 2

# Shape flags: its row is known; the bag may end here; and two memory flags, RECORDING and TIGHT. Memory flags: bytes of
# a word are recorded; the word may turn out to be barred; so may each beginning of it; all words that begin so are; the
# last has been looked into.
KNOWN, MAY_END, RECORDING, SUSPECT, TIGHT, STUCK, JUDGED = 1, 2, 4, 8, 16, 32, 64
NO_SHAPE = -1
BARRED = 0  # the shape after a word that must not be written: nothing may come
NO_WORDS, WORDS_MISSING = 0, 1  # sets of words: the empty one, and one that is not known
END_OF_WORD = -1  # where a set has a byte: here a word of the set ends
MAX_ENDS = 1 << 12  # words that one call of a kernel may end

# Opcodes of the grammar program; 0..255 match that byte.
END, CALL, TAIL, SPLIT, JUMP, RETURN, LOOP, BAG, OPTION, TOKEN, CONTEXT, PROBE = range(256, 268)
# Opcodes of a leaf program (over symbols).
L_MATCH, L_CLASS, L_SPLIT, L_JUMP = 0, 1, 2, 3
# Encodings.
BYTES, UTF8, JSON = 0, 1, 2


class Group(NamedTuple):
    """Arrays that grow together. ``arrays`` maps a name to (dtype, entries for each item)."""

    name: str
    arrays: dict[str, tuple[str, int]]
    interned: bool = False


# fmt: off
VOCABULARY_GROUPS = (
    # The trie of all tokens, nodes in preorder (so a subtree is a range, and its tokens too). Never grows.
    Group("node", {"T_BYTE": ("u1", 1), "T_END": ("i4", 1), "T_KID0": ("i4", 1), "T_TOKEN0": ("i4", 1),
                   "T_CLASS": ("i4", 1), "T_REACH": ("i4", SET_WORDS), "T_DEPTH": ("u1", 1)}),
    Group("kid", {"T_KID": ("i4", 1)}),  # children of each node, sorted by byte
    Group("id", {"T_ID": ("i4", 1)}),  # token ids in the order of their bytes
    Group("root", {"T_ROOT": ("i4", 1)}),  # child of the root for each byte
    Group("eos", {"EOS": ("i4", 1)}),
    Group("token", {"TOKEN0": ("i4", 1)}),  # where the bytes of each token start
    Group("tokenbyte", {"TOKEN_BYTE": ("u1", 1)}),
    # Its quotient (vocab/quotient.py): the trie read in classes of characters. Never grows.
    Group("charclass", {"C_FIRST": ("i4", 1), "C_LAST": ("i4", 1)}),
    Group("quotient", {"Q_LABEL": ("u1", 1), "Q_END": ("i4", 1), "Q_MEMBER0": ("i4", 1), "Q_TOKEN0": ("i4", 1),
                       "Q_REACH": ("i4", SET_WORDS), "Q_DEPTH": ("u1", 1), "Q_OWN": ("i4", 1), "Q_BELOW": ("i4", 1)}),
    Group("classmember", {"Q_MEMBER": ("i4", 1), "Q_CODE": ("i4", 1)}),
    Group("classid", {"Q_ID": ("i4", 1)}),
    Group("classrow", {"Q_ROW": ("i4", 1)}),  # rows of wide nodes, filled at their first use ...
    Group("rowknown", {"Q_KNOWN": ("u1", 1)}),  # ... as this says
    # Residual nodes: sets of trie nodes, walked as one. Node number = number of trie nodes + residual number.
    Group("residual", {"R_FROM": ("i4", 1), "R_SIZE": ("i4", 1)}, interned=True),
    Group("member", {"R_MEMBER": ("i4", 1)}),
    Group("step", {"M_NODE": ("i4", 1), "M_BYTE": ("i4", 1), "M_CHILD": ("i4", 1)}, interned=True),  # child memo
    # Leaves: symbol-level programs, and the automaton over bytes that grows from them.
    Group("leaf", {n: ("i4", 1) for n in ("L_START", "L_ENCODING", "L_LOW", "L_HIGH", "L_CUT0", "L_CUTS", "L_ALIVE",
                                          "L_TWIN", "L_SIZE", "L_WORDS", "L_PLAIN", "L_FREE", "L_UNBOUNDED")}),
    Group("leafcode", {"L_CODE": ("i4", 1), "L_STAMP": ("i4", 1)}),
    Group("cut", {"L_CUT": ("i4", 1), "L_CLASSOF": ("i4", 1)}),  # first symbol of each run, and its class
    Group("classset", {"L_IN": ("u1", 1)}),
    Group("alive", {"L_LIVE": ("u1", 1)}),
    Group("leafstate", {"S_LEAF": ("i4", 1), "S_DECODER": ("i4", 1), "S_COUNT": ("i4", 1), "S_FROM": ("i4", 1),
                        "S_SIZE": ("i4", 1), "S_FLAGS": ("i4", 1), "S_WORD": ("i4", 1), "S_CLASS": ("i4", WIDTH),
                        "S_KEEP": ("i4", SET_WORDS)},
          interned=True),
    Group("word", {"W_SYMBOL": ("i4", 1), "W_CHILD": ("i4", 1), "W_SIBLING": ("i4", 1), "W_FINAL": ("i4", 1)}),
    # Successors of leaf states: rows of 256 in chunks of their own, so that growing never moves a large array.
    Group("chunk", {"S_CHUNK": ("i8", 1)}),
    Group("element", {"S_ELEMENT": ("i4", 1)}),
    # Leaf entries: for (node, leaf state), the tokens that stay in the leaf and where the others leave it.
    Group("entry", {"E_NODE": ("i4", 1), "E_STATE": ("i4", 1), "E_FROM": ("i4", 1), "E_SIZE": ("i4", 1),
                    "E_EXIT": ("i4", 1), "E_ALSO": ("i4", 1), "E_LEFT": ("i4", 1), "E_USED": ("i4", 1)},
          interned=True),
    Group("entryid", {"E_ID": ("i4", 1)}),
    Group("row", {"E_ROW": ("i4", 1)}),  # a pool of dense rows, WORDS words each (rows.py). Never grows.
    Group("rowslot", {"K_ENTRY": ("i4", 1)}),  # the entry that each row of the pool belongs to
    # Scratch.
    Group("scratch", {"X_SET": ("i4", 1), "X_STACK": ("i4", 1), "X_ID": ("i4", 1), "X_PC": ("i4", 1),
                      "X_CLOSED": ("i4", 1), "X_BITS": ("i4", 1), "X_ODD": ("i4", 1), "X_TARGET": ("i4", 1)}),
)

GRAMMAR_GROUPS = (
    Group("code", {"CODE": ("i4", 1)}),
    # Its place in the program, its rank; in a closure: its pending calls, first and last.
    Group("rule", {"RULE_ENTRY": ("i4", 1), "RULE_RANK": ("i4", 1), "RULE_STAMP": ("i4", 1), "RULE_FIRST": ("i4", 1),
                   "RULE_LAST": ("i4", 1), "RULE_SET": ("i4", 1)}),
    # Sets of tokens, ``STRIDE`` words each; set 0 is none. ``RULE_SET``: with which tokens a rule can begin, or which
    # can be read in the context whose first rule it is.
    Group("tokenset", {"T_SET": ("i4", 1)}),
    # Return stacks: a node is a set of edges (return address, register, node below).
    Group("stack", {"N_FROM": ("i4", 1), "N_SIZE": ("i4", 1), "N_FLAGS": ("i4", 1)}, interned=True),
    Group("edge", {"E_PC": ("i4", 1), "E_REGISTER": ("i4", 1), "E_BELOW": ("i4", 1)}),
    Group("union", {n: ("i4", 1) for n in ("J_LEFT", "J_RIGHT", "J_STACK")}, interned=True),  # of two stacks
    # Known of an address in the program and a stack: can anything be read from there on? (0, 1, or ``NOT_KNOWN``)
    Group("probe", {n: ("i4", 1) for n in ("F_PC", "F_STACK", "F_LIVE")}, interned=True),
    # What follows a CONTEXT instruction on a stack (closures.py), a cache.
    Group("closure", {n: ("i4", 1) for n in ("X_PC", "X_STACK", "X_FROM", "X_SIZE")}, interned=True),
    Group("closed", {"X_POSITION": ("i4", 1), "X_BELOW": ("i4", 1)}),
    Group("uniting", {"J_PAIR": ("i4", 2)}),  # scratch: unions that wait for those of nodes below
    # Memories of bags: registers on stack edges. A memory is a shape and a set of words; while a word is recorded it
    # is the memory before (``M_BASE``: before the first byte) and a byte, and its shape is not known. ``M_PLACE``: how
    # the watched words that begin as it does go on.
    Group("memory", {n: ("i4", 1) for n in ("M_SHAPE", "M_SEEN", "M_FLAGS", "M_BASE", "M_PARENT", "M_BYTE",
                                            "M_PLACE")}, interned=True),
    # Sets of words: byte (or end of word), the words that go on after it, those that begin with a later byte; how many.
    Group("wordset", {n: ("i4", 1) for n in ("U_BYTE", "U_INSIDE", "U_OTHERS", "U_SIZE")}, interned=True),
    Group("bag", {"B_SHAPE": ("i4", 1)}),  # the shape before the first element, 0 if not known yet
    # Of shapes in which a word is read also: its encoding's letter, the set of words to watch (-1: those that have been
    # written), and the shape after it if fewer words than ``H_LIMIT`` have been written (else Python finds it).
    Group("shape", {n: ("i4", 1) for n in ("H_FROM", "H_SIZE", "H_FLAGS", "H_LETTER", "H_WATCH", "H_CLOSED",
                                           "H_LIMIT")}),
    Group("option", {"O_RULE": ("i4", 1), "O_NEXT": ("i4", 1)}),  # rows: rule to call (-1: none), shape after it
    # States: sets of configurations (position, stack).
    Group("state", {"Q_FROM": ("i4", 1), "Q_SIZE": ("i4", 1), "Q_ACCEPTING": ("i4", 1), "Q_ROW": ("i4", 1)},
          interned=True),
    Group("configuration", {"C_POSITION": ("i4", 1), "C_STACK": ("i4", 1)}),
    # Sets of configurations met in long walks (walkset.py), a cache: their members, and an edge for each byte or leaf
    # state that they wait for, with the members that it takes (in ``Z_ORDER``) and where it leads.
    Group("walkset", {"Z_FROM": ("i4", 1), "Z_SIZE": ("i4", 1), "Z_EDGE": ("i4", 1), "Z_BYTES": ("i4", 1),
                      "Z_EDGES": ("i4", 1), "Z_FLAGS": ("i4", 1)}, interned=True),
    Group("walkmember", {"Z_POSITION": ("i4", 1), "Z_STACK": ("i4", 1), "Z_ORDER": ("i4", 1)}),
    Group("walkedge", {"D_LABEL": ("i4", 1), "D_FROM": ("i4", 1), "D_TARGET": ("i4", 1)}),
    # Answers remembered (answers.py): masks, made at the first costly one, and steps: state, token, state after it.
    Group("maskrow", {"A_ROW": ("i4", 1)}),
    Group("maskslot", {"A_STATE": ("i4", 1), "A_USED": ("u1", 1)}),
    Group("step", {"A_STEP": ("i4", 3)}),
    # Scratch of one call.
    Group("item", {"I_PC": ("i4", 1), "I_REGISTER": ("i4", 1), "I_STACK": ("i4", 1), "I_FRESH": ("i4", 1),
                   "I_SLOT": ("i4", 2), "I_STAMP": ("i4", 2)}),
    Group("pending", {"P_PC": ("i4", 1), "P_REGISTER": ("i4", 1), "P_BELOW": ("i4", 1), "P_NEXT": ("i4", 1),
                      "P_ORDER": ("i4", 1), "P_RULE": ("i4", 1)}),
    Group("work", {"W_POSITION": ("i4", 1), "W_STACK": ("i4", 1), "W_NEXT": ("i4", 1)}),
    Group("visit", {"V_NODE": ("i4", 1), "V_FROM": ("i4", 1), "V_TO": ("i4", 1), "V_SET": ("i4", 1)}),
    Group("seen", {"V_SEEN": ("i4", 3)}),  # visits to sets made in a walk, a direct-mapped cache: node, set, walk

    Group("spelling", {n: ("i4", 1) for n in ("Y_BYTE", "Y_OTHERS", "Y_FIRST", "Y_BEFORE")}),  # a word to be added
    Group("suspicion", {"Y_NODE": ("i4", 1)}),
    Group("bucket", {"B_HEAD": ("i4", 1), "B_USED": ("i4", 1)}),
)
# fmt: on


class Layout:
    """Positions in one arena's table: ``n["stack"]`` of a counter, ``at["N_FROM"]`` of an array's address."""

    def __init__(self, groups: tuple[Group, ...], extras: tuple[str, ...], full: int) -> None:
        self.groups = groups
        self.full = full  # group number i is full: status full - i
        self.n = {group.name: i for i, group in enumerate(groups)}
        self.n.update({name: len(groups) + i for i, name in enumerate(extras)})
        slot = len(self.n)
        self.at: dict[str, int] = {}
        for group in groups:
            names = [*group.arrays, *([f"{group.name}_hash", f"{group.name}_table"] if group.interned else [])]
            for name in names:
                self.at[name] = slot
                slot += 2
        self.size = slot


V_EXTRAS = ("NODES", "WORDS", "STAMP", "LONGEST", "FOUND", "ODD", "FIND", "HAND", "EVICTIONS")
V = Layout(VOCABULARY_GROUPS, V_EXTRAS, full=-1)
# SHORT: visits of a walk before it goes on with walk sets, and whose mask is not remembered. MANY: configurations of a
# state whose walks begin with walk sets, and whose steps are remembered. MEMBERS: bound on all walk sets. CLOSED: bound
# on all closures that are remembered.
G = Layout(
    GRAMMAR_GROUPS,
    (
        "STAMP",
        "VISITS",
        "CLOSURES",
        "READ",
        "MASKING",
        "WANTED",
        "ENDED",
        "WALK",
        "HAND",
        "CALLED",
        "CONTEXT",
        "ASKED",
        "PROBING",
        "CLOSED",
        "STRIDE",
        "DEFERRED",
        "SHORT",
        "MANY",
        "MEMBERS",
    ),
    full=-101,
)

# The same positions as compile-time constants for kernels: VA.T_BYTE, VN.residual, GA.CODE, GN.stack ...
VA: Any = namedtuple("VA", V.at)(**V.at)
VN: Any = namedtuple("VN", V.n)(**V.n)
GA: Any = namedtuple("GA", G.at)(**G.at)
GN: Any = namedtuple("GN", G.n)(**G.n)
V_FULL, G_FULL = V.full, G.full
BAD_STATE = -1000  # status: the state is none of this automaton's
# Status: the shape of memory ``WANTED``, or the shape's row, is not known yet (-1 - bag: that of its beginning).
ROW_WANTED = -1001
TOO_MANY_ENDS = -1002  # status: more than ``MAX_ENDS`` words have been ended
RULE_WANTED = -1003  # status: rule ``WANTED`` has no code yet
PROBES_WANTED = -1005  # status: are places live of which that is asked (probe.py)?
NOT_KNOWN = -1
ROWS_WANTED = -1004  # status: the array of remembered masks is not there yet
