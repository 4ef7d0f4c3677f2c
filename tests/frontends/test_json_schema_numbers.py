"""Number texts under bounds and divisors: against ``fractions``, ``re`` and the documented forms."""

from __future__ import annotations

import itertools
import json
import random
import re
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from json_schema_oracles import ByteEngine

from constrain.errors import GrammarError, LimitExceeded
from constrain.frontends.json_schema.layout import layout_for
from constrain.frontends.json_schema.numbers import any_integer, any_number, exact, number_rx
from constrain.ir.grammar import Grammar, Terminal
from constrain.ir.rx import NOTHING, Graph, Rx

PLAIN = re.compile(r"-?(0|[1-9][0-9]*)(\.([0-9]+))?")
SCIENTIFIC = re.compile(r"-?[1-9](\.([0-9]+))?[eE]([+-]?([0-9]+))")
Asked = dict[str, Any]


def is_member(text: str, asked: Asked) -> bool:
    """The documentation, word by word."""
    plain, scientific = PLAIN.fullmatch(text), SCIENTIFIC.fullmatch(text)
    if not plain and not scientific:
        return False
    digits = asked.get("digits")
    if plain and digits is not None and max(len(plain[1]), len(plain[3] or "")) > digits:
        return False
    if scientific and digits is not None and (len(scientific[2] or "") > digits or len(scientific[4]) > 3):
        return False
    if scientific and not is_good_form(scientific, asked):
        return False
    return has_good_value(text, asked)


def divisors(asked: Asked) -> list[tuple[Fraction, bool]]:
    found = list(asked.get("multiples", ()))
    whole, fractional = asked.get("whole", True), asked.get("fractional", True)
    if whole != fractional and not asked.get("digits_only"):
        found.append((Fraction(1), fractional))
    return found


def is_good_form(text: re.Match[str], asked: Asked) -> bool:
    exponent, decimals = int(text[3]), text[2] or ""
    low, high = asked.get("low"), asked.get("high")
    bound = (high if text[0][0] != "-" else None if low is None else -low) or Fraction(0)
    if not -307 <= exponent <= (308 if 10**308 <= bound <= Fraction(1.7976931348623157e308) else 307):
        return False
    for divisor, negated in divisors(asked):
        if negated and Fraction(10) ** (exponent + 1) > divisor:
            return False
        if not negated and decimals.strip("0"):
            return False
    return True


def has_good_value(text: str, asked: Asked) -> bool:
    value = Fraction(text)
    low, high = asked.get("low"), asked.get("high")
    if low is not None and (value <= low if asked.get("low_open") else value < low):
        return False
    if high is not None and (value >= high if asked.get("high_open") else value > high):
        return False
    if any(((value / divisor).denominator == 1) == negated for divisor, negated in divisors(asked)):
        return False
    if asked.get("digits_only") and not asked.get("whole" if text.strip("-").isdigit() else "fractional", True):
        return False
    return value not in asked.get("excluded", ()) and (asked.get("whole", True) or asked.get("fractional", True))


def matches(rx: Rx, text: str) -> bool:
    if rx == NOTHING:
        return False
    assert isinstance(rx, Graph)
    state: int | None = rx.start
    for symbol in map(ord, text):
        state = next((target for low, high, target in rx.edges[state] if low <= symbol <= high), None)
        if state is None:
            return False
    return state in rx.finals


def some_member(rx: Graph, rng: random.Random) -> str:
    """A random walk, which after a while goes straight to an end."""
    far = distances(rx)
    state, text = rx.start, ""
    while state not in rx.finals or (rx.edges[state] and len(text) < 30 and rng.random() < 0.8):
        edges = rx.edges[state]
        if len(text) >= rng.randint(3, 20):
            edges = tuple(edge for edge in edges if far[edge[2]] < far[state]) or edges
        low, high, state = rng.choice(edges)
        text += chr(rng.randint(low, high))
    return text


