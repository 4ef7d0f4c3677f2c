"""``PrefixStates``: the automaton state of a token prefix, remembered.

A state is a function of the generated ids and of nothing else, so it may be looked up by them. That is what makes
one processor right under beams (rows move), drafts (prefixes jump back and forth) and re-use (prompts change):
there is nothing to roll back and nothing to reset.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any

import numpy as np
import numpy.typing as npt

from constrain.tokens.base import TokenAutomaton

Ids = npt.NDArray[np.int32]

_ID_BYTES = 4
_ENTRY_BYTES = 200  # what an entry costs beside its key, roughly


class PrefixStates:
    """States of ``automaton`` after given ids, least recently used ones dropped past ``max_bytes``. Thread-safe.

    Invariant: ``_states[ids.tobytes()]`` is the state after ``ids``, or ``None`` when ``ids`` leave the language.
    """

    def __init__(self, automaton: TokenAutomaton[Any], max_bytes: int = 16 << 20) -> None:
        self.automaton = automaton
        self.max_bytes = max_bytes
        self._states: OrderedDict[bytes, Hashable | None] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def state(self, ids: Ids) -> Hashable | None:
        """The state after ``ids`` (1-D int32), or ``None`` when they are not a prefix of the language.

        Costs one ``advance`` when ``ids[:-1]`` was asked for lately, a walk from the longest remembered prefix
        otherwise.
        """
        data = np.ascontiguousarray(ids, dtype=np.int32).tobytes()
        with self._lock:
            length, state = self._longest_remembered(data)
            for token in ids[length:].tolist():
                if state is None:
                    break
                state = self.automaton.advance(state, token)
            self._remember(data, state)
        return state

    def _longest_remembered(self, data: bytes) -> tuple[int, Hashable | None]:
        for end in range(len(data), 0, -_ID_BYTES):
            key = data[:end]
            if key in self._states:
                return end // _ID_BYTES, self._states[key]
        return 0, self.automaton.start()

    def _remember(self, key: bytes, state: Hashable | None) -> None:
        if key in self._states:
            self._states.move_to_end(key)
            return
        self._states[key] = state
        self._bytes += len(key) + _ENTRY_BYTES
        while self._bytes > self.max_bytes and len(self._states) > 1:
            dropped, _ = self._states.popitem(last=False)
            self._bytes -= len(dropped) + _ENTRY_BYTES
