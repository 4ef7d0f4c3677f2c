"""The twins themselves, against brute force, the standard library's ``re``, and curated texts."""

from __future__ import annotations

import itertools
import json
import re

import pytest
from data.grammars import CASES, Case
from hypothesis import given, settings
from naive.language import accepts, is_prefix, members
from naive.rx import ALPHABETS, derive_all, inhabited, nullable
from naive.spelling import decode, decode_cut, started
from strategies import grammars

from constrain.ir import rx
from constrain.ir.grammar import Choice, Grammar, Literal, Ref, Repeat, Seq

CURATED = [pytest.param(case, id=case.name) for case in CASES]


@pytest.mark.parametrize("case", CURATED)
def test_curated(case: Case) -> None:
    assert [text for text in case.accept if not accepts(case.grammar, text)] == []
    assert [text for text in case.reject if accepts(case.grammar, text)] == []
    assert [text[:i] for text in case.accept for i in range(len(text)) if not is_prefix(case.grammar, text[:i])] == []


@given(grammars(with_terminals=False))
@settings(max_examples=25)
def test_every_prefix_of_a_member_is_a_prefix(grammar: Grammar) -> None:
    for text in itertools.islice(members(grammar, [b"a", b"b", b"c", b'"'], 4), 10):
        assert all(is_prefix(grammar, text[:i]) for i in range(len(text)))


def test_prefixes_that_no_member_has() -> None:
    """Brute force over a finite language: prefixes are exactly the beginnings of members."""
    words = (b"", b"ab", b"ba", b"bab")
    grammar = Grammar("s", {"s": Choice(*(Seq(Literal(w), Ref("t")) for w in words)), "t": Repeat(Literal(b"c"), 1, 2)})
    language = {w + b"c" * n for w in words for n in (1, 2)}
    texts = [bytes(t) for n in range(7) for t in itertools.product(b"abc", repeat=n)]
    assert {t for t in texts if accepts(grammar, t)} == language
    assert {t for t in texts if is_prefix(grammar, t)} == {w[:i] for w in language for i in range(len(w) + 1)}


A, B = rx.literal("a"), rx.literal("b")
SAME = [
    ("(a|b)*ab", rx.concat((rx.repeat(A | B, 0, None), A, B))),
    ("(ab|a){2,3}", rx.repeat(rx.union((A + B, A)), 2, 3)),
    ("(a?b?){2}", rx.repeat(rx.concat((rx.repeat(A, 0, 1), rx.repeat(B, 0, 1))), 2, 2)),
    ("(a{2,})?b+", rx.concat((rx.repeat(rx.repeat(A, 2, None), 0, 1), rx.repeat(B, 1, None)))),
]


@pytest.mark.parametrize("pattern,expr", SAME)
def test_derivatives_against_re(pattern: str, expr: rx.Rx) -> None:
    for text in ("".join(t) for n in range(7) for t in itertools.product("ab", repeat=n)):
        symbols = [ord(c) for c in text]
        found = re.fullmatch(pattern, text) is not None
        assert nullable(derive_all(expr, symbols)) == found
        assert nullable(derive_all(rx.complement(expr), symbols)) != found
        assert nullable(derive_all(rx.intersect((expr, A + rx.repeat(A | B, 0, None))), symbols)) == (
            found and text.startswith("a")
        )


def test_inhabited_minds_the_window_and_the_alphabet() -> None:
    even = rx.repeat(A + B, 0, None)
    every = ALPHABETS["utf8"]
    assert inhabited(even, 3, 4, every) and not inhabited(even, 3, 3, every) and inhabited(even, 51, None, every)
    assert not inhabited(rx.intersect((A, B)), 0, None, every)
    assert not inhabited(rx.chars(((256, 300),)), 0, None, ALPHABETS["bytes"])
    assert not inhabited(rx.chars((rx.SURROGATES,)), 0, None, every)


@pytest.mark.parametrize("text", ["", "a", "é", "😀", 'q"\\', "\n\0\x1f/", "\ud7ff\ue000\uffff"])
def test_every_way_to_write_a_json_value_decodes(text: str) -> None:
    symbols = [ord(c) for c in text]
    for spelled in (json.dumps(text), json.dumps(text, ensure_ascii=False)):
        data = spelled.encode()[1:]
        assert decode(data, "json") == symbols
        for cut in range(len(data)):
            assert any(read == symbols[: len(read)] for read, _ in decode_cut(data[:cut], "json"))


CUTS = [
    (b"\xc3", "utf8", ((0xC0, 0xFF),)),
    (b"\xe2\x82", "utf8", ((0x2080, 0x20BF),)),
    (b"\xed\x9f", "utf8", ((0xD7C0, 0xD7FF),)),
    (b"\xed\xa0", "utf8", ()),
    (b"\xf4", "utf8", ((0x100000, 0x10FFFF),)),
    (b"\xf5", "utf8", ()),
    (b"\x80", "utf8", ()),
    (b"\\", "json", ((0, 0xD7FF), (0xE000, 0xFFFF), (0x10000, 0x10FFFF))),
    (b"\\u00e", "json", ((0xE0, 0xEF),)),
    (b"\\ud", "json", ((0xD000, 0xD7FF), (0x10000, 0x10FFFF))),
    (b"\\uDc", "json", ()),
    (b"\\uD83d", "json", ((0x1F400, 0x1F7FF),)),
    (b"\\uD83d\\u", "json", ((0x1F400, 0x1F7FF),)),
    (b"\\uD83d\\ude0", "json", ((0x1F600, 0x1F60F),)),
    (b"\\uD83d\\ue", "json", ()),
    (b"\\n", "json", ()),
    (b"\\x", "json", ()),
]


@pytest.mark.parametrize("tail,encoding,expected", CUTS)
def test_symbols_that_a_cut_spelling_may_become(tail: bytes, encoding: str, expected: rx.Ranges) -> None:
    assert started(tail, encoding) == expected
