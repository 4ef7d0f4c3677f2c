"""What a step of the weighted trie costs: ``python -m benchmarks.triebench``.

A step draws a token, makes its node if it is new, lowers its bound, and brings the parent's bound in line: all that a
walk does at a place whose law is known, and what an update of ASAp does on the way back. The reference implementation
takes 0.6 ms at 30 valid tokens and 240 ms at 3,000 (../shared/research/faithful-sampling.md, 1.2).
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from benchmarks import machine
from benchmarks.tables import table
from constrain.sampling.trie import Law, Node

SIZES = (30, 300, 3_000, 30_000, 128_000)


def steps(size: int, count: int, seed: int = 0) -> tuple[list[float], int]:
    """Seconds of each of ``count`` steps at a law of ``size`` tokens, and the nodes that there are in the end."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=size) * 3
    law = Law(np.arange(size, dtype=np.int32), scores - np.log(np.exp(scores).sum()))
    parent = Node(None, -1, 0.0, None)
    taken = []
    for uniform, bound in zip(rng.random(count).tolist(), -rng.exponential(1.0, count), strict=True):
        begin = time.perf_counter()
        token = law.draw(uniform)
        child = law.children.get(token)
        if child is None:
            child = Node(parent, token, law.probability(token), None)
            law.add(child)
        child.bound = min(child.bound, float(bound))
        law.note(child)
        parent.bound = min(parent.bound, law.bound())
        taken.append(time.perf_counter() - begin)
    return sorted(taken), len(law.places)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=2_000)
    options = parser.parse_args()
    steps(300, 200)
    rows = []
    for size in SIZES:
        taken, nodes = steps(size, options.steps)
        at = [f"{taken[int(share * len(taken))] * 1e6:.0f}" for share in (0.5, 0.9, 0.99)]
        rows.append([f"{size:,}", f"{nodes:,}", *at])
    print(table(["fact", "value"], list((machine.facts() | {"load": machine.load()}).items())))
    print()
    print(table(["valid tokens", "nodes in the end", "step p50, us", "p90", "p99"], rows))


if __name__ == "__main__":
    main()
