"""Memories of bags: what the register at a BAG instruction stands for, and its row, made when the kernel asks for it.

A memory is a *shape*, and the set of words written so far. A shape says where in a bag we are (its phase), and how far
its counts are met (``ir/bag.py``). Its row lists what may come next: rules to call, each with the shape after it.

    START    before the first element
    AFTER    an element has ended: the bag may end, or a separator comes
    PICK     after a separator: an element comes
    WORD     the opening of an element has been read: its word comes
    READING  the word. The kernel records its bytes in memories whose base is the one of this shape
    CLOSED   the word has ended: the body comes

The row of READING itself is for masks, where words are not followed: it allows any word, and goes on without knowing
which words have been written. Where words can be used up, what may come next depends on them; then they are part of
the shape too (for masks without the one just read, which matters only if it is one of the last: see ``Begun``).
"""

from __future__ import annotations

from typing import NamedTuple

from constrain.automata.course import Words, add_word
from constrain.automata.elements import BagRules, Part
from constrain.ir.bag import State
from constrain.ir.grammar import Encoding
from constrain.ir.words import first_bytes, split_word, words_that_begin
from constrain.kernels.layout import KNOWN, MAY_END, NO_SHAPE, RECORDING, STUCK, SUSPECT, TIGHT, WORDS_MISSING
from constrain.tokens.arena import Arena

START, AFTER, PICK, WORD, READING, CLOSED = range(6)
NOT_BEGUN = State(0, 0, 0, 0, ())  # of START: what the state is, the row finds out
BARRED = 0  # the shape after a word that must not be written: nothing may come

Options = list[tuple[int, int]]  # (rule or -1, shape after it)


class Shape(NamedTuple):
    """Part of a memory. ``state`` is the one after the element in WORD, READING and CLOSED; ``words``: see above."""

    phase: int
    bag: int
    state: State
    words: Words = ()
    element: int = -1


class Begun(NamedTuple):
    """A word of which some bytes are recorded.

    rests     the other symbols of each word that begins so and must not be written, or that is one of the last
    begun     the bytes read of the next symbol
    is_tight  can the words that begin so be used up?
    """

    rests: tuple[str, ...]
    begun: bytes
    encoding: Encoding
    is_tight: bool


