"""Places in the vocabulary trie, for Python: the way to a node, and where the spellings of a word end."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from constrain.ir.grammar import Encoding
from constrain.ir.words import spellings
from constrain.kernels.layout import ROOT
from constrain.tokens.arena import Arena

Places = tuple[tuple[int, bytes], ...]  # (node, bytes from where one started)


class Trie:
    """A reader of the token trie in a vocabulary's arena. Remembers what it was asked: few nodes ever are.

    Nearly no token holds the end of a given word. Whether one does, spelled without escapes, is one look into the
    sorted tokens; escapes are looked for only where tokens have them.
    """

    def __init__(self, arena: Arena, tokens: Sequence[bytes | None]) -> None:
        self._arena = arena
        self._tokens = tokens
        self._nodes = arena["NODES"]
        self._kids: dict[int, dict[int, int]] = {}
        self._paths: dict[int, bytes] = {ROOT: b""}
        self._ends: dict[tuple[int, str, bytes, Encoding], Places] = {}

    def members(self, node: int) -> list[int]:
        """The trie nodes that a node stands for: itself, or those of a residual node."""
        if node < self._nodes:
            return [node]
        first, size = (int(self._arena.array(name)[node - self._nodes]) for name in ("R_FROM", "R_SIZE"))
        return self._arena.array("R_MEMBER")[first : first + size].tolist()  # type: ignore[no-any-return]

    def path(self, node: int) -> bytes:
        """The bytes that lead to a trie node."""
        if node not in self._paths:
            at, data = ROOT, bytearray()
            while at != node:
                byte, at = max(self._children(at).items(), key=lambda kid: kid[1] if kid[1] <= node else -1)
                data.append(byte)  # numbers are in preorder: the last child that is not past the node
            self._paths[node] = bytes(data)
        return self._paths[node]

    def ends(self, node: int, symbols: str, begun: bytes, encoding: Encoding) -> Places:
        """Where a word ends below a trie node: ``symbols`` in every spelling, in JSON then the closing quote.

        ``begun``: the bytes of the first symbol that have been read.
        """
        key = (node, symbols, begun, encoding)
        found = self._ends.get(key)
        if found is None:
            found = self._ends[key] = self._find_ends(*key)
        return found

    def next_bytes(self, node: int, symbols: str, begun: bytes, encoding: Encoding) -> Places:
        """One byte on towards such an end."""
        if symbols:
            ways = (way[len(begun)] for way in _ways(symbols[0], begun, encoding))
            choice = {byte for way in ways for byte in way}
        else:
            choice = {ord('"')} if encoding == "json" and not begun else set()
        kids = self._children(node)
        return tuple((kids[byte], bytes([byte])) for byte in sorted(choice) if byte in kids)

    def _find_ends(self, node: int, symbols: str, begun: bytes, encoding: Encoding) -> Places:
        if begun:
            return self._spelled(node, symbols, begun, encoding) if symbols else ()
        raw = symbols.encode("latin-1" if encoding == "bytes" else "utf-8")
        if encoding != "json":
            return self._exactly(node, raw)
        escaped = any(symbol < " " or symbol in '"\\' for symbol in symbols)
        if escaped or self._has_escapes(self.path(node) + raw):
            return self._spelled(node, symbols, b"", encoding)
        return self._exactly(node, raw + b'"')

    def _exactly(self, node: int, data: bytes) -> Places:
        text = self.path(node) + data
        place = bisect_left(self._sorted, text, key=self._tokens.__getitem__)  # type: ignore[arg-type]
        if place == len(self._sorted) or not self._tokens[self._sorted[place]].startswith(text):  # type: ignore[union-attr]
            return ()
        return tuple(self._follow((node, b""), tuple(bytes([byte]) for byte in data)))

    def _has_escapes(self, text: bytes) -> bool:
        """Is there a token that begins as ``text``, and then escapes what need not be escaped?"""
        return any(text[:i] in self._before_escapes for i in range(len(text) + 1))

    @cached_property
    def _sorted(self) -> list[int]:
        """The ids of tokens with bytes, in the order of the bytes."""
        return self._arena.array("T_ID").tolist()  # type: ignore[no-any-return]

    @cached_property
    def _before_escapes(self) -> frozenset[bytes]:
        """What stands before each ``\\u`` or ``\\/`` that has a quote after it, in some token."""
        found: set[bytes] = set()
        for token in self._tokens:
            if token is not None and b"\\" in token:
                last = token.rfind(b'"')
                found.update(token[:i] for i in range(last) if token[i : i + 2] in (b"\\u", b"\\/"))
        return frozenset(found)

    def _spelled(self, node: int, symbols: str, begun: bytes, encoding: Encoding) -> Places:
        """``ends`` by following every spelling."""
        places = {node: b""}
        for i, symbol in enumerate(symbols):
            done = begun if i == 0 else b""
            places = dict(
                place
                for start in places.items()
                for way in _ways(symbol, done, encoding)
                for place in self._follow(start, way[len(done) :])
            )
            if not places:
                return ()
        if encoding == "json":
            places = dict(place for start in places.items() for place in self._follow(start, (b'"',)))
        return tuple(places.items())

    def _follow(self, start: tuple[int, bytes], way: tuple[bytes, ...]) -> list[tuple[int, bytes]]:
        """The places that one spelling leads to (several, as hexadecimal digits have two cases)."""
        places = [start]
        for choice in way:
            places = [
                (kids[byte], data + bytes([byte]))
                for node, data in places
                if (kids := self._children(node))
                for byte in choice
                if byte in kids
            ]
        return places

    def _children(self, node: int) -> dict[int, int]:
        """Children of a trie node by their byte."""
        kids = self._kids.get(node)
        if kids is None:
            first, last = self._arena.array("T_KID0")[node : node + 2]
            nodes = self._arena.array("T_KID")[first:last]
            bytes_: np.ndarray[tuple[int], np.dtype[np.uint8]] = self._arena.array("T_BYTE")[nodes]
            kids = self._kids[node] = dict(zip(bytes_.tolist(), nodes.tolist(), strict=True))
        return kids


def _ways(symbol: str, begun: bytes, encoding: Encoding) -> list[tuple[bytes, ...]]:
    """The spellings of a symbol that begin with the bytes read."""
    return [
        way
        for way in spellings(symbol, encoding)
        if len(way) > len(begun) and all(byte in choice for byte, choice in zip(begun, way, strict=False))
    ]
