"""The shipped grammars, as Lark reads them, beside the programs that know the languages: compilers and parsers."""

from __future__ import annotations

import ast
import csv
import gzip
import json
import re
import shutil
import subprocess
import sys
import warnings
from collections import Counter
from pathlib import Path
from random import Random
from xml.parsers import expat

import lark
import pytest
from shipped_grammars import FOLDER, cases, parser, parses, python_by_lalr

import constrain
from constrain.members import random_member
from constrain.testing import byte_vocabulary

# --- Cases -----------------------------------------------------------------------------------------------------------


def compiles(text: str) -> bool:
    command = ["g++", "-fsyntax-only", "-w", "-std=c++17", "-xc++", "-"]
    return subprocess.run(command, input=text.encode(), capture_output=True, check=False).returncode == 0


def is_python(text: str) -> bool:
    with warnings.catch_warnings(action="ignore"):
        try:
            ast.parse(text)
        except SyntaxError:
            return False
    return True


def is_xml(text: str) -> str:
    """Empty when expat takes the text, or what is wrong."""
    try:
        expat.ParserCreate().Parse(text.encode(), True)
    except expat.ExpatError as error:
        return expat.ErrorString(error.code)
    except LookupError:
        return "unknown encoding"
    return ""


@pytest.mark.skipif(not shutil.which("g++"), reason="needs the compiler g++")
@pytest.mark.parametrize("kind", ["accept", "reject"])
def test_compiler_agrees_with_the_cases(kind: str) -> None:
    """Those without headers, which cost half a second each."""
    texts = [text for text in cases("cpp", kind) if "#include <" not in text]
    assert len(texts) > 20
    assert [text for text in texts if compiles(text) != (kind == "accept")] == []


@pytest.mark.skipif(sys.version_info[:2] < (3, 11), reason="except* came with 3.11")
@pytest.mark.parametrize("kind", ["accept", "reject"])
def test_python_agrees_with_the_cases(kind: str) -> None:
    """But for a last line without its end, which Python adds and Lark wants to see."""
    texts = [text for text in cases("python", kind) if text.endswith("\n")]
    assert [text for text in texts if is_python(text) != (kind == "accept")] == []


@pytest.mark.parametrize("kind", ["accept", "reject"])
def test_expat_agrees_with_the_cases(kind: str) -> None:
    assert [text for text in cases("xml", kind) if (is_xml(text) == "") != (kind == "accept")] == []


def test_tags_match_when_their_names_are_known() -> None:
    """The example of grammars/README.md."""
    text = re.search(r"```lark\n(.*?)```", (FOLDER / "README.md").read_text(encoding="utf-8"), re.S)
    assert text is not None
    for order, expected in {
        "<order><item>a</item> <item>b</item></order>": True,
        "<order></order>": True,
        "<order><item>a</order></item>": False,
        "<order></item>": False,
        "<item></item>": False,
    }.items():
        assert parses(lark.Lark(text[1]), order) == expected
        engine = constrain.compile(constrain.lark(text[1]), byte_vocabulary())
        state = engine.advance_bytes(engine.start(), order.encode())
        assert (state is not None and engine.is_accepting(state)) == expected


# --- Near misses -----------------------------------------------------------------------------------------------------


def mutations(texts: list[str], pieces: list[str], count: int) -> list[str]:
    """Texts in which up to two characters gave way to one of the ``pieces``, or to nothing, in one place or two."""
    rng, found = Random(7), []
    for _ in range(count):
        text = rng.choice(texts)
        for _ in range(rng.choice((1, 1, 2))):
            start = rng.randrange(len(text) + 1)
            text = text[:start] + rng.choice([*pieces, ""]) + text[start + rng.randrange(3) :]
        found.append(text)
    return found


def test_expat_agrees_on_near_misses() -> None:
    """It knows two things that the grammar cannot: tags match, and no attribute comes twice."""
    pieces = ["<", ">", "/", "a", " ", "=", '"', "'", "&", "&amp;", "]]>", "<!--", "-->", "-", "?", "<?x?>", "<a/>"]
    pieces += ["</a>", "<a>", "\n", "<![CDATA[", "&#65;", ' x="1"', "xml", "!", ";", "#", "ö", ":"]
    seen: Counter[str] = Counter()
    for text in mutations(cases("xml", "accept") + cases("xml", "reject"), pieces, 4000):
        accepted, error = parses(parser("xml"), text), is_xml(text)
        if accepted and error:
            seen[error] += 1
            assert error in ("mismatched tag", "duplicate attribute"), text
        elif not accepted and not error:
            assert re.search(r"<\?[^?]*[^\x00-\x7f]", text), text  # names of instructions are ASCII
        seen["both accept"] += accepted and not error
    assert seen["both accept"] > 200


