"""ECMA-262 patterns: hand-written cases, Python's ``re`` where both dialects agree, and real schemas."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import warnings
import zipfile
from collections import Counter
from functools import cache
from itertools import product
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from pattern_oracles import SHORT, matches, patterns

from constrain.errors import GrammarError, LimitExceeded, UnsupportedPattern
from constrain.frontends.regex import regex_to_rx
from constrain.ir import rx

ECMA = [
    ("^a$", ["a"], ["a\n", "ba", ""]),
    ("a|^b$", ["xay", "b"], ["xb"]),
    ("^$", [""], ["a", "\n"]),
    ("", ["", "a\n"], []),
    (r"^\/x$", ["/x"], []),
    (r"^[\w-.]$", ["-", ".", "a"], ["+", "é"]),
    (r"^[a-\d]$", ["a", "-", "5"], ["b"]),
    (r"^[^]$", ["\n", "a", "\U0001f600"], ["", "ab"]),
    ("^[]$", [], ["", "a", "]"]),
    (r"^\d$", ["5"], ["٣", "५"]),
    (r"^\w$", ["_"], ["é"]),
    (r"^\s$", ["\ufeff", "\u2028", " ", "\v"], ["\x85", "\x1c", "a"]),
    (r"^\S$", ["\x85", "a"], ["\ufeff"]),
    ("^.$", ["\x85", "a", "\U0001f600"], ["\n", "\r", "\u2028", "\u2029", ""]),
    (r"^\cJ$", ["\n"], ["J"]),
    (r"^[\cJ\b]$", ["\n", "\b"], ["b"]),
    (r"^\u{1F600}$", ["\U0001f600"], []),
    (r"^\uD83D\uDE00$", ["\U0001f600"], []),
    (r"^[\uD83D\uDE00]$", ["\U0001f600"], []),
    (r"^\u0041\x42$", ["AB"], []),
    ("^{a}$", ["{a}"], ["a"]),
    ("^a]}$", ["a]}"], []),
    ("^x{$", ["x{"], []),
    ("^a{b,2}$", ["a{b,2}"], []),
    ("^(?<name>a)(?:b)$", ["ab"], []),
    (r"^\0$", ["\0"], []),
    (r"^\_\@\"\-\ $", ['_@"- '], []),
    ("^a{2,3}?$", ["aa", "aaa"], ["a"]),
    (r"^\p{Lu}\P{L}$", ["A1"], ["a1", "AB"]),
    (r"^[\p{L}\d]+$", ["é5"], ["-"]),
    (r"^[^\p{L}]$", ["5"], ["é"]),
    ("^[[]$", ["["], []),
    ("^[a-]$", ["a", "-"], []),
    ("^[-a]$", ["a", "-"], []),
    (r"^[\]-a]$", ["]", "^", "a"], ["b"]),
    ("^(a|)$", ["", "a"], []),
    (r"^[\D]$", ["٣", "a"], ["3"]),
    ("^[--0]$", ["-", ".", "0"], [","]),
    (r"\n$", ["a\n"], ["\na"]),
    ("^(a$|b)c?$", ["a", "bc", "b"], ["ac"]),
    (r"^[&&~~||]$", ["&", "|"], []),
    ("^[{}]{1}$", ["{"], []),
    ("^[(?=]$", ["?"], []),
    (r"^(a)b\1$", ["aba"], ["abb", "ab"]),
    (r"^(?<n>ab)-\k<n>$", ["ab-ab"], ["ab-a"]),
    (r"^(?:(a)b\1)+$", ["aba", "abaaba"], ["ab"]),
    (r"^(x)(y)\2\1$", ["xyyx"], ["xyxy"]),
    # look-around
    (r"^(?!.*x)(?=.*[A-Z]).{3,}$", ["abC", "ABCD"], ["abc", "Abx", "AB"]),
    (r"^(?!tag$|category$)", ["", "tags", "x"], ["tag", "category"]),
    (r"^((?!mode).)*$", ["", "mod", "mo\u0301de"], ["mode", "a mode b", "\n"]),
    ("(?=ab)a", ["xab"], ["a", "xa"]),
    ("a(?!b)", ["a", "aba", "ac"], ["ab", ""]),
    ("^[a-z]+(?<!foo)$", ["fo", "xfoob"], ["foo", "xfoo", ""]),
    ("(?<=^|,)b", ["b", "a,b"], ["ab", ", b"]),
    ("(?<=a+)b$", ["aab"], ["b", "cb"]),
    ("^(?:a(?=b)|b(?=a|$))*$", ["", "abab", "bab"], ["aab", "a", "bb"]),
    ("^(?=(?!b)..$)[ab]*$", ["ab", "aa"], ["ba", "a", "aab"]),
    ("^(?=a)*b$", ["b"], ["ab"]),
    (r"\bword\b", ["word", "a word.", "é-word"], ["words", "sword", "_word"]),
    (r"^\B.$", ["-", "é"], ["a"]),
    (r"^a\Bb\B.$", ["abc"], ["ab-", "ab\n"]),
    (r"(?<!\bno )way", ["way", "ono way"], ["no way"]),
]


@pytest.mark.parametrize(("pattern", "good", "bad"), ECMA)
def test_ecma_patterns(pattern: str, good: list[str], bad: list[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        language = regex_to_rx(pattern, dialect="ecma", search=True)
    assert [text for text in good + bad if matches(language, text)] == good


ECMA_REFUSED = [
    ("(?i)a", "no group"),
    ("(?P<n>a)", "no group"),
    (r"\Aa", "no escape"),
    (r"a\Z", "no escape"),
    (r"\a", "no escape"),
    (r"(a+)\1", "back-reference"),
    (r"(?<n>[ab])\k<n>", "back-reference"),
    (r"(a)?\1", "back-reference"),
    (r"(?:(a)|b)\1", "back-reference"),
    (r"(a)|\1", "back-reference"),
    (r"(?:(a)b)*\1", "back-reference"),
    (r"(?!(a)b)\1", "back-reference"),
    (r"\1(a)", "back-reference"),
    (r"(a\1)", "back-reference"),
    (r"(a)(?<=\1)", "back-reference"),
    (r"(?<n>a)\k<m>", "back-reference"),
    ("(?<n>a)(?<n>b)", "two groups"),
    (r"\01", "no escape"),
    ("a{,5}", "no quantifier"),
    ("a{2, 5}", "no quantifier"),
    ("(?<=a)*", "nothing to repeat"),
    (r"\b+", "nothing to repeat"),
    ("(?=a", "unterminated"),
    (r"\p{Script=Greek}", "not supported"),
    (r"\p{Nope}", "not supported"),
    (r"\pL", "not supported"),
    ("(a", "unterminated"),
    ("a)", "unbalanced"),
    ("[a", "unterminated"),
    ("*a", "nothing to repeat"),
    ("a**", "nothing to repeat"),
    ("^*", "nothing to repeat"),
    ("[b-a]", "out of order"),
    ("a{2,1}", "out of order"),
    ("\\", "backslash"),
    ("[\\", "backslash"),
    (r"\u{110000}", "past the last"),
    (r"[\1]", "no escape"),
    ("{2}", "nothing to repeat"),
    ("a++", "nothing to repeat"),
    (r"\x4", "no escape"),
    (r"\c1", "no escape"),
]


@pytest.mark.parametrize(("pattern", "message"), ECMA_REFUSED)
def test_ecma_refusals(pattern: str, message: str) -> None:
    with pytest.raises(GrammarError, match=message) as caught:
        regex_to_rx(pattern, dialect="ecma", search=True)
    assert caught.value.column is not None
    assert isinstance(caught.value, UnsupportedPattern) == (
        "not supported" in str(caught.value) or "back-ref" in message
    )


@given(patterns(["a", "b", r"\n", "[ab]", "b?", "^", "(?:$)"]))
def test_ecma_agrees_with_python_where_the_dialects_agree(pattern: str) -> None:
    language = regex_to_rx(pattern.replace("{,2}", "{0,2}"), dialect="ecma", search=True)
    oracle = re.compile(pattern.replace("$", r"\Z"))
    for text in SHORT:
        assert matches(language, text) == bool(oracle.search(text)), (pattern, text)


LOOKS = ["(?=a)", "(?!ab)", "(?=.b)", "(?!$)", "(?<=a)", "(?<!b)", "(?<=^a)", "(?=(?!a).)", "(?<!(?=b))"]


@given(patterns([*LOOKS, r"\b", r"\B", "^", "$", "a", "b", ".", "[ab]?", " "]))
def test_look_around_agrees_with_python(pattern: str) -> None:
    """Python's look-behinds have one width; within that the dialects agree about what is matched at all."""
    pattern = pattern.replace("{,2}", "{0,2}")
    try:
        oracle = re.compile(pattern.replace("$", r"\Z").replace(".", r"[^\n]"), re.ASCII)
        language = regex_to_rx(pattern, dialect="ecma", search=True)
    except (re.error, GrammarError) as error:
        assert "repeat" in str(error), pattern
        return
    for text in (*SHORT[::3], " a", "a b", "ab a", "b  a", "ba b"):
        if text:  # Python's \\B did not match in the empty text until 3.14
            assert matches(language, text) == bool(oracle.search(text)), (pattern, text)


