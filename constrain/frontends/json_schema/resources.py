"""Schema resources: which schemas of a document have a name of their own, and what the names are.

A document is one resource, and each schema in it with an ``$id`` begins another (2020-12 core, section 9.1): it
changes the base URI, has its own plain names (``$anchor``), and may be of another draft. Only places that the draft
knows as schemas count: an ``$id`` under ``enum``, ``const`` or an unknown word is data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from constrain.errors import UnsupportedSchema
from constrain.frontends.json_schema.dialect import Dialect
from constrain.frontends.json_schema.pointer import pointer
from constrain.frontends.json_schema.uris import join

Tokens = tuple[str, ...]  # of a JSON pointer
Named = tuple[Any, Tokens]  # a schema, and where it is in its resource
Chain = tuple[Any, str] | None  # tokens, the last one outermost, as in a ``Path``

_HINT_LIMIT = 200_000
_DYNAMIC = frozenset({"$dynamicAnchor", "$recursiveAnchor"})


class Resource:
    """A schema with a base URI: a document, or a schema in it that has an ``$id``."""

    __slots__ = ("anchors", "base", "dialect", "dynamic", "nested", "number", "place", "schema", "seen", "twice")

    def __init__(self, schema: Any, base: str, dialect: Dialect, place: str, number: int) -> None:
        self.schema = schema
        self.base = base  # without a fragment; empty if nothing names the document
        self.dialect = dialect
        self.place = place  # of its root, as ``pointer`` writes it
        self.number = number  # in the order of discovery
        self.nested: dict[int, Resource] = {}  # that begin inside, by the identity of their roots
        self.anchors: dict[str, Named] = {}
        self.dynamic: dict[str, Named] = {}  # ``$dynamicAnchor``; the empty name is ``$recursiveAnchor``
        self.twice: set[str] = set()  # plain names of several schemas
        self.seen: set[int] = set()  # identities of the schemas that belong to it


def own_address(schema: Any, dialect: Dialect) -> tuple[str, str]:
    """What ``$id`` says: the address of a resource, and a plain name for the schema; each may be empty."""
    own = schema.get(dialect.id_word) if schema.__class__ is dict else None
    if own.__class__ is not str or (dialect.reference_stands_alone and "$ref" in schema):
        return "", ""
    address, _, name = own.partition("#")
    return address, name if dialect.ids_are_anchors and not name.startswith("/") else ""


def may_hold_names(root: Any, dialect: Dialect) -> bool:
    """May there be a resource below ``root``, or a dynamic name anywhere? Quick, and wrong in one direction only: what
    looks like one counts wherever it stands."""
    if root.__class__ is not dict:
        return False
    id_word, modern = dialect.id_word, dialect.year >= 2019
    if modern and not _DYNAMIC.isdisjoint(root):
        return True
    stack = list(root.values())
    for node in stack:  # it grows while it is read
        if node.__class__ is dict:
            if id_word in node and _is_address(node[id_word]):
                return True
            if "$schema" in node and (_is_address(node.get("id")) or _is_address(node.get("$id"))):
                return True
            if modern and ("$dynamicAnchor" in node or "$recursiveAnchor" in node):
                return True
            stack += node.values()
            if len(stack) > _HINT_LIMIT:
                return True  # perhaps one object in many places: the exact way looks at each once
        elif node.__class__ is list:
            stack += node
    return False


def _is_address(own: Any) -> bool:
    return own.__class__ is str and own[:1] != "#"


class Survey:
    """Finds the resources and the plain names in documents. ``found`` are the resources by address."""

    def __init__(self, dialect_of: Callable[[Any, Dialect, str], Dialect]) -> None:
        self.dialect_of = dialect_of  # what ``$schema`` names, else the dialect around; and the place for messages
        self.found: dict[str, Resource] = {}
        self.clashes: set[str] = set()  # addresses of several resources that differ
        self.count = 0

    def begin(self, schema: Any, base: str, dialect: Dialect, place: str) -> Resource:
        """A resource in which nothing has been looked at yet."""
        resource = Resource(schema, base, dialect, place, self.count)
        self.count += 1
        if dialect.has_recursive_anchor and schema.__class__ is dict and schema.get("$recursiveAnchor") is True:
            resource.dynamic[""] = (schema, ())
        return resource

    def register(self, resource: Resource) -> Resource:
        """Make ``resource`` known by its address."""
        base, schema = resource.base, resource.schema
        known = self.found.setdefault(base, resource).schema if base else schema
        if known is not schema and known != schema:
            self.clashes.add(base)
        return resource

    def look_through(self, schema: Any, resource: Resource, tokens: Tokens = (), known: bool = True) -> None:
        """Write down the names in ``schema``, which is at ``tokens`` in ``resource``.

        A place that is not ``known`` as a schema is one only for those who refer to it: no one can refer to the names
        there, but the resources there have a base URI of their own all the same.
        """
        chain: Chain = None
        for token in tokens:
            chain = (chain, token)
        stack: list[tuple[Any, Resource, Chain]] = [(schema, resource, chain)]
        while stack:
            node, around, chain = stack.pop()
            own = self._resource_of(node, around, chain, known)
            chain = chain if own is around else None
            if id(node) not in own.seen:
                own.seen.add(id(node))
                if known or own is not resource:
                    _write_down_names(node, own, chain)
                parts = [(part, own, place) for part, place in _subschemas(node, own.dialect, chain)]
                stack += reversed(parts)

    def _resource_of(self, node: dict[str, Any], around: Resource, chain: Chain, known: bool) -> Resource:
        """The resource that ``node`` begins, or the one around it."""
        if node is around.schema or id(node) in around.nested:
            return around.nested.get(id(node), around)
        place = around.place + pointer(chain)
        dialect = self._dialect(node, around.dialect, place)
        address = own_address(node, dialect)[0] or own_address(node, around.dialect)[0]
        if not address:
            return around
        nested = around.nested[id(node)] = self.begin(node, join(around.base, address), dialect, place)
        return self.register(nested) if known else nested

    def _dialect(self, node: dict[str, Any], around: Dialect, place: str) -> Dialect:
        """What ``$schema`` names. It means something only beside an ``$id`` (2020-12 core, section 8.1.1), spelled as
        in either draft."""
        if "$schema" not in node or ("id" not in node and "$id" not in node):
            return around
        try:
            return self.dialect_of(node, around, place)
        except UnsupportedSchema:
            if own_address(node, around)[0]:
                raise
            return around


def _write_down_names(node: dict[str, Any], resource: Resource, chain: Chain) -> None:
    names = [node.get(word) for word in resource.dialect.anchor_words]
    for name in (*names, own_address(node, resource.dialect)[1]):
        if (
            name.__class__ is str
            and name
            and resource.anchors.setdefault(name, (node, tokens_of(chain)))[0] is not node
        ):
            resource.twice.add(name)
    if len(names) > 1 and names[1].__class__ is str and names[1]:
        resource.dynamic.setdefault(names[1], (node, tokens_of(chain)))


def _subschemas(node: dict[str, Any], dialect: Dialect, chain: Chain) -> Iterator[tuple[dict[str, Any], Chain]]:
    """The schema objects that ``node`` holds, and where."""
    for word, value in node.items():
        holding = dialect.holders.get(word)
        if holding is None:
            continue
        if value.__class__ is dict:
            if holding in ("schema", "either"):
                yield value, (chain, word)
            elif holding in ("map", "mixed"):
                base: Chain = (chain, word)
                yield from ((part, (base, name)) for name, part in value.items() if part.__class__ is dict)
        elif value.__class__ is list and holding in ("list", "either"):
            base = (chain, word)
            yield from ((part, (base, str(i))) for i, part in enumerate(value) if part.__class__ is dict)


def tokens_of(chain: Chain) -> Tokens:
    """The tokens of ``chain`` from the outermost on."""
    tokens: list[str] = []
    while chain is not None:
        chain, token = chain
        tokens.append(token)
    return tuple(reversed(tokens))
