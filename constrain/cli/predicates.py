"""``--predicate``: a program that must accept the texts, by its name on the command line."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from constrain.cli import UsageError
from constrain.cli.names import look_up

PREDICATE_HELP = (
    "a program that must accept the texts too: python (compiles), python-expression, smiles (RDKit parses it), "
    "sql:FILE.db (SQLite can prepare it on that database), or PKG.MOD:NAME (a predicate, or a function of bytes)"
)


def read_predicate(name: str | None) -> Any:
    """The predicate that ``--predicate`` names; ``None`` for none. Raises ``UsageError``, and what files raise."""
    if name is None:
        return None
    kind, _, source = name.partition(":")
    shipped = import_module("constrain.predicates")
    if name == "python":
        return shipped.PythonCompiles()
    if name == "python-expression":
        return shipped.PythonCompiles("eval")
    if name == "smiles":
        return _smiles(shipped)
    if kind == "sql" and source:
        return shipped.SqlExplains(source)
    if source:
        return _imported(name, shipped)
    raise UsageError(f"--predicate {name!r}: there are python, python-expression, smiles, sql:FILE.db and PKG.MOD:NAME")


def _smiles(shipped: Any) -> Any:
    try:
        return shipped.SmilesParses()
    except ImportError as error:
        raise UsageError(str(error)) from error


def _imported(name: str, shipped: Any) -> Any:
    """What ``package.module:NAME`` names, looked up from the current folder too: a predicate, its class, a function."""
    found = look_up("--predicate", name)
    if isinstance(found, type):
        found = found()
    if hasattr(found, "prefix_ok") and hasattr(found, "complete_ok"):
        return found
    if callable(found):
        return shipped.function_predicate(found)
    raise UsageError(f"--predicate {name!r} is neither a predicate (prefix_ok, complete_ok) nor a function of bytes")