def test_leading_look_aheads_are_intersections() -> None:
    language = regex_to_rx(r"^(?=.*[A-Z])(?!.*x)^(?=.{2,9}$)\w+$", dialect="ecma", search=True)
    assert isinstance(language, rx.And) and len(language.parts) == 4
    assert sum(isinstance(part, rx.Not) for part in language.parts) == 1


def test_large_automata_are_refused() -> None:
    with pytest.raises(LimitExceeded, match="look-around"):
        regex_to_rx("(?:(?=.*a.{14}$)|b)c", dialect="ecma", search=True)


NODE = shutil.which("node")
NODE_PROGRAM = """
const patterns = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const compiled = ([pattern, texts]) => {
  try { var machine = new RegExp(pattern, 'u'); } catch { machine = new RegExp(pattern); }
  return texts.map(text => machine.test(text));
};
console.log(JSON.stringify(patterns.map(compiled)));
"""


def ask_node(questions: list[tuple[str, list[str]]]) -> list[list[bool]]:
    """What a JavaScript engine says: with the ``u`` flag, without it where it refuses the pattern."""
    assert NODE
    run = subprocess.run(
        [NODE, "-e", NODE_PROGRAM], input=json.dumps(questions), capture_output=True, text=True, check=True
    )
    return json.loads(run.stdout)  # type: ignore[no-any-return]


