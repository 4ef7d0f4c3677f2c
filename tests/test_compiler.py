"""``Compiler``: found by content, compiled once, forgotten in order, bounded; always the automaton asked for."""

from __future__ import annotations

import gc
import re
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import constrain
from constrain import Compiler, GrammarError
from constrain.bits import allocate, ids_of
from constrain.compiler import _content
from constrain.testing import byte_vocabulary
from constrain.tokens.pushdown import PushdownAutomaton
from constrain.vocab.vocabulary import Vocabulary

SCHEMA = {"type": "object", "properties": {"b": {"type": "integer"}, "a": {"enum": [1, "x"]}}}


@pytest.fixture
def vocabulary() -> Vocabulary:
    return byte_vocabulary(b"ab", b'{"', b'":')


@pytest.fixture
def compiler(vocabulary: Vocabulary) -> Compiler:
    return Compiler(vocabulary)


def first_mask(automaton: PushdownAutomaton) -> list[int]:
    words = allocate(automaton.vocabulary.width)
    automaton.fill_mask(automaton.start(), words)
    return words.tolist()


# ---- found by content ---------------------------------------------------------------------------------------


def test_a_schema_is_known_by_its_values(compiler: Compiler, tmp_path: Path) -> None:
    automaton = compiler.json_schema(SCHEMA)
    text = '{"type": "object",\n "properties": {"b": {"type": "integer"}, "a": {"enum": [1, "x"]}}}'
    file = tmp_path / "schema.json"
    file.write_text(text)
    for same in (dict(SCHEMA), text, text.encode(), file):
        assert compiler.json_schema(same) is automaton
    assert compiler.statistics()[:4] == (4, 0, 1, 0)
    file.write_text('{"type": "null"}')
    assert compiler.json_schema(file) is not automaton, "a file is read anew"


def test_what_differs_is_compiled_anew(compiler: Compiler) -> None:
    turned = {"type": "object", "properties": dict(reversed(SCHEMA["properties"].items()))}  # type: ignore[attr-defined]
    sources: list[Callable[[], PushdownAutomaton]] = [
        lambda: compiler.json_schema(SCHEMA),
        lambda: compiler.json_schema(turned),  # the declared order is the order of the text
        lambda: compiler.json_schema(SCHEMA, property_order="any"),
        lambda: compiler.json_schema(SCHEMA, whitespace="compact"),
        lambda: compiler.json_schema({"const": 1}),
        lambda: compiler.json_schema({"const": True}),
        lambda: compiler.json_schema({"const": "1"}),
        lambda: compiler.json_schema({"$ref": "urn:x"}, registry={"urn:x": {"const": 1}}),
        lambda: compiler.json_schema({"$ref": "urn:x"}, registry={"urn:x": {"const": 2}}),
        lambda: compiler.regex("a+"),
        lambda: compiler.regex("a+", re.IGNORECASE),
        lambda: compiler.regex(b"a+"),
        lambda: compiler.lark('start: "a"+'),
        lambda: compiler.lark('start: "a"+\nother: "b"'),
        lambda: compiler.lark('start: "a"+\nother: "b"', "other"),
        lambda: compiler.gbnf('root ::= "a"+\nb ::= root', "b"),
        lambda: compiler.gbnf('root ::= "a"+'),
        lambda: compiler.ebnf('root ::= "a"+'),
        lambda: compiler.ebnf('root ::= "a"+', dialect="w3c"),
    ]
    automata = [make() for make in sources]
    assert len(set(map(id, automata))) == len(sources)
    assert [make() for make in sources] == automata
    assert compiler.statistics()[:4] == (len(sources), 0, len(sources), 0)


def test_a_schema_that_changes_later_is_another(compiler: Compiler) -> None:
    schema: dict[str, Any] = {"properties": {"a": {"properties": {"b": {"const": 1}}, "additionalProperties": False}}}
    automaton = compiler.json_schema(schema)
    expected = automaton.advance_bytes(compiler.json_schema(dict(schema)).start(), b"{")
    schema["properties"]["a"]["properties"]["b"]["const"] = 2
    changed = compiler.json_schema(schema)
    assert changed is not automaton
    assert expected is not None
    assert automaton.advance_bytes(automaton.start(), b'{"a":{"b":2') is None, "read as late as the text gets there"
    assert automaton.advance_bytes(automaton.start(), b'{"a":{"b":1') is not None
    assert changed.advance_bytes(changed.start(), b'{"a":{"b":2') is not None


