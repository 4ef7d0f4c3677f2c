"""Can a text with gaps be completed? By the definitions: the slow, obvious twin of ``canvas/unbounded.py``.

A text with gaps is a nondeterministic automaton: a node before each byte and behind the last, and one for each gap,
with silent moves into it and out of it. For each rule and node, the nodes that a text of the rule can lead to are the
least solution of monotone equations. Terminals must be of bytes.
"""

from __future__ import annotations

from collections.abc import Sequence

from naive.rx import ALPHABETS, derive, inhabited, nullable, symbols_of

from constrain.ir.grammar import Choice, Expr, Grammar, Joined, Literal, Ref, Repeat, Seq, Terminal
from constrain.ir.rx import Rx

Nodes = frozenset[int]
ANY = -1


class Gaps:
    """``completable`` is the answer."""

    def __init__(self, grammar: Grammar, segments: Sequence[bytes | None]) -> None:
        self.rules = grammar.rules
        self.moves: list[dict[int, int]] = [{}]  # byte (or ANY) -> node
        self.silent: list[set[int]] = [set()]
        for segment in segments:
            self._add(segment)
        self.ends: dict[tuple[str, int], Nodes] = {(grammar.start, 0): frozenset()}
        known: dict[tuple[str, int], Nodes] = {}
        while known != self.ends:
            known = dict(self.ends)
            for name, node in known:
                self.ends[name, node] = self.after(self.rules[name], self.closure({node}))
        self.completable = len(self.moves) - 1 in self.ends[grammar.start, 0]

    def _add(self, segment: bytes | None) -> None:
        for byte in [ANY] if segment is None else segment:
            here, there = len(self.moves) - 1, len(self.moves)
            self.moves.append({ANY: there} if byte == ANY else {})
            self.silent.append(set())
            if byte == ANY:
                self.silent[here].add(there)
                self.moves.append({})
                self.silent.append(set())
                self.silent[there].add(there + 1)
            else:
                self.moves[here][byte] = there

    def closure(self, nodes: set[int]) -> Nodes:
        while True:
            more = nodes.union(*(self.silent[node] for node in nodes))
            if more == nodes:
                return frozenset(nodes)
            nodes = more

    def step(self, nodes: Nodes, byte: int) -> Nodes:
        found = {self.moves[node][b] for node in nodes for b in (byte, ANY) if b in self.moves[node]}
        return self.closure(found)

    def after(self, expr: Expr, nodes: Nodes) -> Nodes:
        """Where a text of ``expr`` leads from ``nodes``."""
        match expr:
            case Literal(data=data):
                for byte in data:
                    nodes = self.step(nodes, byte)
                return nodes
            case Terminal():
                return self.after_terminal(expr, nodes)
            case Ref(name=name):
                return frozenset().union(*(self.ends.setdefault((name, node), frozenset()) for node in nodes))
            case Seq(parts=parts):
                for part in parts:
                    nodes = self.after(part, nodes)
                return nodes
            case Choice(parts=parts):
                return frozenset().union(*(self.after(part, nodes) for part in parts))
            case Repeat():
                return self.after_repeat(expr, nodes)
            case Joined(items=items, separator=separator):
                fresh, written = nodes, frozenset()
                for item, required in items:
                    begun = self.after(item, fresh) | self.after(item, self.after(separator, written))
                    fresh, written = (frozenset(), begun) if required else (fresh, written | begun)
                return fresh | written
        raise TypeError(expr)

    def after_repeat(self, expr: Repeat, nodes: Nodes) -> Nodes:
        for _ in range(expr.low):
            nodes = self.after(expr.body, nodes)
        found, rounds = nodes, 0
        while expr.high is None or rounds < expr.high - expr.low:
            nodes = self.after(expr.body, nodes)
            if nodes <= found and expr.high is None:
                break
            found, rounds = found | nodes, rounds + 1
            nodes = found
        return found

    def after_terminal(self, expr: Terminal, nodes: Nodes) -> Nodes:
        assert expr.encoding == "bytes"
        symbols = [s for s in symbols_of(expr.language, ALPHABETS["bytes"])]
        symbols = sorted({*symbols, *(b for move in self.moves for b in move if b != ANY)})
        top = expr.low if expr.high is None else expr.high
        layer = {(expr.language, node, 0) for node in nodes}
        seen: set[tuple[Rx, int, int]] = set()
        found = set()
        while layer:
            seen |= layer
            found |= {node for rx, node, count in layer if count >= expr.low and nullable(rx)}
            layer = {
                (after, target, min(count + 1, top + (expr.high is not None)))
                for rx, node, count in layer
                for byte in symbols
                if inhabited(after := derive(rx, byte), 0, None, ALPHABETS["bytes"])
                for target in self.step(frozenset([node]), byte)
            } - seen
            layer = {item for item in layer if expr.high is None or item[2] <= expr.high}
        return frozenset(found)


def completable(grammar: Grammar, segments: Sequence[bytes | None]) -> bool:
    """Is there a text of the grammar with these segments, where ``None`` may become any bytes?"""
    return Gaps(grammar, segments).completable