def distances(rx: Graph) -> dict[int, int]:
    """Symbols from each state to the nearest end."""
    far = dict.fromkeys(rx.finals, 0)
    while len(far) < len(rx.edges):
        near = {q: [far[t] for _, _, t in row if t in far] for q, row in enumerate(rx.edges) if q not in far}
        far |= {q: 1 + min(some) for q, some in near.items() if some}
    return far


# --- Constraints and texts -----------------------------------------------------------------------------------------

NUMBERS = st.one_of(
    st.integers(-30, 30),
    st.integers(-70000, 70000),
    st.sampled_from([0, 1, 10, 100, 2**31 - 1, -(2**31), 2**63 - 1, 10**16, 1e21, 1e-5, 1e-7, 1e307, 1e308, -1e308]),
    st.sampled_from([0.5, 0.1, 0.25, 1.5, 99.99, -0.001, 12.5, 0.333, 1.7976931348623157e308]),
    st.decimals(-2, 2, places=3, allow_nan=False).map(Fraction),
).map(lambda n: exact(n) if isinstance(n, (int, float)) else n)
DIVISORS = st.sampled_from(
    ["1", "2", "3", "5", "7", "10", "12", "25", "1000", "0.01", "0.5", "2.5", "1e-5", "0.3", "0.75"]
)
MULTIPLES = st.lists(st.tuples(DIVISORS.map(Fraction), st.sampled_from([False, False, True])), max_size=2).map(tuple)


@st.composite
def questions(draw: st.DrawFn) -> Asked:
    """Any of the options beside any other, most often a few."""
    options: dict[str, st.SearchStrategy[Any]] = {
        "low": NUMBERS,
        "high": NUMBERS,
        "low_open": st.booleans(),
        "high_open": st.booleans(),
        "multiples": MULTIPLES,
        "excluded": st.lists(NUMBERS, max_size=3).map(tuple),
        "digits": st.integers(1, 4),
        "digits_only": st.booleans(),
    }
    kinds = draw(st.sampled_from([(True, True), (True, True), (True, False), (False, True)]))
    names = draw(st.lists(st.sampled_from(sorted(options)), max_size=4, unique=True))
    asked = {name: draw(options[name]) for name in names}
    asked |= {"whole": kinds[0], "fractional": kinds[1]}
    if not asked.get("excluded") and not asked.get("multiples") and "low" not in asked and "high" not in asked:
        asked["low" if kinds[0] else "excluded"] = draw(NUMBERS) if kinds[0] else (draw(NUMBERS),)
    return asked


def spellings(value: Fraction, shift: int, zeros: int) -> list[str]:
    """Texts near ``value``: plain, and with the point moved ``shift`` digits and an exponent to make up for it."""
    found = []
    for moved in (0, shift):
        scaled = abs(value) / Fraction(10) ** moved
        places = 0
        while (scaled * 10**places).denominator != 1 and places < 20:
            places += 1
        places += zeros
        digits = str(int(scaled * 10**places)).rjust(places + 1, "0")
        text = (
            ("-" if value < 0 else "")
            + digits[: len(digits) - places]
            + ("." * (places > 0))
            + digits[len(digits) - places :]
        )
        found += (
            [
                f"{text}{e}{sign}{'0' * pad}{abs(moved)}"
                for e, sign, pad in (("e", "-" * (moved < 0), 0), ("E", "+-"[moved < 0], 1))
            ]
            if moved
            else [text]
        )
    return found


def power(value: Fraction) -> int:
    """Of the first digit."""
    return len(str(value.numerator).strip("-")) - len(str(value.denominator)) if value else 0