def test_a_python_type_is_another_source_than_its_schema(compiler: Compiler) -> None:
    pydantic = pytest.importorskip("pydantic")
    model = pydantic.create_model("Record", a=(int, ...))
    same = pydantic.create_model("Record", a=(int, ...))
    automaton = compiler.json_schema(model)
    assert compiler.json_schema(same) is automaton
    other = compiler.json_schema(model.model_json_schema())  # a schema allows other members, a model does not
    assert other is not automaton
    assert automaton.advance_bytes(automaton.start(), b'{"a":1,"') is None
    assert other.advance_bytes(other.start(), b'{"a":1,"') is not None


def test_a_grammar_is_known_as_the_object_that_it_is(compiler: Compiler) -> None:
    grammar, equal = constrain.regex("a+"), constrain.regex("a+")
    automaton = compiler.compile(grammar)
    assert compiler.compile(grammar) is automaton
    assert compiler.compile(equal) is not automaton
    assert automaton.grammar is grammar


def test_a_compiled_pattern_is_its_pattern_and_flags(compiler: Compiler) -> None:
    automaton = compiler.regex(re.compile("a+", re.IGNORECASE))
    assert compiler.regex(re.compile("a+", re.IGNORECASE)) is automaton
    assert compiler.regex(re.compile("a+")) is not automaton
    assert automaton.advance_bytes(automaton.start(), b"A") is not None


def test_what_has_no_content_is_compiled_at_each_call(compiler: Compiler, tmp_path: Path) -> None:
    (tmp_path / "words.lark").write_text('WORD: "a"')
    file = tmp_path / "text.lark"
    file.write_text("%import .words.WORD\nstart: WORD")
    first = compiler.lark(file)
    (tmp_path / "words.lark").write_text('WORD: "b"')
    second = compiler.lark(file)
    assert first.advance_bytes(first.start(), b"a") is not None
    assert second.advance_bytes(second.start(), b"b") is not None
    referencing = pytest.importorskip("referencing")
    compiler.json_schema({"type": "null"}, registry=referencing.Registry())
    assert compiler.statistics()[:6] == (0, 0, 3, 3, 0, 0)


def plain() -> st.SearchStrategy[Any]:
    scalars = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.0, -0.0, 1.0, "", "1", b"1", b""])
    surrogates = st.sampled_from(["\U0001f600", "\ud83d\ude00", "\ud83d"])
    return st.recursive(
        scalars | surrogates,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.lists(inner, max_size=3).map(tuple)
            | st.lists(st.tuples(st.sampled_from(["1", 1, "a", True]), inner), max_size=3).map(dict)
        ),
        max_leaves=6,
    )


def spelled(value: Any) -> str:
    """An independent form that tells types and orders apart."""
    match value:
        case dict():
            return "{" + ",".join(f"{spelled(k)}:{spelled(v)}" for k, v in value.items()) + "}"
        case list() | tuple():
            return f"{type(value).__name__}[{','.join(map(spelled, value))}]"
    return f"{type(value).__name__}({value!r})"


@given(plain(), plain())
def test_keys_are_equal_exactly_for_equal_content(left: Any, right: Any) -> None:
    assert (_content(left) == _content(right)) == (spelled(left) == spelled(right))
    copy = eval(repr(left))
    assert _content(copy) == _content(left)


def test_buffers_are_no_content() -> None:
    numpy = pytest.importorskip("numpy")
    assert _content(numpy.float64(0)) is None
    assert _content({"const": numpy.int64(0)}) is None
    assert _content(numpy.zeros(3)) is None
    assert _content(object()) is None


# ---- one flight for all -------------------------------------------------------------------------------------


