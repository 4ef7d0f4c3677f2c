"""``SmilesParses``: SMILES of which RDKit makes a molecule (extra ``chem``).

``prefix_ok`` closes what is open (rings are left out, branches ended, what awaits an atom dropped) and asks RDKit about
that: a beginning whose closed form is no SMILES cannot become one, and bonds that an atom has it keeps.
"""

from __future__ import annotations

import re
from typing import Any

PRINTABLE = re.compile(rb"[!-~]*")  # what is neither a blank nor a control character nor beyond ASCII
_TOKEN = re.compile(
    r"(?P<bracket>\[[^\]]*\])|(?P<ring>\d|%\d\d|%\(\d+\))|(?P<bond>->|<-|[-=#$:/\\~<>])|(?P<open>\()|(?P<close>\))"
    r"|(?P<dot>\.)|(?P<unfinished>\[[^\]]*\Z|%\(?\d*\Z)|(?P<atom>Cl|Br|.)"
)
_AWAITS_ATOM = ("bond", "open", "dot", "unfinished")
# Atoms for which RDKit knows one valence, and no other form that it would put in the place of more.
VALENCE = {"C": 4, "O": 2, "F": 1}
NONMETALS = frozenset({"C", "N", "O", "F", "P", "S", "Cl", "Br", "I"})
ORDER = {"SINGLE": 1, "DOUBLE": 2, "TRIPLE": 3}


class SmilesParses:
    """ASCII text without blanks of which ``Chem.MolFromSmiles`` makes a molecule.

    ``sanitize=False`` asks for the syntax only; else valences, aromatic rings and the rest must be right too. The empty
    text is a molecule without atoms. Names and extensions, which RDKit takes behind a blank, are refused.

    ``prefix_ok`` never rejects a beginning of what is accepted. It finds what cannot be at that place, rings that
    cannot be closed so, wrong atoms in brackets, and (with ``sanitize``) carbon, oxygen and fluorine with too many
    bonds; open rings, aromaticity and other valences are judged at the end. Cost: RDKit parses the text once, without
    sanitising it.
    """

    def __init__(self, sanitize: bool = True) -> None:
        """Raises ``ImportError`` without RDKit."""
        try:
            from rdkit import Chem, rdBase
        except ImportError as error:
            raise ImportError("SmilesParses needs RDKit: pip install 'constrain-lm[chem]'") from error
        self.sanitize = sanitize
        self._chem, self._quiet = Chem, rdBase.BlockLogs

    def complete_ok(self, text: bytes) -> bool:
        """Does RDKit make a molecule of the text?"""
        return PRINTABLE.fullmatch(text) is not None and self._molecule(text.decode(), self.sanitize) is not None

    def prefix_ok(self, text: bytes) -> bool:
        """May the text still become one of which RDKit makes a molecule?"""
        if not PRINTABLE.fullmatch(text):
            return False
        molecule = self._molecule(closed(text.decode()), False)
        return molecule is not None and not (self.sanitize and _has_too_many_bonds(molecule))

    def _molecule(self, smiles: str, sanitize: bool) -> Any:
        with self._quiet():
            return self._chem.MolFromSmiles(smiles, sanitize=sanitize)


def closed(smiles: str) -> str:
    """The text without what awaits an atom at its end and without rings that are open, with all branches ended."""
    tokens = [(str(found.lastgroup), found[0]) for found in _TOKEN.finditer(smiles)]
    while tokens and tokens[-1][0] in _AWAITS_ATOM:
        tokens.pop()
    left_out = _open_rings(tokens)
    depth = sum((kind == "open") - (kind == "close") for kind, _ in tokens)
    return "".join(text for i, (_, text) in enumerate(tokens) if i not in left_out) + ")" * depth


def _open_rings(tokens: list[tuple[str, str]]) -> set[int]:
    """Where rings begin that are not closed, with the bonds before their numbers."""
    opened: dict[int, int] = {}
    for i, (kind, text) in enumerate(tokens):
        if kind == "ring":
            number = int(text.strip("%()"))
            if opened.pop(number, None) is None:
                opened[number] = i
    bonds = {i - 1 for i in opened.values() if i and tokens[i - 1][0] == "bond"}
    return {*opened.values(), *bonds}


def _has_too_many_bonds(molecule: Any) -> bool:
    """Has an atom, other than the last, which may still become another, more bonds than it can ever have?"""
    return any(_bonds(atom) > VALENCE[atom.GetSymbol()] for atom in list(molecule.GetAtoms())[:-1] if _is_plain(atom))


def _is_plain(atom: Any) -> bool:
    return atom.GetSymbol() in VALENCE and not atom.GetFormalCharge() and not atom.GetIsAromatic()


def _bonds(atom: Any) -> int:
    """Hydrogens written in its brackets, and bonds whose order stays what it is: to metals they may become dative, and
    hydrogen atoms may be put into the brackets."""
    nonmetals = (bond for bond in atom.GetBonds() if bond.GetOtherAtom(atom).GetSymbol() in NONMETALS)
    orders = (ORDER.get(str(bond.GetBondType()), 0) for bond in nonmetals)
    return int(atom.GetNumExplicitHs()) + sum(orders)
