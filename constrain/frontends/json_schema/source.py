"""What may be given as a schema: an object or a boolean, JSON text, a file, a Pydantic model or any Python type."""

from __future__ import annotations

import json
from pathlib import Path
from reprlib import repr as brief
from typing import Any, NoReturn

from constrain.errors import GrammarError, LimitExceeded


def load_schema(source: Any) -> tuple[Any, bool]:
    """The schema as Python values, and whether it was derived from a Python type."""
    if isinstance(source, (dict, bool)):
        return source, False
    if isinstance(source, Path):
        return _parse(source.read_text(encoding="utf-8"), str(source)), False
    if isinstance(source, (str, bytes)):
        return _parse(source if isinstance(source, str) else source.decode(), None), False
    if source is None or isinstance(source, (list, int, float)):
        raise GrammarError(f"a schema is an object, a boolean, JSON text, a path or a type, not {brief(source)}")
    return schema_of_type(source), True


def _parse(text: str, path: str | None) -> Any:
    try:
        return json.loads(text, parse_constant=_no_constant)
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


def _no_constant(name: str) -> NoReturn:
    raise GrammarError(f"the schema is not JSON: {name} is not a JSON number")


def schema_of_type(source: Any) -> Any:
    """The JSON Schema that Pydantic gives for a model or any other type."""
    try:
        import pydantic
    except ImportError as error:
        hint = "pip install 'constrain-lm[demo]'"
        raise GrammarError(f"a schema for {brief(source)} needs Pydantic, which is not installed", hint=hint) from error
    try:
        return pydantic.TypeAdapter(source).json_schema()
    except pydantic.errors.PydanticUserError as error:
        raise GrammarError(f"Pydantic has no JSON Schema for {brief(source)}: {error}") from error
