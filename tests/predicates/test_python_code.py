"""Python that compiles: verdicts by hand, and every beginning of real and of edited programs."""

from __future__ import annotations

import ast
import codeop
import gzip
import json
import random
import statistics
import sys
import textwrap
import warnings
from pathlib import Path

import pytest
from soundness import edited, rejected_beginnings

from constrain.predicates import PythonCompiles
from constrain.predicates.python_code import ALLOW_INCOMPLETE, lexis

MODULE, EXPRESSION = PythonCompiles(), PythonCompiles("eval")
MODULES = (ast, codeop, json, statistics, textwrap, warnings)

GOES_ON = [
    *(
        "",
        "i",
        "x = i",
        "x = 1 lambd",
        "x = 1_",
        "x = 0x",
        "x = 1e",
        "x = 1e-",
        "x = .",
        "x = a if b els",
        "x =",
        "x = \\",
    ),
    *(
        "x = \\\n",
        "x = (1,\n  2",
        "x = (1,\ny",
        "x = '",
        "x = ''",
        "x = '''a\nb",
        "x = f'{a}",
        "x = rb'",
        "x = 'a\\\n",
        "# a b",
    ),
    *(
        "if x:",
        "if x:\n",
        "if x:\n  ",
        "if x:\n  # a\n",
        "if x:\n  y\nel",
        "if x:\n  y\nelse",
        "try:\n a\n",
        "try:\n a\nexc",
    ),
    *(
        "@d\n",
        "@d\nde",
        "class A:\n  @d\n",
        "class A:\n  @d\n  # a\n\n",
        "def f(:",
        "def f(a, /",
        "x = [1 for",
        "x = *",
        "x !",
    ),
    *(
        "match x:\n case 1:\n  y\n ",
        "match x:\n case",
        "asyn",
        "async def f():\n await",
        "print",
        "lambda: (yield",
        "x: int",
    ),
    *(
        "def f():\n def g():\n  nonlocal x\n",
        "if x:\n\ty\n\t",
        "x = 1; ",
        "a\r\n",
        "if x:\r  y\r",
        "\f",
        "  ",
        "\n\n",
        "é = 'é",
    ),
    *(
        "with (a as b,",
        "def f():\n  '''doc\nif else\n",
        "x = {'a': f(1)[2",
        "x = '' ",
        'x = "" ',
        "from __future__ import annotations\n",
    ),
]
CERTAIN = [
    *(
        "x )",
        "x = [1)",
        "def f()\n",
        "def f(a a ",
        "if x:\ny ",
        "if x:\n  y\n z ",
        "  x ",
        "x = 'a\n",
        "a b ",
        "x = 1 2 ",
        "print 'a' ",
    ),
    *(
        "x = (1 2,",
        "@d\nx ",
        "class A:\n  @d\nx ",
        "try:\n a\nfoo ",
        "else: ",
        "1 = x\n",
        "return 1\nx = 2 ",
        "break\nx ",
        "import \n",
    ),
    *(
        "def f(a, a): pass\nx ",
        "nonlocal x\ny ",
        "f(a=1, a=2)\nx ",
        "x = 0x )",
        "x = 1_ ",
        "€ ",
        "x = $ ",
        "for x y ",
        "lambda x y ",
        "del f()\n",
    ),
    *(
        "while True print ",
        "def f():\n\tx\n        y ",
        "from x import *, y ",
        "x = '\\N{no such name}' ,",
        "b'é' ,",
        "async x ",
    ),
]


@pytest.mark.parametrize("text", GOES_ON)
def test_may_go_on(text: str) -> None:
    assert MODULE.prefix_ok(text.encode())


@pytest.mark.parametrize("text", CERTAIN)
def test_errors_that_nothing_can_mend(text: str) -> None:
    assert not MODULE.prefix_ok(text.encode())
    for more in ("", "\n", " pass", ":\n pass\n", "\n  x", ")", "'", "()", " = 1\n", " in x: pass"):
        assert not MODULE.complete_ok((text + more).encode())


@pytest.mark.parametrize("text", ["1 = 2 ", "x y ", "(1 2 ", "x ; ", "x\ny ", " x ", "def f "])
def test_expressions_that_cannot_go_on(text: str) -> None:
    assert not EXPRESSION.prefix_ok(text.encode()) and not EXPRESSION.complete_ok(text.encode())


@pytest.mark.parametrize("text", ["", "(", "x if y ", "lambda x", "[x\nfor", "x\n", "{**a, 'b'", "not", "f'{x}' "])
def test_expressions_that_may_go_on(text: str) -> None:
    assert EXPRESSION.prefix_ok(text.encode())


def test_whole_texts() -> None:
    assert MODULE.complete_ok(b"") and MODULE.complete_ok(b"x = 1") and MODULE.complete_ok("é = 1\r\n".encode())
    assert EXPRESSION.complete_ok(b"x + 1") and not EXPRESSION.complete_ok(b"x = 1") and not EXPRESSION.complete_ok(b"")
    assert not MODULE.complete_ok(b"return 1") and not MODULE.complete_ok(b"if x:")
    with pytest.raises(ValueError, match="not 'single'"):
        PythonCompiles("single")  # type: ignore[arg-type]


def test_bytes_that_are_no_text() -> None:
    assert not MODULE.prefix_ok(b"x = '\xff") and not MODULE.complete_ok(b"x = '\xff'")
    assert MODULE.prefix_ok(b"x = '\xe2\x82") and not MODULE.complete_ok(b"x = '\xe2\x82")
    assert not MODULE.prefix_ok(b"x = '\0") and not MODULE.complete_ok(b"x = '\0'")