@st.composite
def texts(draw: st.DrawFn, asked: Asked) -> str:
    """Near what was asked for, perhaps with a letter changed."""
    anchors = [asked[name] for name in ("low", "high") if name in asked]
    anchors += [*asked.get("excluded", ()), *(m for m, _ in asked.get("multiples", ())), Fraction(0)]
    value = draw(st.sampled_from(anchors)) * draw(st.sampled_from([1, 1, 1, -1, 2, 3, 10]))
    value += draw(st.sampled_from([0, 0, 0, 1, -1, 7, "0.5", "0.01", "-0.001", "1e-9", "-1e-9"]).map(Fraction))
    shift = draw(st.sampled_from([power(value), power(value) - 1, 0, 1, -1, 2, -7]))
    text = draw(st.sampled_from(spellings(value, shift, draw(st.integers(0, 2)))))
    if draw(st.booleans()):
        place = draw(st.integers(0, len(text)))
        width = draw(st.integers(0, 1))
        text = text[:place] + draw(st.sampled_from([*"00123456789.eE+-", ""])) + text[place + width :]
    return text


@given(st.data(), questions(), st.integers(0, 2**32))
@settings(max_examples=300)
def test_members_are_the_documented_texts(data: st.DataObject, asked: Asked, seed: int) -> None:
    rng = random.Random(seed)
    rx = number_rx(**asked)
    if isinstance(rx, Graph):
        for _ in range(6):
            member = some_member(rx, rng)
            assert is_member(member, asked), (member, asked)
    for _ in range(10):
        text = data.draw(texts(asked))
        expected = is_member(text, asked)
        event(f"member: {expected}")
        assert matches(rx, text) == expected, (text, asked)


# --- All short texts -----------------------------------------------------------------------------------------------

CASES: dict[str, Asked] = {
    "from 0": {"low": Fraction(0)},
    "above 0": {"low": Fraction(0), "low_open": True},
    "integers from 0": {"low": Fraction(0), "fractional": False},
    "below 0": {"high": Fraction(0), "high_open": True},
    "0 to 1": {"low": Fraction(0), "high": Fraction(1)},
    "-5 to 15": {"low": Fraction(-5), "high": Fraction(15), "fractional": False},
    "just 10": {"low": Fraction(10), "high": Fraction(10)},
    "just 0": {"low": Fraction(0), "high": Fraction(0)},
    "a third to two": {"low": Fraction(1, 3), "high": Fraction(2)},
    "not 0, 1 or -5.1": {"excluded": (Fraction(0), Fraction(1), Fraction("-5.1"))},
    "integers": {"multiples": ((Fraction(1), False),)},
    "no integers": {"whole": False},
    "no integers up to 5": {"whole": False, "high": Fraction(5)},
    "multiples of 0.05": {"multiples": ((Fraction("0.05"), False),)},
    "multiples of 15": {"multiples": ((Fraction(15), False),)},
    "integers that are not multiples of 5": {"multiples": ((Fraction(5), True),), "fractional": False},
    "multiples of 0.5 and 1.5 but not of 5": {
        "multiples": ((Fraction("0.5"), False), (Fraction("1.5"), False), (Fraction(5), True))
    },
    "two digits": {"low": Fraction(-1), "digits": 2},
    "integers of draft-04": {"low": Fraction(-1), "digits_only": True, "fractional": False},
    "no integers of draft-04": {"low": Fraction(-1), "digits_only": True, "whole": False},
    "numbers of draft-04": {"low": Fraction(1), "digits_only": True},
}
SHORT = ["".join(text) for n in range(6) for text in itertools.product("-015.e", repeat=n)]


@pytest.mark.parametrize("asked", CASES.values(), ids=CASES)
def test_all_short_texts(asked: Asked) -> None:
    rx = number_rx(**asked)
    members = [text for text in SHORT if is_member(text, asked)]
    assert members
    assert [text for text in SHORT if matches(rx, text)] == members


@pytest.mark.parametrize("asked", CASES.values(), ids=CASES)
def test_the_engine_reads_them(asked: Asked) -> None:
    engine = ByteEngine(Grammar("s", {"s": Terminal(number_rx(**asked))}))
    rng = random.Random(str(asked))
    rx = number_rx(**asked)
    assert isinstance(rx, Graph)
    for text in [*rng.sample(SHORT, 150), *(some_member(rx, rng) for _ in range(20))]:
        assert engine.text(text) == is_member(text, asked), text