@pytest.mark.skipif(NODE is None, reason="needs node, a JavaScript engine")
def test_look_around_agrees_with_javascript() -> None:
    rng = Random(11)
    atoms = ["a", "b", ".", "[ab]", " ", r"\w", r"\b", r"\B", "^", "$", r"\W", "[^a]"]

    def pattern(depth: int) -> str:
        kind = rng.randrange(7) if depth else 0
        if kind < 2:
            return rng.choice(atoms)
        if kind == 2:
            return pattern(depth - 1) + pattern(depth - 1)
        if kind == 3:
            return f"(?:{pattern(depth - 1)}|{pattern(depth - 1)})"
        if kind == 4:
            return f"(?:{pattern(depth - 1)}){rng.choice(['*', '+', '?', '{2}', '{0,2}', '{2,}'])}"
        return f"(?{rng.choice(['=', '!', '<=', '<!'])}{pattern(depth - 1)})"

    texts = ["".join(letters) for n in range(5) for letters in product("ab ", repeat=n)]
    questions = [(pattern(rng.randrange(2, 6)), texts) for _ in range(300)]
    for (text, _), answers in zip(questions, ask_node(questions), strict=True):
        language = regex_to_rx(text, dialect="ecma", search=True)
        assert [matches(language, t) for t in texts] == answers, text