SAID_LATER = re.compile(
    "cannot assign|cannot delete|illegal|only single target|Maybe you meant '==' or|cannot mix bytes|f-string|bytes can"
)


def test_python_agrees_on_near_misses() -> None:
    """Python looks at what is assigned to, into f-strings and for bytes beside text; the grammar does not."""
    pieces = ["(", ")", ":", ",", "=", " ", "\n", "\n  ", "*", "if ", " else ", "not ", "in ", "for ", "x", "1", "pass"]
    pieces += ["lambda ", "[", "]", "{", "}", ".", ":=", "->", "'", '"', "#", "yield ", "await ", "return ", "import "]
    agreed = 0
    for text in mutations([text for text in cases("python", "accept") if text], pieces, 3000):
        if not text.endswith("\n") or text[0] in " \t\f" or re.search(r"\r(?!\n)", text):
            continue
        accepted = parses(python_by_lalr(), text)
        if accepted == is_python(text):
            agreed += accepted
            continue
        assert _is_known(text, accepted), (text, accepted)
    assert agreed > 200


def _is_known(text: str, accepted: bool) -> bool:
    if not accepted:
        return bool(re.search(r"with \(|^\s*match\b|#[^\n]*$", text, re.M))
    try:
        with warnings.catch_warnings(action="ignore"):
            ast.parse(text)
    except SyntaxError as error:
        return bool(SAID_LATER.search(str(error)))
    return False


# --- Random members --------------------------------------------------------------------------------------------------


def test_rdkit_reads_random_molecules_without_rings() -> None:
    """Ring-bond digits must come in pairs, which the grammar does not say; and RDKit reads no dot after a bracket."""
    chem = pytest.importorskip("rdkit.Chem")
    pytest.importorskip("rdkit.RDLogger").DisableLog("rdApp.*")
    grammar, rng, read = constrain.lark(FOLDER / "smiles.lark"), Random(3), 0
    for _ in range(400):
        text = random_member(grammar, rng, size=rng.choice((10, 30, 60))).decode()
        assert parses(parser("smiles"), text)
        ringless = re.sub(r"(\[[^\]]*\])|[-=#$:/\\]?(?:%\d\d|\d)", lambda m: m[1] or "", text).replace("(.", "(")
        assert chem.MolFromSmiles(ringless, sanitize=False) is not None, ringless
        read += 1
    assert read == 400


# --- Texts of others -------------------------------------------------------------------------------------------------


def programs(shared_data: Path, language: str, *parts: str) -> list[str]:
    path = shared_data / f"eval/humaneval-x/humaneval_{language}.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return ["".join(row[part] for part in parts) for row in map(json.loads, lines)]


def test_solutions_in_cpp(shared_data: Path) -> None:
    """A few: Lark takes its time. One of all 164 is refused, which has more opening braces than closing ones."""
    texts = programs(shared_data, "cpp", "declaration", "canonical_solution", "test")[::24]
    assert [text for text in texts if not parses(parser("cpp"), text)] == []


def test_solutions_in_python(shared_data: Path) -> None:
    texts = programs(shared_data, "python", "prompt", "canonical_solution")
    assert [text for text in texts if not parses(python_by_lalr(), text)] == []


def test_standard_library() -> None:
    folder = Path(ast.__file__).parent
    texts = [path.read_text(encoding="utf-8") for path in sorted(folder.glob("[a-f]*.py"))[:25]]
    assert [text[:200] for text in texts if is_python(text) and not parses(python_by_lalr(), text)] == []


@pytest.mark.parametrize("file", ["pubchem-10k.txt", "GDB17_sample.txt", "bbbp.csv"])
def test_molecules(shared_data: Path, file: str) -> None:
    with (shared_data / "eval/smiles" / file).open(encoding="utf-8") as lines:
        texts = [row["smiles"].strip() for row in csv.DictReader(lines)] if file == "bbbp.csv" else lines.read().split()
    assert [text for text in texts[:1000] if not parses(parser("smiles"), text)] == []
