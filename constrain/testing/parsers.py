"""``assert_matches_parser``: hunt for a text about which a grammar and a parser disagree.

Members, their beginnings and near-misses are tried, and edits of texts that the user has. What is found is shrunk
twice: by Hypothesis, and then as text, by leaving out whatever can be left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import Any, NamedTuple

from hypothesis import find, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample
from hypothesis.strategies import SearchStrategy

from constrain.ir.contexts import spelled_out
from constrain.testing.strategies import Source, edits, marks, mutations, prefixes, strings
from constrain.testing.verdicts import Recogniser, Text, Verdict

NEAR = 12  # characters of a text of which all single edits are tried
NEAR_CORPUS = 200  # the same for texts of the user
MAX_CALLS = 2_000  # of the parser, while a text is shrunk as text
SHORT = 100  # characters of a text of which every piece is tried


class Answer(NamedTuple):
    """What a parser says of a text: accepted or not, the error it raised, and whether that is an error of the parser
    (none of those by which it rejects)."""

    accepted: bool
    error: Exception | None = None
    crashed: bool = False

    def __str__(self) -> str:
        if self.error is None:
            return "accepts" if self.accepted else "rejects (returned False)"
        return f"{'crashes' if self.crashed else 'rejects'}: {type(self.error).__name__}: {self.error}"


class Disagreement(AssertionError):
    """Grammar and parser disagree about ``text``: ``verdict`` is the grammar's, ``answer`` the parser's."""

    def __init__(self, text: Text, verdict: Verdict, answer: Answer) -> None:
        grammar = "accepts" if verdict.accepted else "rejects:\n" + _indented(verdict.explain())
        super().__init__(
            f"grammar and parser disagree about {text!r}\n"
            f"  grammar {grammar}\n"
            f"  parser {_indented(str(answer)).lstrip()}"
        )  # fmt: skip
        self.text, self.verdict, self.answer = text, verdict, answer


def assert_matches_parser(
    grammar: Source,
    parse: Callable[[Any], object],
    *,
    subset: bool = False,
    corpus: Iterable[Text] = (),
    max_size: int | None = None,
    max_examples: int = 1_000,
    rejects: type[Exception] | tuple[type[Exception], ...] | None = None,
    seed: int | None = None,
) -> None:
    """``parse`` accepts the texts of the grammar and no others, as far as ``max_examples`` texts of many kinds tell.

    ``parse`` takes a ``str`` (``bytes`` where the grammar is one of bytes) and rejects it by raising or by returning
    ``False``; any other result accepts. With ``rejects`` only these errors reject, whatever is returned, and any other
    error is a crash, which is a disagreement too (so ``json.loads``, which returns ``False`` for "false", is asked with
    ``rejects=ValueError``). ``subset``: the grammar may be narrower than the parser, which is not asked about what
    the grammar rejects. ``corpus``: texts of one's own, tried as they are and edited. Of short texts, and of these, all
    single edits are tried. Each run tries the same texts unless a ``seed`` is given.

    Raises ``Disagreement`` with the shrunk text, and what the front end or Hypothesis raises.
    """
    trial = _Trial(Recogniser(grammar), parse, rejects, subset)
    texts = list(corpus)
    for text in texts:
        if (culprit := trial.culprit(text, NEAR_CORPUS)) is not None:
            trial.fail(culprit)
    options = settings(
        max_examples=max_examples, database=None, deadline=None, derandomize=seed is None
    )  # fmt: skip
    try:
        found = find(
            _texts(grammar, texts, max_size),
            lambda text: trial.culprit(text) is not None,
            settings=options,
            random=None if seed is None else Random(seed),
        )
    except NoSuchExample:
        return
    culprit = trial.culprit(found)
    assert culprit is not None, "the parser answers differently when it is asked again"
    trial.fail(culprit)


def _texts(grammar: Source, corpus: list[Text], max_size: int | None) -> SearchStrategy[Any]:
    near = mutations(grammar, max_size=max_size).map(lambda mutation: mutation.text)
    kinds = [strings(grammar, max_size=max_size), near, prefixes(grammar, max_size=max_size)]
    kinds += [edits(grammar, corpus).map(lambda mutation: mutation.text)] if corpus else []
    return st.one_of(kinds)


class _Trial:
    """A grammar and a parser, asked about texts."""

    def __init__(
        self,
        recogniser: Recogniser,
        parse: Callable[[Any], object],
        rejects: type[Exception] | tuple[type[Exception], ...] | None,
        subset: bool,
    ) -> None:
        self.recogniser, self.parse, self.rejects, self.subset = recogniser, parse, rejects, subset
        self.marks = marks(spelled_out(recogniser.grammar))
        self.known: dict[Text, bool] = {}

    def answer(self, text: Text) -> Answer:
        try:
            result = self.parse(text)
        except Exception as error:
            return Answer(False, error, crashed=self.rejects is not None and not isinstance(error, self.rejects))
        return Answer(self.rejects is not None or result is not False)

    def kind(self, text: Text) -> tuple[bool, bool, bool]:
        """Who says what: texts of one kind are one fault."""
        answer = self.answer(text)
        return self.recogniser.accepts(text), answer.accepted, answer.crashed

    def culprit(self, text: Text, longest: int = NEAR) -> Text | None:
        """The text, or one with a single edit if it is not too long, about which there is disagreement."""
        near = _near(text, self.marks) if len(text) <= longest else ()
        return next((other for other in (text, *near) if self.disagree(other)), None)

    def disagree(self, text: Text) -> bool:
        if text not in self.known:
            self.known[text] = self._disagree(text)
        return self.known[text]

    def _disagree(self, text: Text) -> bool:
        if self.subset and not self.recogniser.accepts(text):
            return False
        accepted, parsed, crashed = self.kind(text)
        return crashed or accepted != parsed

    def fail(self, text: Text) -> None:
        text = self.shrunk(text)
        raise Disagreement(text, self.recogniser.judge(text), self.answer(text))

    def shrunk(self, text: Text) -> Text:
        """The text with whatever left out that does not change who says what."""
        kind, calls = self.kind(text), 0
        pieces = _pieces(len(text))
        while (piece := next(pieces, None)) is not None and calls < MAX_CALLS:
            shorter = text[: piece.start] + text[piece.stop :]  # type: ignore[operator]
            if self.recogniser.accepts(shorter) == kind[0]:  # asked first: the parser may be slow
                calls += 1
                if self.kind(shorter) == kind:
                    text, pieces = shorter, _pieces(len(shorter))
        return text


def _near(text: Text, insertions: list[Text]) -> Iterator[Text]:
    """All texts with one character deleted, doubled, swapped with the next, or one of ``insertions`` inserted."""
    for i in range(len(text) + 1):
        head, here, tail = text[:i], text[i : i + 1], text[i + 1 :]
        yield from (_join(head, mark, here, tail) for mark in insertions)
        if here:
            yield _join(head, tail)
            yield _join(head, here, here, tail)
            yield _join(head, tail[:1], here, tail[1:])


def _join(first: Text, *rest: Text) -> Text:
    return first[:0].join((first, *rest))  # type: ignore[arg-type]


def _pieces(size: int) -> Iterator[range]:
    """The pieces of a text of that size, long ones first; of a long text only some."""
    length = size
    while length:
        step = 1 if size <= SHORT else max(length // 2, 1)
        yield from (range(start, start + length) for start in range(0, size - length + 1, step))
        length = length - 1 if size <= SHORT else length // 2


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
