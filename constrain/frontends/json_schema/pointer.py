"""Places in a schema: paths that cost nothing while all is well, JSON pointers when a message needs one."""

from __future__ import annotations

from typing import Any

from constrain.errors import GrammarError


class Root:
    """Where paths begin: the root of a schema resource. ``place`` is how ``pointer`` writes it."""

    __slots__ = ("place",)

    def __init__(self, place: str) -> None:
        self.place = place


Path = tuple[Any, str] | Root | None  # (path of the parent, token); a ``Root``, or ``None`` for the document, is last

MAX_DEPTH = 100  # levels of nesting, in schemas and in values; each costs a few Python frames, of 1000


def pointer(path: Path) -> str:
    """The JSON pointer (RFC 6901) of ``path``; the root is the empty string. Places in another document are written
    ``address#pointer``."""
    tokens: list[str] = []
    while isinstance(path, tuple):
        path, token = path
        tokens.append("/" + token.replace("~", "~0").replace("/", "~1"))
    if path is not None:
        tokens.append(path.place)
    return "".join(reversed(tokens))


def malformed(path: Path, message: str, hint: str | None = None) -> GrammarError:
    """The error for a schema that breaks the rules of JSON Schema, or that nothing can satisfy."""
    return GrammarError(message, where=f"schema at {pointer(path) or '/'}", hint=hint)