# --- Known answers -------------------------------------------------------------------------------------------------


@given(st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False)))
@settings(max_examples=200)
def test_what_json_writes_is_a_spelling_of_the_value(value: int | float) -> None:
    text = json.dumps(value)
    rx = number_rx(low=exact(value), high=exact(value))
    assert matches(rx, text) == ("e" not in text or int(text.split("e")[1]) >= -307)
    assert not matches(rx, text.replace("e", "1e") if "e" in text else text + "1")


def test_without_constraints_the_texts_are_those_of_json() -> None:
    layout = layout_for("any", 40, 7, True)
    assert number_rx() is any_number(None)
    assert number_rx(fractional=False) is any_integer(None, False)
    assert number_rx(fractional=False, digits=7, digits_only=True) is layout.integer.rx  # type: ignore[attr-defined]
    assert number_rx(digits=7) is layout.number.rx  # type: ignore[attr-defined]


NEVER: list[Asked] = [
    {"whole": False, "fractional": False},
    {"low": Fraction(2), "high": Fraction(1)},
    {"low": Fraction(1), "high": Fraction(1), "low_open": True},
    {"low": Fraction("1.1"), "high": Fraction("1.9"), "fractional": False},
    {"multiples": ((Fraction(6), False), (Fraction(2), True))},
    {"low": Fraction(1), "high": Fraction(6), "multiples": ((Fraction(7), False),)},
    {"low": Fraction(4), "high": Fraction(4), "excluded": (Fraction(4),)},
    {"low": Fraction(100), "digits": 2, "digits_only": True, "fractional": False},
    {"low": Fraction(0), "high": Fraction(0), "whole": False},
]


@pytest.mark.parametrize("asked", NEVER, ids=map(str, range(len(NEVER))))
def test_nothing_is_left(asked: Asked) -> None:
    assert number_rx(**asked) == NOTHING


SIZES: list[tuple[Asked, int]] = [
    (CASES["from 0"], 25),
    (CASES["integers from 0"], 25),
    (CASES["0 to 1"], 40),
    (CASES["just 10"], 15),
    ({"low": Fraction(0), "high": Fraction(100), "fractional": False}, 35),
    ({"low": Fraction(1), "high": Fraction(65535), "fractional": False}, 45),
    ({"low": Fraction(-(2**63)), "high": Fraction(2**63 - 1), "fractional": False}, 150),
    ({"multiples": ((Fraction("0.01"), False),)}, 30),
    ({"multiples": ((Fraction(1000), False),)}, 30),
    ({"multiples": ((Fraction(7), False),)}, 30),
]


@pytest.mark.parametrize("asked,most", SIZES, ids=map(str, range(len(SIZES))))
def test_automata_of_common_schemas_are_small(asked: Asked, most: int) -> None:
    rx = number_rx(**asked)
    assert isinstance(rx, Graph) and len(rx.edges) <= most


@pytest.mark.parametrize(
    "asked,given_size",
    [
        ({"multiples": ((Fraction(99991), False),)}, 99991),
        ({"multiples": ((Fraction(103), True), (Fraction(131), True))}, 12001),
        ({"low": Fraction(2**20000)}, 20001),
    ],
)
def test_too_large(asked: Asked, given_size: int) -> None:
    with pytest.raises(LimitExceeded) as caught:
        number_rx(**asked)
    assert caught.value.given == given_size


@pytest.mark.parametrize("divisor", [Fraction(0), Fraction(-1), Fraction(1, 3)])
def test_multiples_are_of_positive_decimals(divisor: Fraction) -> None:
    with pytest.raises(ValueError, match="multiples are of positive decimals"):
        number_rx(multiples=((divisor, False),))


def test_numbers_are_taken_as_written() -> None:
    assert exact(0.1) == Fraction(1, 10) and exact(1e16) == 10**16 and exact(10**30 + 1) == 10**30 + 1
    for value in (float("inf"), float("nan")):
        with pytest.raises(GrammarError):
            exact(value)
