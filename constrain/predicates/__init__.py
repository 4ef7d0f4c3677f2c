"""Constraints that are programs: Python that compiles, SQL that prepares, SMILES that RDKit parses, valid JSON.

Each answers two questions of a text: is it wanted (``complete_ok``), and may it still become so (``prefix_ok``)?
``docs/predicates.md`` has examples.
"""

from constrain.predicates.base import Predicate
from constrain.predicates.counted import Counted, Verdicts
from constrain.predicates.json_text import JsonValidates
from constrain.predicates.logic import Both, FunctionPredicate, Not, function_predicate
from constrain.predicates.python_code import PythonCompiles
from constrain.predicates.smiles import SmilesParses
from constrain.predicates.sql_query import SqlExplains

__all__ = [
    "Both",
    "Counted",
    "FunctionPredicate",
    "JsonValidates",
    "Not",
    "Predicate",
    "PythonCompiles",
    "SmilesParses",
    "SqlExplains",
    "Verdicts",
    "function_predicate",
]