def test_ecma_takes_no_flags() -> None:
    with pytest.raises(ValueError, match="flags"):
        regex_to_rx("a", re.I, dialect="ecma")


# --- real schemas ------------------------------------------------------------------------------------------------


@cache
def patterns_and_strings(folder: Path) -> tuple[Counter[str], set[str]]:
    """All patterns of the MaskBench schemas with how often they occur, and the strings of the instances."""
    found: Counter[str] = Counter()
    strings: set[str] = set()

    def walk(value: object, is_schema: bool) -> None:
        if isinstance(value, dict):
            if is_schema and isinstance(value.get("pattern"), str):
                found[value["pattern"]] += 1
            if is_schema and isinstance(value.get("patternProperties"), dict):
                found.update(value["patternProperties"].keys())
            for item in value.values():
                walk(item, is_schema)
        elif isinstance(value, list):
            for item in value:
                walk(item, is_schema)
        elif isinstance(value, str) and not is_schema and len(value) <= 40:
            strings.add(value)

    with zipfile.ZipFile(folder / "maskbench/dev.zip") as archive:
        for name in sorted(archive.namelist()):
            if name.endswith(".json"):
                case = json.loads(archive.read(name))
                walk(case["schema"], True)
                for test in case["tests"]:
                    walk(test["data"], False)
    return found, strings


def test_patterns_of_real_schemas(shared_data: Path) -> None:
    found, _ = patterns_and_strings(shared_data)
    outcome: Counter[str] = Counter()
    for pattern in found:
        try:
            regex_to_rx(pattern, dialect="ecma", search=True)
            outcome["translated"] += 1
        except GrammarError as error:
            outcome[error.message] += 1
    assert outcome["translated"] >= len(found) - 1, outcome  # <a>...</\\1> is not regular
    assert set(outcome) <= {"translated", "back-reference is not supported"}, outcome


@pytest.mark.skipif(NODE is None, reason="needs node, a JavaScript engine")
def test_real_patterns_in_javascript(shared_data: Path) -> None:
    """All with look-around, some of the others; on real strings, and on strings like what they match."""
    found, strings = patterns_and_strings(shared_data)
    some = sorted(strings)[::2500]
    questions = []
    for number, pattern in enumerate(sorted(found)):
        if (number % 12 == 0 or "(?" in pattern or r"\b" in pattern.lower()) and r"\1" not in pattern:
            plain = re.sub(r"\\(.)|[\^$()?*+]", r"\1", pattern)[:30]
            questions.append((pattern, [*some, plain, plain[1:], plain[:-1], ""]))
    for (pattern, texts), answers in zip(questions, ask_node(questions), strict=True):
        language = regex_to_rx(pattern, dialect="ecma", search=True)
        assert [matches(language, text) for text in texts] == answers, pattern


def test_real_patterns_on_real_strings(shared_data: Path) -> None:
    """Python's ``re.search`` (ASCII) is the oracle where both dialects read the pattern in the same way."""
    found, strings = patterns_and_strings(shared_data)
    texts = sorted(text for text in strings if text.isascii() and "\n" not in text)[::300]
    for pattern in sorted(found)[::20]:
        if re.search(r"\[\]|\[\^\]|\\[pPcuZAaxs]|\(\?|\\[0-9]", pattern) or not pattern.isascii():
            continue
        oracle = re.compile(pattern, re.ASCII)
        language = regex_to_rx(pattern, dialect="ecma", search=True)
        for text in texts:
            assert matches(language, text) == bool(oracle.search(text)), (pattern, text)
