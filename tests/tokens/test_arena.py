"""Growth of arenas: nothing is lost, nothing is reserved that costs memory, and threads see whole arrays only."""

from __future__ import annotations

import sys
import threading

import numpy as np
import pytest
from hammer import run_at_once
from hypothesis import given
from hypothesis import strategies as st

from constrain.errors import LimitExceeded
from constrain.kernels.layout import G, V
from constrain.tokens import arena as arenas
from constrain.tokens import pushdown
from constrain.tokens.arena import Arena
from constrain.tokens.storage import LARGE, zeros

GROUPS = [(layout, number) for layout in (V, G) for number in range(len(layout.groups))]


def fill(arena: Arena, number: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Random contents for the arrays of a group that kernels do not derive from others; a copy of them."""
    group = arena.layout.groups[number]
    names = [*group.arrays, *([f"{group.name}_hash"] if group.interned else [])]
    for name in names:
        array = arena.array(name)
        array[:] = rng.integers(0, 128, len(array))
    arena[group.name] = len(arena.array(names[0])) // next(iter(group.arrays.values()))[1]
    return {name: arena.array(name).copy() for name in names}


def address_and_room(arena: Arena, name: str) -> tuple[int, int]:
    slot = arena.layout.at[name]
    return int(arena.table[slot]), int(arena.table[slot + 1])


@pytest.mark.parametrize(("layout", "number"), GROUPS, ids=[f"{layout.groups[i].name}" for layout, i in GROUPS])
def test_growing_keeps_contents_and_finds_every_interned_item(layout: object, number: int) -> None:
    arena = Arena(layout, {group.name: 24 for group in layout.groups})  # type: ignore[attr-defined]
    rng = np.random.default_rng(number)
    group = arena.layout.groups[number]
    others = {name: address_and_room(arena, name) for name in arena.layout.at if name not in group.arrays}
    for _ in range(3):
        before = fill(arena, number, rng)
        arena.grow(number)
        for name, values in before.items():
            array = arena.array(name)
            assert address_and_room(arena, name) == (array.ctypes.data, len(array))
            assert len(array) >= 4 * len(values) - 8
            np.testing.assert_array_equal(array[: len(values)], values)
            assert not array[len(values) :].any(), "what is new is zero"
        if group.interned:
            table, hashes = arena.array(f"{group.name}_table"), arena.array(f"{group.name}_hash")
            assert sorted(table[table != 0]) == list(range(1, arena[group.name]))
            for item in range(1, arena[group.name]):
                assert item in probes(table, int(hashes[item]))
    mine = {f"{group.name}_hash", f"{group.name}_table"}
    assert all(address_and_room(arena, name) == at for name, at in others.items() if name not in mine)


def probes(table: np.ndarray, key: int) -> list[int]:
    """The items that a look for ``key`` meets before a free slot."""
    size, found = len(table), []
    assert size & (size - 1) == 0
    slot = (key ^ (key >> 15)) & (size - 1)
    while table[slot]:
        found.append(int(table[slot]))
        slot = (slot + 1) & (size - 1)
    return found


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 127)), max_size=30))
def test_appending_is_a_list(runs: list[tuple[int, int]]) -> None:
    arena, twin = Arena(G, {"option": 4}), [0, 0]
    first = arena.append("option", O_RULE=twin, O_NEXT=twin)
    assert first == 0
    for count, value in runs:
        assert arena.append("option", O_RULE=[value] * count, O_NEXT=[-value] * count) == len(twin)
        twin += [value] * count
    assert arena["option"] == len(twin)
    assert arena.array("O_RULE")[: len(twin)].tolist() == twin
    assert arena.array("O_NEXT")[: len(twin)].tolist() == [-value for value in twin]


def test_arenas_of_one_model_are_alike_and_apart() -> None:
    model = Arena(G, {"state": 32})
    model.grow(G.n["state"])  # the model's own growth is no matter
    first, second = Arena.like(model), Arena.like(model)
    first.array("Q_FROM")[:] = 7
    assert len(second.array("Q_FROM")) == 32
    assert not second.array("Q_FROM").any()
    assert first.address != second.address


def test_growth_past_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arenas, "MAX_ITEMS", 1000)
    arena = Arena(G, {"state": 100})
    arena.grow(G.n["state"])
    with pytest.raises(LimitExceeded, match="'state'"):
        arena.grow(G.n["state"])
    assert len(arena.array("Q_FROM")) == 400


def test_reserved_memory_is_zero_and_not_resident() -> None:
    def resident() -> int:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096

    if sys.platform != "linux":
        pytest.skip("reads /proc")
    before = resident()
    pieces = [zeros(64 * LARGE) for _ in range(8)]
    assert resident() - before < 8 * LARGE
    pieces[0][:: LARGE // 2] = 1
    assert pieces[0].sum() == 128
    assert not pieces[1][::4096].any()


def test_a_refused_reservation_says_what_to_do() -> None:
    with pytest.raises(MemoryError, match="memory="):
        zeros(1 << 60)


def test_growing_beside_kernels_of_other_threads_loses_nothing() -> None:
    """One thread grows over and over while others intern states: the numbers and masks are those of a quiet run."""
    import constrain
    from constrain.testing import byte_vocabulary

    vocabulary = byte_vocabulary()
    grammar = constrain.regex("(a|b){0,200}(x|ab)*")
    texts = [bytes(97 + (i >> k & 1) for k in range(10)) for i in range(64)]
    quiet = pushdown.PushdownAutomaton(grammar, vocabulary)
    busy = pushdown.PushdownAutomaton(grammar, vocabulary)
    done = threading.Event()

    def grow() -> None:
        for number in ("state", "configuration", "stack", "edge") * 3:
            busy.arena.grow(G.n[number])
        done.set()

    def read() -> None:
        while not done.is_set():
            for text in texts:
                assert busy.advance_bytes(busy.start(), text)

    run_at_once([threading.Thread(target=work) for work in (grow, read, read)])
    reached = {text: busy.advance_bytes(busy.start(), text) for text in texts}
    expected = {text: quiet.advance_bytes(quiet.start(), text) for text in texts}
    assert busy.arena["state"] == quiet.arena["state"], "an item that was lost would have been interned again"
    for text in texts:
        assert len(busy.configurations(reached[text] or 0)) == len(quiet.configurations(expected[text] or 0))
