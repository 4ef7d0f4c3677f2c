"""What may be given as a schema: an object or a boolean, JSON text, a file, a list of tools, a Python type, a function.

A list, whether given as such or as JSON text, is a list of tools (``tools.py``). Anything else that is no JSON belongs
to Python (``python_types.py``).
"""

from __future__ import annotations

import json
import re
from math import isinf
from pathlib import Path
from reprlib import repr as brief
from typing import Any, NamedTuple, NoReturn

from constrain.errors import GrammarError, LimitExceeded
from constrain.frontends.json_schema.python_types import is_function, schema_of_function, schema_of_type
from constrain.frontends.json_schema.tools import schema_of_tools


class Loaded(NamedTuple):
    """The schema as Python values, and whether it was derived from Python types."""

    document: Any
    from_type: bool


def load_schema(source: Any, draft: str | None = None) -> Loaded:
    """Read what was given as a schema. ``draft`` is that of tools whose parameters declare none.

    Raises ``GrammarError`` for what is no schema and describes none, ``LimitExceeded`` for JSON text that nests too
    deeply, ``OSError`` for a file that cannot be read.
    """
    if isinstance(source, Loaded):
        return source
    if isinstance(source, Path):
        return Loaded(_checked(_parse(_decode(source.read_bytes(), str(source)), str(source)), draft), False)
    if isinstance(source, (bytes, bytearray)):
        return Loaded(_checked(_parse(_decode(bytes(source), None), None), draft), False)
    if isinstance(source, str):
        return Loaded(_checked(_parse(source, None), draft), False)
    if source is None or isinstance(source, (dict, bool, list, tuple, int, float)):
        return Loaded(_checked(source, draft), False)
    return Loaded(schema_of_function(source) if is_function(source) else schema_of_type(source), True)


def _checked(value: Any, draft: str | None) -> Any:
    """A schema, or that of a list of tools."""
    if isinstance(value, dict):
        if value.get("type") == "function":
            raise GrammarError("this is a tool, not a schema", hint="a list of tools is a schema: put it into one")
        return value
    if isinstance(value, bool):
        return value
    if isinstance(value, (list, tuple)):
        return schema_of_tools(value, draft)
    kinds = "an object, a boolean, JSON text, a file (pathlib.Path), a list of tools, a type or a function"
    raise GrammarError(f"a schema is {kinds}, not {brief(value)}")


def _decode(data: bytes, path: str | None) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        where = f"{path or '<bytes>'}: byte {error.start}"
        raise GrammarError(f"the schema is not JSON: it is not UTF-8 ({error.reason})", where=where) from error


def _parse(text: str, path: str | None) -> Any:
    try:
        return json.loads(text, parse_constant=_no_constant, parse_float=_float)
    except json.JSONDecodeError as error:
        raise GrammarError(
            f"the schema is not JSON: {error.msg}",
            source=text,
            line=error.lineno,
            column=error.colno,
            path=path,
            hint="pass a file as pathlib.Path: a str is read as the JSON text itself" if path is None else None,
        ) from error
    except RecursionError:
        raise LimitExceeded("nesting of the schema's text", text.count("["), 1000, "it cannot be parsed") from None


def _float(text: str) -> float:
    """A number that floating point can hold, more or less: neither infinite nor a zero that is none."""
    value = float(text)
    if isinf(value) or (not value and re.search("[1-9]", text.lower().partition("e")[0])):
        raise GrammarError(f"the number {text} in the schema is beyond floating point")
    return value


def _no_constant(name: str) -> NoReturn:
    raise GrammarError(f"the schema is not JSON: {name} is not a JSON number")
