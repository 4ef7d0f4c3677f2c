"""The batch benchmark feeds all drivers the same texts, whole and in order."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from benchmarks.batchbench import run
from benchmarks.maskbench import Job


class Recorder:
    name = "recorder"

    def __init__(self, rows: int) -> None:
        self.texts: list[list[list[int]]] = [[] for _ in range(rows)]

    def restart(self, row: int) -> None:
        self.texts[row].append([])

    def step(self, tokens: Sequence[int]) -> None:
        for texts, token in zip(self.texts, tokens, strict=True):
            texts[-1].append(token)


def test_rows_write_texts_of_their_schemas() -> None:
    jobs = [
        Job("a", {}, ((1, 2, 3), (9,), (4, 5), (6,)), (True, False, True, True), 0),
        Job("b", {}, ((11,), (12, 13)), (True, True), 0),
    ]
    drivers = [Recorder(3), Recorder(3)]
    clock = count(step=3000)
    assert run(drivers, jobs, rows=3, steps=7, clock=lambda: next(clock)) == [1.0, 1.0]
    for driver in drivers:
        assert driver.texts[0] == driver.texts[2] == [[1, 2, 3], [4, 5], [6], [4, 5], [6], [4]]
        assert driver.texts[1] == [[11], [11], [11], [12, 13], [12, 13], [12, 13], [12]]