class Memories:
    """The memories of one automaton. Not thread-safe: the automaton holds its lock."""

    def __init__(self, arena: Arena) -> None:
        self._bags: list[BagRules] = []
        self._arena = arena
        self._shapes: list[Shape] = []
        self._numbers: dict[Shape, int] = {}
        self._sets: list[Words] = [(), ()]  # the second stands for words that are not known
        self._set_numbers: dict[Words, int] = {(): 0}
        self._barred: dict[int, Words] = {}  # READING shape -> words that must not be written
        self._last: dict[int, Words] = {}  # the same, and words after which other things become impossible
        self._begun: dict[int, Begun] = {}
        self._closed_numbers: dict[tuple[int, Words], int] = {}

    def add(self, bag: BagRules) -> int:
        """The number of the shape before a bag's first element."""
        if not self._bags:
            self._prepare()
        self._bags.append(bag)
        return self._number(Shape(START, len(self._bags) - 1, NOT_BEGUN))

    def _prepare(self) -> None:
        arena = self._arena
        arena.array("U_FIRST")[256 * WORDS_MISSING : 256 * WORDS_MISSING + 256] = 1
        arena["memory"] = 1  # 0: before the first element of the bag at hand
        arena["shape"] = 1
        arena.array("H_FLAGS")[BARRED] = KNOWN

    def make_row(self) -> None:
        """Find the shape, and make the row, of the memory that the kernel has asked for."""
        memory = self._arena["WANTED"]
        shape = int(self._arena.array("M_SHAPE")[memory])
        if shape == NO_SHAPE:
            shape = self._end_word(memory)
        if not self._arena.array("H_FLAGS")[shape] & KNOWN:
            self._store(shape, *self._row(self._shapes[shape - 1]))

    def word(self, memory: int) -> Begun | None:
        """What is recorded, and how it must not go on; ``None`` where words written before are not known."""
        found = self._begun.get(memory)
        if found is None:
            arena = self._arena
            base = int(arena.array("M_BASE")[memory])
            number, seen = int(arena.array("M_SHAPE")[base]), int(arena.array("M_SEEN")[base])
            if seen == WORDS_MISSING:
                return None
            shape = self._shapes[number - 1]
            bag = self._bags[shape.bag]
            encoding = bag.elements[shape.element].encoding
            prefix, begun = split_word(self._recorded(memory), encoding)
            words = words_that_begin(self._last[number] if bag.course.tight else self._sets[seen], prefix)
            if not words:  # nor will there be any when more has been read
                arena.array("M_FLAGS")[memory] &= ~(SUSPECT | TIGHT)
            rests = tuple(word[len(prefix) :] for word in words)
            found = self._begun[memory] = Begun(rests, begun, encoding, shape.element in bag.course.tight)
        return found

    # ---- rows ----------------------------------------------------------------------------------------------

    def _row(self, shape: Shape) -> tuple[Options, bool]:
        """What may come next, and whether the bag may end."""
        phase, bag_number, state, words, i = shape
        bag = self._bags[bag_number]
        if phase == WORD:
            word = bag.elements[i].word
            assert word is not None
            return [(word.rule, self._number(shape._replace(phase=READING)))], False
        if phase in (READING, CLOSED):
            return self._call(bag.elements[i].body, Shape(AFTER, bag_number, state, words)), False
        if phase == START:
            first = bag.course.start
            assert first is not None, "the compiler drops bags that match nothing"
            state = first
        picks = bag.course.options(state, words)
        may_end = phase != PICK and bag.course.control.is_final(state)
        if phase == AFTER:
            return (self._call(bag.separator, shape._replace(phase=PICK)) if picks else []), may_end
        return [option for pick in picks for option in self._begin(shape, *pick)], may_end

    def _begin(self, shape: Shape, i: int, state: State) -> Options:
        """An element of item ``i`` begins."""
        element = self._bags[shape.bag].elements[i]
        if element.word is None:
            return self._call(element.body, Shape(AFTER, shape.bag, state, shape.words))
        options = []
        if element.opening.rule >= 0:
            options.append((element.opening.rule, self._number(Shape(WORD, shape.bag, state, shape.words, i))))
        if element.opening.optional:
            options.append((element.word.rule, self._number(Shape(READING, shape.bag, state, shape.words, i))))
        return options

    def _call(self, part: Part, after: Shape) -> Options:
        """Read ``part``, then go on with ``after``."""
        number = self._number(after)
        options = [(part.rule, number)] if part.rule >= 0 else []
        return [*options, (-1, number)] if part.optional else options

    def _end_word(self, memory: int) -> int:
        """The shape after a word or, where words can be used up, after its beginning."""
        arena = self._arena
        base = int(arena.array("M_BASE")[memory])
        seen, number = self._sets[arena.array("M_SEEN")[base]], int(arena.array("M_SHAPE")[base])
        shape = self._shapes[number - 1]
        bag = self._bags[shape.bag]
        encoding, language = bag.elements[shape.element].encoding, bag.course.tight.get(shape.element)
        barred = self._barred[number] if bag.course.tight else seen
        value, rest = split_word(self._recorded(memory), encoding)
        closed = rest == b'"'
        is_word = closed or (encoding != "json" and not rest and (language is None or language.contains(value)))
        after = BARRED
        if is_word and value not in barred:
            words = add_word(seen, value)
            arena.array("M_SEEN")[memory] = self._set_number(words, int(arena.array("M_SEEN")[base]), value)
            after = self._closed(number, words if bag.course.tight else ())
        elif language and (closed or not language.is_left(value, rest, words_that_begin(barred, value))):
            arena.array("M_FLAGS")[memory] |= STUCK
        arena.array("M_SHAPE")[memory] = after
        return after

    def _recorded(self, memory: int) -> bytes:
        """The bytes of the word so far."""
        parents, values = (self._arena.array(name).data for name in ("M_PARENT", "M_BYTE"))  # quick to read
        data = bytearray()
        while (parent := parents[memory]) >= 0:
            data.append(values[memory])
            memory = parent
        data.reverse()
        return bytes(data)

    # ---- storage -------------------------------------------------------------------------------------------

    def _closed(self, reading: int, words: Words) -> int:
        """The shape after the word of a READING shape."""
        number = self._closed_numbers.get((reading, words))
        if number is None:
            shape = self._shapes[reading - 1]._replace(phase=CLOSED, words=words)
            number = self._closed_numbers[reading, words] = self._number(shape)
        return number

    def _set_number(self, words: Words, former: int, word: str) -> int:
        """The number of a set of words: those of ``former`` and ``word``."""
        number = self._set_numbers.get(words)
        if number is None:
            arena = self._arena
            number = self._set_numbers[words] = len(self._sets)
            self._sets.append(words)
            while 256 * number >= len(arena.array("U_FIRST")):
                arena.grow(arena.layout.n["wordset"])
            firsts = arena.array("U_FIRST")
            firsts[256 * number : 256 * number + 256] = firsts[256 * former : 256 * former + 256]
            for byte in first_bytes(word):
                firsts[256 * number + byte] = 1
        return number

    def _number(self, shape: Shape) -> int:
        number = self._numbers.get(shape)
        if number is None:
            flags = self._reading_flags(shape) if shape.phase == READING else 0
            number = self._numbers[shape] = self._arena.append("shape", H_FROM=[0], H_SIZE=[0], H_FLAGS=[flags])
            self._shapes.append(shape)
        return number

    def _reading_flags(self, shape: Shape) -> int:
        course = self._bags[shape.bag].course
        if not course.tight:
            return RECORDING
        number = len(self._shapes) + 1
        barred = self._barred[number] = course.barred(shape.state, shape.words)
        last = self._last[number] = tuple(sorted({*barred, *course.last_words(shape.words)}))
        flags = RECORDING | SUSPECT if last else RECORDING
        return flags | TIGHT if barred and shape.element in course.tight else flags

    def _store(self, shape: int, options: Options, may_end: bool) -> None:
        arena = self._arena
        first = arena.append("option", O_RULE=[rule for rule, _ in options], O_NEXT=[after for _, after in options])
        arena.array("H_FROM")[shape], arena.array("H_SIZE")[shape] = first, len(options)
        arena.array("H_FLAGS")[shape] |= KNOWN | MAY_END if may_end else KNOWN
