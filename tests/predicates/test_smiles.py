"""SMILES that RDKit parses: every beginning of real, edited and random molecules."""

from __future__ import annotations

import itertools
import random
import sys
from pathlib import Path

import pytest
from soundness import edited, rejected_beginnings

from constrain.predicates import SmilesParses
from constrain.predicates.smiles import closed

pytest.importorskip("rdkit")
MOLECULE, SYNTAX = SmilesParses(), SmilesParses(sanitize=False)

GOES_ON = [
    "",
    "C",
    "C(",
    "C=",
    "C1",
    "C1CC",
    "C(=O)(",
    "[",
    "[C",
    "[C@@",
    "C%",
    "C%1",
    "C%(1",
    "C.",
    "c1cc",
    "B",
    "[Na+].[Cl",
    "F/C=",
    "N(C)(C)(C)C",
    "C->[Fe",
]
CERTAIN = [
    ")",
    "C)",
    "C()",
    "C(C))",
    "=C",
    "C==C",
    "C11C",
    "C(C)(C)(C)(C)C",
    "O(C)(C)CC",
    "FC(F)F(C",
    "C[Xy]C",
    "H(",
    "C C",
    "é",
    "C(=O)(=O)CC",
]


@pytest.mark.parametrize("text", GOES_ON)
def test_may_go_on(text: str) -> None:
    assert MOLECULE.prefix_ok(text.encode()) and SYNTAX.prefix_ok(text.encode())


@pytest.mark.parametrize("text", CERTAIN)
def test_errors_that_nothing_can_mend(text: str) -> None:
    assert not MOLECULE.prefix_ok(text.encode())


@pytest.mark.parametrize(
    ("text", "shorter"),
    [
        ("C(=", "C"),
        ("C1CC(O", "CCC(O)"),
        ("C=1CC#2C1", "C=1CCC1"),
        ("CC[C@", "CC"),
        ("C%12C%12C%1", "C%12C%12C"),
        ("C(C(", "C(C)"),
        ("", ""),
    ],
)
def test_closed_forms(text: str, shorter: str) -> None:
    assert closed(text) == shorter


def test_whole_texts() -> None:
    assert MOLECULE.complete_ok(b"c1ccccc1") and MOLECULE.complete_ok(b"")
    assert not MOLECULE.complete_ok(b"c1cccc1") and SYNTAX.complete_ok(b"c1cccc1")
    assert not MOLECULE.complete_ok(b"C(C)(C)(C)(C)C") and SYNTAX.complete_ok(b"C(C)(C)(C)(C)C")
    assert not any(MOLECULE.complete_ok(text) for text in (b"CC name", b"CC |c:1|", b"C1CC", b"C\0", b"\xff", b"C\n"))


def test_nothing_is_logged(capfd: pytest.CaptureFixture[str]) -> None:
    assert not MOLECULE.complete_ok(b"C(((") and not MOLECULE.prefix_ok(b"C))")
    assert capfd.readouterr() == ("", "")


def test_without_rdkit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rdkit", None)
    with pytest.raises(ImportError, match=r"constrain-lm\[chem\]"):
        SmilesParses()


def test_beginnings_of_all_short_texts() -> None:
    printable = [chr(code) for code in range(33, 127)]
    texts = ["".join(pair) for n in (1, 2) for pair in itertools.product(printable, repeat=n)]
    assert rejected_beginnings(SYNTAX, (text.encode() for text in texts), random.Random(1)) == []


PIECES = [
    *"CcNnOFSB()()121=#$./:~-*",
    "\\",
    "Cl",
    "Br",
    "[Fe]",
    "[H]",
    "[C@H]",
    "[nH]",
    "[N+]",
    "[O-]",
    "->",
    "<-",
    "%10",
]


@pytest.mark.parametrize("predicate", [MOLECULE, SYNTAX], ids=["molecules", "syntax"])
def test_beginnings_of_random_texts(predicate: SmilesParses) -> None:
    rng = random.Random(2)
    texts = ["".join(rng.choices(PIECES, k=rng.randint(2, 8))).encode() for _ in range(12_000)]
    assert sum(map(predicate.complete_ok, texts)) > 300
    assert rejected_beginnings(predicate, texts, rng) == []


@pytest.mark.parametrize("predicate", [MOLECULE, SYNTAX], ids=["molecules", "syntax"])
def test_beginnings_of_real_and_edited_molecules(predicate: SmilesParses, shared_data: Path) -> None:
    folder, rng = shared_data / "eval/smiles", random.Random(3)
    real = [row.rpartition(",")[2] for row in (folder / "bbbp.csv").read_text(encoding="utf-8").split("\n")[1:] if row]
    real = rng.sample(real, 150) + rng.sample((folder / "pubchem-10k.txt").read_text(encoding="utf-8").split(), 150)
    real += (folder / "GDB17_sample.txt").read_text(encoding="utf-8").split()
    texts = [*real, *(edited(rng.choice(real), PIECES, rng) for _ in range(600))]
    assert sum(predicate.complete_ok(text.encode()) for text in real) > 300
    assert rejected_beginnings(predicate, (text.encode() for text in texts), rng, most=12) == []
