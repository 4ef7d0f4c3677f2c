"""Lists of tools, as the interfaces of chat models write them: one call of one of the tools.

A call is ``{"name": ..., "arguments": ...}``. The parameters of each tool are a schema document of their own: a ``#``
in them is their own root, not that of the list, and they may be of another draft. So each becomes an embedded resource
with a name (2020-12 core, section 9.1), in a document that declares no draft.
"""

from __future__ import annotations

from collections.abc import Sequence
from reprlib import repr as brief
from typing import Any

from constrain.errors import GrammarError, UnsupportedSchema
from constrain.frontends.json_schema.dialect import ASSUMED, DIALECTS, dialect_of

PARAMETERS = ("parameters", "input_schema", "inputSchema")  # OpenAI, Anthropic, the Model Context Protocol
FORMS = (
    'a tool is {"type": "function", "function": {"name": ..., "parameters": ...}}, or "name" beside "parameters" or '
    '"input_schema"'
)
_NONE: dict[str, Any] = {"type": "object", "additionalProperties": False}
_REFERENCES = frozenset({"$ref", "$dynamicRef", "$recursiveRef"})
_LOOKED_AT = 100_000  # parts of parameters
_LATEST = "https://json-schema.org/schema"  # no draft in particular, whatever the caller's is


def schema_of_tools(tools: Sequence[Any], draft: str | None = None) -> dict[str, Any]:
    """The schema of one call of one of ``tools``. Descriptions and ``strict`` assert nothing: all schemas are strict
    here. A function without parameters has an empty object of arguments. ``draft`` is that of parameters without
    ``$schema``. The parameters of a tool are found at ``/definitions/NAME``.

    Raises ``GrammarError`` for an empty list, for what is no function tool, for two tools of one name, and for
    draft-04, whose integers are other texts than those of later drafts.
    """
    if not tools:
        raise GrammarError("a list of no tools: there is nothing to call")
    calls: list[Any] = []
    definitions: dict[str, Any] = {}
    for number, tool in enumerate(tools):
        name, parameters = _read(tool, f"tool {number}")
        if name in definitions:
            raise GrammarError(f"two tools are called {name!r}", where=f"tool {number}")
        definitions[name] = _as_document(parameters, number, draft)
        properties = {"name": {"const": name}, "arguments": {"$ref": f"#/definitions/{_token(name)}"}}
        required = ["name", "arguments"]
        calls.append({"type": "object", "properties": properties, "required": required, "additionalProperties": False})
    return {"$schema": _LATEST, "anyOf": calls, "definitions": definitions}


def _read(tool: Any, where: str) -> tuple[str, Any]:
    """Name and parameters of a tool."""
    if not isinstance(tool, dict):
        raise GrammarError(f"a tool is an object, not {brief(tool)}", where=where, hint=FORMS)
    kind = tool.get("type", "function")
    if kind not in ("function", "custom"):
        raise GrammarError(
            f"a tool of type {brief(kind)} has no parameters of which a grammar could be made", where=where
        )
    function = tool.get("function", tool)
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise GrammarError("the tool has no name", where=where, hint=FORMS)
    name: str = function["name"]
    where += f", {name!r}"
    found = [word for word in PARAMETERS if function.get(word) is not None]
    if len(found) > 1:
        raise GrammarError(f"the tool has both {found[0]} and {found[1]}", where=where)
    if not found:
        if tool.get("type") != "function":  # OpenAI's functions may be without, no one else's tools
            raise GrammarError(f"the tool has none of {', '.join(PARAMETERS)}", where=where, hint=FORMS)
        return name, _NONE
    parameters = function[found[0]]
    if not isinstance(parameters, (dict, bool)):
        raise GrammarError(f"{found[0]} is a schema, not {brief(parameters)}", where=where)
    return name, parameters


def _as_document(parameters: Any, number: int, draft: str | None) -> Any:
    """``parameters`` with a name and a draft, so that all in them means what it means there. A plain name (until
    draft-07 ``$id: "#name"``) stays part of the name. Where nothing refers to anything they can do without."""
    if not isinstance(parameters, dict) or (draft is None and not _needs_name(parameters)):
        return parameters
    where = f"tool {number}"
    if draft is not None and parameters.get("$schema") is None:
        parameters = {**parameters, "$schema": _ADDRESSES[draft]}
    if _is_draft_4(parameters):
        hint = "leave draft-04 to schemas that are no tools, or drop $schema if the parameters keep to later drafts"
        raise GrammarError("the parameters of tools are of draft-06 or later", where=where, hint=hint)
    given = parameters.get("$id", "")
    if isinstance(given, str) and given[:1] in ("", "#"):
        parameters = {**parameters, "$id": f"tool:{number}{given}"}
    return parameters


def _needs_name(parameters: dict[str, Any]) -> bool:
    """Are there references, or a draft? Looks at all keys, wherever they stand."""
    if "$schema" in parameters:
        return True
    stack: list[Any] = [parameters]
    for node in stack:  # it grows while it is read
        if node.__class__ is dict:
            if not _REFERENCES.isdisjoint(node) or len(stack) > _LOOKED_AT:
                return True
            stack += node.values()
        elif node.__class__ is list:
            stack += node
    return False


def _is_draft_4(parameters: dict[str, Any]) -> bool:
    try:
        return dialect_of(parameters, ASSUMED).year < DIALECTS["draft-06"].year
    except UnsupportedSchema:  # another draft's address, which the registry may know
        return False


_ADDRESSES = {
    name: f"http://json-schema.org/{name}/schema#"
    if dialect.year < 2019
    else f"https://json-schema.org/draft/{name}/schema"
    for name, dialect in DIALECTS.items()
}


def _token(name: str) -> str:
    """``name`` as a token of a JSON pointer in a URI fragment (RFC 6901, sections 3 and 6)."""
    return name.replace("~", "~0").replace("/", "~1").replace("%", "%25")
