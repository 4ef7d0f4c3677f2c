"""Places in a schema: paths that cost nothing while all is well, JSON pointers when a message needs one."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urljoin

from constrain.errors import GrammarError, UnsupportedSchema

Path = tuple[Any, str] | None  # (path of the parent, token); ``None`` is the root

MAX_DEPTH = 100  # levels of nesting, in schemas and in values; each costs a few Python frames, of 1000
_MISSING = object()


def pointer(path: Path) -> str:
    """The JSON pointer (RFC 6901) of ``path``; the root is the empty string."""
    tokens: list[str] = []
    while path is not None:
        path, token = path
        tokens.append("/" + token.replace("~", "~0").replace("/", "~1"))
    return "".join(reversed(tokens))


def malformed(path: Path, message: str, hint: str | None = None) -> GrammarError:
    """The error for a schema that breaks the rules of JSON Schema, or that nothing can satisfy."""
    return GrammarError(message, where=f"schema at {pointer(path) or '/'}", hint=hint)


def is_resource(schema: Any, id_word: str) -> bool:
    """Does ``schema`` begin a resource of its own, with another base for the references inside?"""
    own = schema.get(id_word) if isinstance(schema, dict) else None
    return isinstance(own, str) and not own.startswith("#")


class Resolver:
    """Finds what a ``$ref`` of one document points to. Only places inside the document are looked up."""

    def __init__(self, root: Any, id_word: str) -> None:
        self.root = root
        self.id_word = id_word
        own = root.get(id_word) if isinstance(root, dict) else None
        self.base = own.partition("#")[0] if isinstance(own, str) else ""
        self.found: dict[str, tuple[Any, Path]] = {}

    def resolve(self, reference: str, path: Path) -> tuple[Any, Path]:
        """The schema that ``reference``, written in the schema at ``path``, points to, and where that is."""
        if reference not in self.found:
            self.found[reference] = self._look_up(self._fragment(reference, path), reference, path)
        return self.found[reference]

    def _fragment(self, reference: str, path: Path) -> str:
        address, _, fragment = reference.partition("#")
        if address and urljoin(self.base, address) != self.base:
            hint = "copy the other document into $defs and refer to it as '#/$defs/...'"
            raise UnsupportedSchema("$ref", pointer(path), f"{reference!r} is another document", hint=hint)
        return unquote(fragment)

    def _look_up(self, fragment: str, reference: str, path: Path) -> tuple[Any, Path]:
        if fragment and not fragment.startswith("/"):
            hint = "write a JSON pointer, such as '#/$defs/name'"
            raise UnsupportedSchema("$ref", pointer(path), f"{reference!r} names an anchor", hint=hint)
        node: Any = self.root
        place: Path = None
        for token in fragment.split("/")[1:]:
            token = token.replace("~1", "/").replace("~0", "~")
            if place is not None and is_resource(node, self.id_word):
                raise UnsupportedSchema("$ref", pointer(path), f"{reference!r} crosses a schema with its own $id")
            node, place = _step(node, token), (place, token)
            if node is _MISSING:
                raise malformed(path, f"$ref {reference!r} points to nothing: there is no {pointer(place)!r}")
        return node, place


def _step(node: Any, token: str) -> Any:
    if isinstance(node, dict):
        return node.get(token, _MISSING)
    if isinstance(node, list) and token.isdecimal() and int(token) < len(node):
        return node[int(token)]
    return _MISSING
