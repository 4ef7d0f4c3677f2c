"""Schemas of Python types and of functions, as Pydantic writes them."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from functools import partial
from reprlib import repr as brief
from types import ModuleType
from typing import Any

from constrain.errors import GrammarError

_TYPING = frozenset({"typing", "types", "typing_extensions"})  # whose callable objects are types, such as ``list[int]``
_REFUSED = {
    inspect.Parameter.VAR_POSITIONAL: "takes any number of arguments without names, and an object has only members",
    inspect.Parameter.VAR_KEYWORD: "takes arguments of any name, of which nothing is known",
    inspect.Parameter.POSITIONAL_ONLY: "cannot be given by name, as the members of an object are",
}


def schema_of_type(source: Any) -> Any:
    """The JSON Schema of a Pydantic model or of anything else that ``pydantic.TypeAdapter`` takes.

    Raises ``GrammarError`` for what Pydantic has no schema for, and without Pydantic.
    """
    pydantic = _pydantic(source)
    adapter = source if isinstance(source, pydantic.TypeAdapter) else _adapter(pydantic, source, brief(source))
    try:
        return adapter.json_schema()
    except (pydantic.errors.PydanticUserError, NameError) as error:
        raise GrammarError(f"Pydantic has no JSON Schema for {brief(source)}: {error}") from error


def is_function(source: Any) -> bool:
    """Is this to be called, rather than a type?"""
    if inspect.isroutine(source):
        return True
    return callable(source) and not isinstance(source, type) and type(source).__module__ not in _TYPING


def schema_of_function(function: Callable[..., Any]) -> dict[str, Any]:
    """The object of the arguments of ``function``, by name: those without a default are required, those without an
    annotation may be anything.

    Raises ``GrammarError`` for parameters that have no name to be given by, and for types as ``schema_of_type``.
    """
    name = getattr(function, "__qualname__", brief(function))
    pydantic = _pydantic(function)
    inputs, properties, required = [], {}, []
    for key, (annotation, is_required) in _parameters(function, name).items():
        properties[key] = True
        if annotation is not inspect.Parameter.empty:
            adapter = _adapter(pydantic, annotation, f"parameter {key!r} of {name}")
            inputs.append((key, "validation", adapter))
        if is_required:
            required.append(key)
    try:
        schemas, shared = pydantic.TypeAdapter.json_schemas(inputs)
    except (pydantic.errors.PydanticUserError, NameError) as error:
        raise GrammarError(f"Pydantic has no JSON Schema for the parameters of {name}: {error}") from error
    properties |= {key: schema for (key, _), schema in schemas.items()}
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
        **{word: value for word, value in shared.items() if word == "$defs"},
    }


def _parameters(function: Callable[..., Any], name: str) -> dict[str, tuple[Any, bool]]:
    """By name: annotation, and is it required?"""
    hinted: Any = function
    while isinstance(hinted, partial):
        hinted = hinted.func
    if not inspect.isroutine(hinted):
        hinted = hinted.__init__ if isinstance(hinted, type) else type(hinted).__call__  # type: ignore[misc]
    try:
        signature = inspect.signature(function)
        hints = typing.get_type_hints(hinted, include_extras=True)
    except (ValueError, TypeError, NameError) as error:
        raise GrammarError(f"the parameters of {name} are not known: {error}") from error
    found = {}
    for parameter in signature.parameters.values():
        if parameter.kind in _REFUSED:
            raise GrammarError(f"parameter {str(parameter)!r} of {name} {_REFUSED[parameter.kind]}")
        is_required = parameter.default is inspect.Parameter.empty
        found[parameter.name] = (hints.get(parameter.name, parameter.annotation), is_required)
    return found


def _adapter(pydantic: ModuleType, source: Any, what: str) -> Any:
    try:
        return pydantic.TypeAdapter(source)
    except (pydantic.errors.PydanticUserError, NameError) as error:
        raise GrammarError(f"Pydantic has no JSON Schema for {what}: {error}") from error


def _pydantic(source: Any) -> ModuleType:
    try:
        import pydantic
    except ImportError as error:
        hint = "pip install 'constrain-lm[demo]'"
        raise GrammarError(f"a schema for {brief(source)} needs Pydantic, which is not installed", hint=hint) from error
    return pydantic
