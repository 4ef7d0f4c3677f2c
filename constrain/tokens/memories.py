"""Memories of bags: what the register at a BAG instruction stands for, and the rows that say what may come next.

A memory is a *shape*, and the set of words written so far. A shape says where in a bag we are (its phase), and how far
its counts are met (``ir/bag.py``). Its row lists what may come next: rules to call, each with the shape after it.

    START    before the first element
    AFTER    an element has ended: the bag may end, or a separator comes
    PICK     after a separator: an element comes
    WORD     the opening of an element has been read: its word comes
    READING  the word. The kernel records its bytes in memories whose base is the one of this shape
    CLOSED   the word has ended: the body comes

A bag that counts nothing, and whose words cannot be used up, has few shapes: they are laid out when one such bag is
first met, for a batch of bags, so that a mask that meets a thousand does not begin anew a thousand times. Other bags
get a row when the kernel asks for it, with the rows that follow from it without counting.

The row of READING itself is for masks, where words are not followed: it allows any word, and goes on without knowing
which words have been written. Where words can be used up, what may come next depends on them once few are left; then
they are part of the shape too (for masks without the one just read, which matters only if it is one of the last: these
are watched as well, though they are not barred). "Few" comes early enough that no single token can lead there.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate, islice
from typing import NamedTuple

import numpy as np

from constrain.automata.course import Words, add_word
from constrain.automata.elements import BagRules, Part
from constrain.automata.program import Program
from constrain.ir.bag import State
from constrain.ir.words import split_word, value_bytes, value_of, words_that_begin
from constrain.kernels.layout import (
    BARRED,
    END_OF_WORD,
    JUDGED,
    KNOWN,
    MAY_END,
    NO_SHAPE,
    NO_WORDS,
    RECORDING,
    STUCK,
    TIGHT,
    WORDS_MISSING,
)
from constrain.kernels.wordset import add_word as add_word_to_set
from constrain.tokens.arena import Arena

MAX_BATCH = 1 << 12  # bags laid out at once
START, AFTER, PICK, WORD, READING, CLOSED = range(6)
NOT_BEGUN = State(0, 0, 0, 0, ())  # of START: what the state is, the row finds out
NO_LIMIT = 1 << 30
WATCH_SEEN = -1  # the words to be watched are those written

Options = list[tuple[int, int]]  # (rule or -1, shape after it)


class Shape(NamedTuple):
    """Part of a memory. ``state`` is the one after the element in WORD, READING and CLOSED; ``words``: see above."""

    phase: int
    bag: int
    state: State
    words: Words = ()
    element: int = -1


class Row(NamedTuple):
    """What the kernel knows of a shape (``kernels/layout.py``)."""

    options: Options
    flags: int = KNOWN
    letter: int = 0
    watch: int = WATCH_SEEN
    closed: int = 0
    limit: int = NO_LIMIT


UNKNOWN_ROW = Row([], 0)


class Memories:
    """The memories of one automaton. Not thread-safe: the automaton holds its lock."""

    def __init__(self, program: Program, arena: Arena, longest: int) -> None:
        """``longest``: bytes of the longest token."""
        self._bags = program.bags  # may become more
        self._arena = arena
        self._longest = longest
        self._batch = 8
        self._shapes: dict[int, Shape] = {}  # of bags that are not plain
        self._numbers: dict[Shape, int] = {}
        self._barred: dict[int, Words] = {}  # READING shape -> words that must not be written, where few are left
        self._stored = 1  # shapes
        self._fresh: list[Row] = []  # of shapes to be stored, in the order of their numbers
        self._changed: dict[int, Row] = {}  # rows, made since, of shapes that were stored without
        arena["wordset"] = WORDS_MISSING + 1
        arena["memory"] = 1  # 0: before the first element of the bag at hand
        arena["shape"] = 1
        arena.array("H_FLAGS")[BARRED] = KNOWN

    def copy(self, program: Program, arena: Arena) -> Memories:
        """The same for copies of the program and the arena."""
        other = object.__new__(Memories)
        other.__dict__.update(self.__dict__)
        other._bags, other._arena = program.bags, arena
        other._shapes, other._numbers, other._barred = self._shapes.copy(), self._numbers.copy(), self._barred.copy()
        other._fresh, other._changed = [], {}
        return other

    def lay_out(self) -> None:
        """Give all bags the shape before their first element."""
        for number in range(len(self._bags)):
            if not self._arena.array("B_SHAPE")[number]:
                self._meet(number)

    def make_row(self) -> None:
        """Answer what the kernel asks of a memory: its bag, whether it is stuck, its shape, its row."""
        wanted = self._arena["WANTED"]
        if wanted < 0:
            return self._meet(-1 - wanted)
        shape = int(self._arena.array("M_SHAPE")[wanted])
        if shape == NO_SHAPE and self._arena.array("M_SEEN")[wanted] < 0:
            return self._judge(wanted)
        if shape == NO_SHAPE:
            shape = self._end_word(wanted)
        if shape < self._stored and not self._arena.array("H_FLAGS")[shape] & KNOWN:
            self._changed[shape] = self._row(self._shapes[shape])
        self._store()
        return None

    # ---- bags ----------------------------------------------------------------------------------------------

    def _meet(self, number: int) -> None:
        """Give a bag that has been met the shape before its first element; others as well, more of them each time."""
        arena = self._arena
        while arena.room("B_SHAPE") < len(self._bags):
            arena.grow(arena.layout.n["bag"])
        starts = arena.view("B_SHAPE")
        others = (i for i in range(len(self._bags)) if not starts[i] and i != number)
        for i in (number, *islice(others, self._batch)):
            bag = self._bags[i]
            starts[i] = self._lay_out(bag) if bag.is_plain else self._number(Shape(START, i, NOT_BEGUN))
        self._batch = min(4 * self._batch, MAX_BATCH)
        self._store()

    def _lay_out(self, bag: BagRules) -> int:
        """All rows of a plain bag; the number of the shape before its first element."""
        start = self._stored + len(self._fresh)
        after, pick, number = start + 1, start + 2, start + 3
        begin: Options = []
        rows: list[Row] = []
        for element in bag.elements:
            body = call(element.body, after)
            if element.word is None:
                begin += body
                continue
            word, reading, closed = range(number, number + 3)
            number += 3
            read = (element.word.rule, reading)
            if element.opening.rule >= 0:
                begin.append((element.opening.rule, word))
            if element.opening.optional:
                begin.append(read)
            letter = ord(element.encoding[0])
            rows += Row([read]), Row(body, KNOWN | RECORDING, letter, closed=closed), Row(body)
        self._fresh.append(Row(begin, KNOWN if bag.bag.low else KNOWN | MAY_END))
        self._fresh.append(Row(call(bag.separator, pick), KNOWN | MAY_END))
        self._fresh += Row(begin), *rows
        return start

    # ---- rows of bags that are not plain -------------------------------------------------------------------

    def _row(self, shape: Shape) -> Row:
        """What may come next, and whether the bag may end."""
        phase, bag_number, state, words, i = shape
        bag = self._bags[bag_number]
        if phase == WORD:
            word = bag.elements[i].word
            assert word is not None
            return Row([(word.rule, self._number(shape._replace(phase=READING)))])
        if phase == READING:
            return self._reading_row(shape)
        if phase == CLOSED:
            return Row(self._body(shape))
        if phase == START:
            first = bag.course.start
            assert first is not None, "the compiler drops bags that match nothing"
            state = first
        picks = bag.course.options(state, words)
        flags = KNOWN | MAY_END if phase != PICK and bag.course.control.is_final(state) else KNOWN
        if phase == AFTER:
            return Row(call(bag.separator, self._number(shape._replace(phase=PICK))) if picks else [], flags)
        return Row([option for pick in picks for option in self._begin(shape, *pick)], flags)

    def _begin(self, shape: Shape, i: int, state: State) -> Options:
        """An element of item ``i`` begins."""
        element = self._bags[shape.bag].elements[i]
        if element.word is None:
            return call(element.body, self._number(Shape(AFTER, shape.bag, state, shape.words)))
        options = []
        if element.opening.rule >= 0:
            options.append((element.opening.rule, self._number(Shape(WORD, shape.bag, state, shape.words, i))))
        if element.opening.optional:
            options.append((element.word.rule, self._number(Shape(READING, shape.bag, state, shape.words, i))))
        return options

    def _body(self, shape: Shape) -> Options:
        """The rest of an element after its word."""
        after = self._number(Shape(AFTER, shape.bag, shape.state, shape.words))
        return call(self._bags[shape.bag].elements[shape.element].body, after)

    def _reading_row(self, shape: Shape) -> Row:
        bag = self._bags[shape.bag]
        course, letter = bag.course, ord(bag.elements[shape.element].encoding[0])
        flags = KNOWN | RECORDING | TIGHT if shape.element in course.tight else KNOWN | RECORDING
        limit = self._limit(shape)
        if limit:
            closed = self._number(shape._replace(phase=CLOSED))
            return Row(self._body(shape), flags, letter, closed=closed, limit=limit)
        barred = self._barred[self._numbers[shape]] = course.barred(shape.state, shape.words)
        watched = {*barred, *course.last_words(shape.words)}
        watch = self.set_of(watched) if len(watched) > len(shape.words) else WATCH_SEEN
        return Row(self._body(shape), flags, letter, watch, limit=0)

    def _limit(self, shape: Shape) -> int:
        """The shape does not depend on words until so many have been written."""
        course = self._bags[shape.bag].course
        if not course.tight:
            return NO_LIMIT
        return 0 if shape.words else max(course.plenty - self._longest, 0)

    # ---- words that can be used up ---------------------------------------------------------------------------

    def _judge(self, memory: int) -> None:
        """Note whether all words that begin as the recorded one does have been used up."""
        base = int(self._arena.array("M_BASE")[memory])
        shape = self._shapes[int(self._arena.array("M_SHAPE")[base])]
        language = self._bags[shape.bag].course.tight[shape.element]
        value, rest = split_word(self._recorded(memory), language.encoding)
        is_left = language.is_left(value, rest, words_that_begin(self._barred_at(base), value))
        self._arena.array("M_FLAGS")[memory] |= JUDGED if is_left else JUDGED | STUCK

    def _end_word(self, memory: int) -> int:
        """The shape after a word, in a bag in which few are left or will be soon."""
        base = int(self._arena.array("M_BASE")[memory])
        shape = self._shapes[int(self._arena.array("M_SHAPE")[base])]
        data = self._recorded(memory)
        encoding = self._bags[shape.bag].elements[shape.element].encoding
        value = split_word(data[:-1] if encoding == "json" else data, encoding)[0]
        after = BARRED
        if value not in self._barred_at(base):
            words = add_word(self._seen(base), value)
            after = self._number(shape._replace(phase=CLOSED, words=words))
        self._arena.array("M_SHAPE")[memory] = after
        return after

    def _seen(self, base: int) -> Words:
        """The words written before a word is recorded."""
        shape = self._shapes[int(self._arena.array("M_SHAPE")[base])]
        if not self._limit(shape):
            return shape.words
        return tuple(sorted(map(value_of, self.words(int(self._arena.array("M_SEEN")[base])))))

    def _barred_at(self, base: int) -> Words:
        """The words that must not be recorded next."""
        barred = self._barred.get(int(self._arena.array("M_SHAPE")[base]))
        return self._seen(base) if barred is None else barred

    def words(self, number: int) -> list[bytes]:
        """A set of words as the kernels have it."""
        columns = (self._arena.array(name).data for name in ("U_BYTE", "U_INSIDE", "U_OTHERS"))
        letters, insides, others = columns
        found, stack = [], [(number, b"")]
        while stack:
            place, begun = stack.pop()
            while place:
                if letters[place] == END_OF_WORD:
                    found.append(begun)
                else:
                    stack.append((insides[place], begun + bytes((letters[place],))))
                place = others[place]
        return found

    def set_of(self, words: Iterable[str]) -> int:
        """The number of a set of words."""
        number = NO_WORDS
        for word in words:
            data = np.frombuffer(value_bytes(word), np.uint8)
            while (after := int(add_word_to_set(self._arena.address, number, data.ctypes.data, len(data)))) < 0:
                self._arena.resolve(after)
            number = after
        return number

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

    def _number(self, shape: Shape) -> int:
        """The number of a shape. A new one gets its row at once, if that needs no counting."""
        number = self._numbers.get(shape)
        if number is None:
            number = self._numbers[shape] = self._stored + len(self._fresh)
            self._shapes[number] = shape
            self._fresh.append(UNKNOWN_ROW)
            if shape.phase not in (START, AFTER):
                self._fresh[number - self._stored] = self._row(shape)
        return number

    def _store(self) -> None:
        """Write the rows that have been made where the kernel finds them."""
        arena, rows = self._arena, [*self._changed.values(), *self._fresh]
        sizes = [len(row.options) for row in rows]
        first = arena.append(
            "option",
            O_RULE=[rule for row in rows for rule, _ in row.options],
            O_NEXT=[after for row in rows for _, after in row.options],
        )
        starts = list(accumulate(sizes, initial=first))
        for i, (shape, row) in enumerate(self._changed.items()):
            arena.array("H_FROM")[shape], arena.array("H_SIZE")[shape] = starts[i], sizes[i]
            arena.array("H_FLAGS")[shape] = row.flags
        fresh = len(self._changed)
        arena.append(
            "shape",
            H_FROM=starts[fresh:-1],
            H_SIZE=sizes[fresh:],
            H_FLAGS=[row.flags for row in self._fresh],
            H_LETTER=[row.letter for row in self._fresh],
            H_WATCH=[row.watch for row in self._fresh],
            H_CLOSED=[row.closed for row in self._fresh],
            H_LIMIT=[row.limit for row in self._fresh],
        )
        self._stored += len(self._fresh)
        self._changed, self._fresh = {}, []


def call(part: Part, after: int) -> Options:
    """Read ``part``, then go on with the shape ``after``."""
    options = [(part.rule, after)] if part.rule >= 0 else []
    return [*options, (-1, after)] if part.optional else options