@pytest.mark.parametrize(
    "text", ["(" * 5000, "-" * 200_000 + "1", "x" + ".a" * 100_000, "[" * 150 + "]" * 150, "if x:\n" * 3]
)
def test_depth_is_no_crash(text: str) -> None:
    accepted = MODULE.complete_ok(text.encode())
    assert MODULE.prefix_ok(text.encode()) or not accepted


def test_warnings_are_neither_shown_nor_errors() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert MODULE.complete_ok(b"x = '\\d'\nassert (1, 2)\nx is 1") and MODULE.prefix_ok(
            b"x = '\\d'\nassert (1, 2)\nx is 1 "
        )


def test_the_flag_is_the_one_of_codeop() -> None:
    assert codeop.PyCF_ALLOW_INCOMPLETE_INPUT == ALLOW_INCOMPLETE


@pytest.mark.parametrize(
    ("text", "settled", "settled_from_312"),
    [
        ('x = f"{a}" + f"{b!r:>{w}}" +', 'x = f"{a}" + f"{b!r:>{w}}" ', 'x = f"{a}" + '),
        ('x = f"{d["a"]}" + ', 'x = f"{d["a"]}" + ', "x = "),
        ('x = f"{{}} {a}" , rf"\\d" ', 'x = f"{{}} {a}" , rf"\\d" ', 'x = f"{{}} {a}" , rf"\\d" '),
        ("x = f'''{a\n}''' b'' ", "x = f'''{a\n}''' b'' ", "x = f'''{a\n}''' b'' "),
        ("x = if'a", "x = ", "x = "),
        ("x = (ab'a' c", "x = (ab'a' ", "x = (ab'a' "),
    ],
)
def test_strings_in_strings(text: str, settled: str, settled_from_312: str) -> None:
    """From Python 3.12 on f-strings are read only where no string can stand within them."""
    assert lexis(False).settled(text) == settled
    assert lexis(True).settled(text) == settled_from_312


# --- Real programs ----------------------------------------------------------------------------------------------


def functions() -> list[bytes]:
    """Functions and classes of the standard library, each a program, and the modules themselves."""
    found = []
    for module in MODULES:
        source = Path(str(module.__file__)).read_text(encoding="utf-8")
        nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
        found += [textwrap.dedent(ast.get_source_segment(source, node, padded=True) or "").encode() for node in nodes]
    return found


def test_beginnings_of_the_standard_library() -> None:
    programs = functions()
    rng = random.Random(1)
    assert sum(map(MODULE.complete_ok, programs)) > 200
    assert rejected_beginnings(MODULE, rng.sample(programs, 120), rng, most=12) == []


def test_beginnings_of_edited_programs() -> None:
    """Short functions with a few edits, of which one in three still compiles."""
    rng = random.Random(2)
    pieces = [
        "(",
        ")",
        ":",
        "\n",
        "    ",
        "\t",
        "'",
        '"',
        "if ",
        "else",
        ",",
        "=",
        "\\\n",
        "#",
        "@",
        "lambda",
        "1",
        "f'{x}'",
        "\r",
        ";",
    ]
    sources = [text.decode() for text in functions() if len(text) < 500]
    programs = [edited(rng.choice(sources), pieces, rng).encode() for _ in range(500)]
    assert sum(map(MODULE.complete_ok, programs)) > 100
    assert rejected_beginnings(MODULE, programs, rng, most=10) == []


def test_beginnings_of_token_soup() -> None:
    """Short texts of tokens in any order: rarely programs, but of every shape."""
    rng = random.Random(3)
    pieces = [
        "x",
        "1",
        "=",
        "(",
        ")",
        "[",
        "]",
        ":",
        "\n",
        "\n ",
        "\n  ",
        "if ",
        "else",
        "for ",
        " in ",
        "'",
        "''",
        '"""',
        "\\\n",
        "#",
        ",",
        "@",
        "*",
    ]
    programs = ["".join(rng.choices(pieces, k=rng.randint(1, 7))).encode() for _ in range(6000)]
    assert sum(map(MODULE.complete_ok, programs)) > 250
    assert rejected_beginnings(MODULE, programs, rng) == []


def test_errors_are_found_early(shared_data: Path) -> None:
    """HumanEval's solutions: no beginning is rejected; a stray bracket is, within a few characters at the median."""
    with gzip.open(shared_data / "eval/humaneval-x/humaneval_python.jsonl.gz", "rt", encoding="utf-8") as lines:
        programs = [case["prompt"] + case["canonical_solution"] for case in map(json.loads, lines)]
    rng = random.Random(4)
    assert rejected_beginnings(MODULE, [text.encode() for text in programs], rng, most=6) == []
    late = []
    for program in programs[:40]:
        at = rng.randrange(program.rindex('"""') if '"""' in program else 0, len(program))
        broken = program[:at] + " ) ] " + program[at:]
        if not MODULE.complete_ok(broken.encode()):
            lengths = range(at, len(broken) + 1)
            late.append(next((n - at for n in lengths if not MODULE.prefix_ok(broken[:n].encode())), len(broken) - at))
    assert len(late) > 20 and statistics.median(late) <= 5
    assert sys.version_info >= (3, 12) or sum(delay <= 20 for delay in late) > 0.8 * len(late)