class Gate:
    """Stands for ``PushdownAutomaton``: compiles grammars given as ``held`` only once the gate is open."""

    def __init__(self) -> None:
        self.held: dict[int, BaseException | None] = {}
        self.entered, self.open, self.count = threading.Event(), threading.Event(), 0

    def __call__(self, grammar: Any, *rest: Any) -> PushdownAutomaton:
        self.count += 1
        if id(grammar) in self.held:
            self.entered.set()
            assert self.open.wait(20)
            error = self.held.pop(id(grammar))
            if error is not None:
                raise error
        return PushdownAutomaton(grammar, *rest)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate = Gate()
    monkeypatch.setattr("constrain.compiler.PushdownAutomaton", gate)
    yield gate
    gate.open.set()


def outcome(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except BaseException as error:
        return error


def ask_at_once(compiler: Compiler, gate: Gate, grammar: Any, threads: int) -> list[Any]:
    """What the threads get that ask for ``grammar``, the first of them held up until all others wait for it."""
    with ThreadPoolExecutor(threads) as pool:
        first = pool.submit(outcome, lambda: compiler.compile(grammar))
        assert gate.entered.wait(20)
        others = [pool.submit(outcome, lambda: compiler.compile(grammar)) for _ in range(threads - 1)]
        while compiler.statistics().waits < threads - 1:
            pass
        gate.open.set()
        return [future.result(20) for future in (first, *others)]


def test_many_threads_compile_once(compiler: Compiler, gate: Gate) -> None:
    grammar = constrain.regex("a+")
    gate.held[id(grammar)] = None
    automata = ask_at_once(compiler, gate, grammar, 6)
    assert len(set(map(id, automata))) == 1
    assert isinstance(automata[0], PushdownAutomaton)
    assert gate.count == 1
    assert compiler.statistics()[:3] == (0, 5, 1)
    assert compiler.compile(grammar) is automata[0]


def test_other_grammars_do_not_wait(compiler: Compiler, gate: Gate) -> None:
    slow, quick = constrain.regex("a+"), constrain.regex("b+")
    gate.held[id(slow)] = None
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(compiler.compile, slow)
        assert gate.entered.wait(20)
        automaton = compiler.compile(quick)
        assert not waiting.done()
        gate.open.set()
        assert waiting.result(20) is not automaton


def test_an_error_reaches_all_who_wait_and_is_not_kept(compiler: Compiler, gate: Gate) -> None:
    grammar = constrain.regex("a+")
    error = gate.held[id(grammar)] = GrammarError("no")
    assert ask_at_once(compiler, gate, grammar, 4) == [error] * 4
    assert compiler.statistics().grammars == 0
    assert isinstance(compiler.compile(grammar), PushdownAutomaton)
    assert compiler.statistics()[:3] == (0, 3, 2)


def test_an_interrupt_is_for_one_thread_only(compiler: Compiler, gate: Gate) -> None:
    grammar = constrain.regex("a+")
    gate.held[id(grammar)] = KeyboardInterrupt()
    first, *others = ask_at_once(compiler, gate, grammar, 4)
    assert isinstance(first, KeyboardInterrupt)
    assert len(set(map(id, others))) == 1
    assert isinstance(others[0], PushdownAutomaton)
    assert gate.count == 2


def test_errors_of_sources_are_those_of_the_front_ends(compiler: Compiler) -> None:
    with pytest.raises(GrammarError, match="not JSON"):
        compiler.json_schema("{")
    with pytest.raises(ValueError, match="draft is one of"):
        compiler.json_schema([{"type": "function", "function": {"name": "f"}}], draft="draft-99")
    with pytest.raises(TypeError):
        compiler.json_schema({}, no_such_option=1)
    with pytest.raises(GrammarError, match="matches no string"):
        compiler.regex("[^\\s\\S]")
    assert compiler.statistics().grammars == 0


# ---- bounds -------------------------------------------------------------------------------------------------


def test_the_one_used_longest_ago_is_forgotten_first(vocabulary: Vocabulary) -> None:
    compiler = Compiler(vocabulary, grammars=2)
    a, b = compiler.regex("a"), compiler.regex("b")
    assert compiler.regex("a") is a
    c = compiler.regex("c")  # forgets b
    assert (compiler.regex("a"), compiler.regex("c")) == (a, c)
    assert compiler.regex("b") is not b
    assert compiler.statistics().grammars == 2
    assert compiler.statistics().evictions == 2
    compiler.clear()
    assert compiler.statistics()[5:7] == (0, 0)
    assert compiler.regex("b") is not b


def test_automata_are_bounded_by_bytes_as_they_grow(vocabulary: Vocabulary) -> None:
    alone = PushdownAutomaton(constrain.regex("x"), vocabulary).nbytes
    compiler = Compiler(vocabulary, memory=3 * 4 * alone)
    automata = [compiler.regex(letter) for letter in "abcdefgh"]
    held = compiler.statistics()
    assert 2 <= held.grammars <= 4
    assert held.grammar_bytes <= 4 * alone
    last = automata[-1]
    while last.nbytes < 4 * alone:
        last.arena.grow(last.arena.layout.n["edge"])
    assert compiler.statistics().grammar_bytes > 4 * alone, "weighed anew"
    compiler.regex("i")
    assert compiler.statistics().grammar_bytes <= 4 * alone
    assert compiler.statistics().grammars == 1
    none = Compiler(vocabulary, grammars=0)
    assert none.regex("a") is not none.regex("a")
    with pytest.raises(ValueError, match="memory is 1 or more"):
        Compiler(vocabulary, memory=0)


def test_shared_memory_begins_afresh_and_the_old_is_given_back(vocabulary: Vocabulary) -> None:
    compiler = Compiler(vocabulary, memory=3 << 18)  # a third: some 240 leaf states
    first = compiler.regex("(a|b)*a(a|b){9}")
    old = weakref.ref(first.index)
    rng, state = Random(3), first.start()
    while not first.index.is_full:
        state = first.advance(state, rng.choice(b"ab")) or 0
    expected = first_mask(first)
    second = compiler.regex("(a|b)*a(a|b){9}")
    assert second is first, "what is remembered stays until the next compilation"
    third = compiler.regex("c")
    assert compiler.statistics().generation == 1
    assert compiler.statistics().grammars == 1
    again = compiler.regex("(a|b)*a(a|b){9}")
    assert again is not first
    assert again.index is third.index is not first.index
    assert first_mask(again) == expected == first_mask(first)
    gc.disable()
    try:
        del first, second
        assert old() is None, "freed with its last automaton, without waiting for the collector"
    finally:
        gc.enable()


def test_threads_that_ask_for_anything_get_what_they_asked_for(vocabulary: Vocabulary) -> None:
    """Few grammars, rows and states fit; masks are those of automata of their own."""
    patterns = [f"({chr(97 + i)}|[^a]{{1,{i + 1}}})*x{{0,{i}}}" for i in range(12)]
    alone = {pattern: walk(PushdownAutomaton(constrain.regex(pattern), vocabulary), 5) for pattern in patterns}
    compiler = Compiler(vocabulary, memory=3 << 17, grammars=3)

    def work(seed: int) -> int:
        rng = Random(seed)
        for _ in range(40):
            pattern = rng.choice(patterns)
            assert walk(compiler.regex(pattern), 5) == alone[pattern]
        return seed

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(4))) == [0, 1, 2, 3]
    found = compiler.statistics()
    assert found.hits + found.waits + found.misses == 160
    assert found.grammars <= 3
    assert found.evictions > 0
    assert found.generation > 0


def walk(automaton: PushdownAutomaton, steps: int) -> list[list[int]]:
    """Masks along a walk that depends on them alone."""
    rng, state, masks = Random(7), automaton.start(), []
    for _ in range(steps):
        words = allocate(automaton.vocabulary.width)
        automaton.fill_mask(state, words)
        masks.append(words.tolist())
        token = rng.choice(ids_of(words).tolist())
        if token in automaton.vocabulary.eos:
            break
        state = automaton.advance(state, token) or 0
    return masks
