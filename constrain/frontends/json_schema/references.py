"""``Resolver``: what ``$ref``, ``$dynamicRef`` and ``$recursiveRef`` refer to, in all drafts.

A path begins at a ``Scope``: the root of a schema resource, and the dynamic scope in which it is evaluated. Of the
dynamic scope only this matters: for each dynamic name, the outermost resource that defines it. There are finitely
many such scopes, so a schema in its scope (``Resolver.key``) can be the name of a rule, and recursion ends.

Most documents have one resource and no dynamic name. One quick look at the keys tells; then a reference is a walk
along a JSON pointer, done once, and a schema's key is its identity.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any
from urllib.parse import unquote

from constrain.errors import UnsupportedSchema
from constrain.frontends.json_schema.dialect import Dialect, dialect_of
from constrain.frontends.json_schema.pointer import Path, Root, malformed, pointer
from constrain.frontends.json_schema.registry import Registry
from constrain.frontends.json_schema.resources import Resource, Survey, Tokens, may_hold_names, own_address
from constrain.frontends.json_schema.uris import join

__all__ = ["Registry", "Resolver", "Scope"]

Dynamic = tuple[tuple[str, Resource], ...]  # by dynamic name, sorted: the outermost resource that defines it
Target = tuple[Resource, Any, Tokens]  # a schema, and where it is in its resource
_MISSING = object()
_NO_REGISTRY = Registry()
_SHOWN = 8  # addresses or names in a message


class Scope(Root):
    """A schema resource, evaluated in a dynamic scope to which it belongs."""

    __slots__ = ("dynamic", "resource")

    def __init__(self, resource: Resource, dynamic: Dynamic) -> None:
        super().__init__(resource.place)
        self.resource = resource
        self.dynamic = dynamic


class Resolver:
    """Finds what references mean, starting at one document. Others come from ``registry`` only.

    Args:
        root: the document.
        dialect: of the document, as ``dialect_of`` says.
        registry: a ``Registry``, a ``referencing.Registry``, or a mapping from address to schema. A document without
            ``$schema`` is read in the dialect of the schema that refers to it.

    ``root`` is the path of the document's root.
    """

    def __init__(self, root: Any, dialect: Dialect, registry: Any = None) -> None:
        self.registry = _NO_REGISTRY if registry is None else registry
        if self.registry.__class__ is not Registry:
            self.registry = Registry(registry)
        self._survey = Survey(self._dialect_of)
        self._document = self._begin_document(root, "", dialect, "")
        self._surveyed = False  # has the document been looked through?
        self._remote: dict[tuple[str, Dialect], Resource] = {}
        self._all_loaded = False
        self._scopes: dict[tuple[Resource, Dynamic], Scope] = {}
        self._found: dict[Hashable, tuple[Any, Path]] = {}
        self.is_simple = not may_hold_names(root, dialect)  # one resource, no dynamic name
        if not self.is_simple:
            self._look_through_document()
        self._scope: Scope = self._enter(self._document, ())
        self.root: Path = self._scope

    def resolve(self, reference: str, path: Path, word: str = "$ref") -> tuple[Any, Path]:
        """The schema that ``reference``, the value of ``word`` in the schema at ``path``, refers to, and its path.

        Raises:
            UnsupportedSchema: a document that is not in the registry.
            GrammarError: nothing is there, or two things are.
        """
        if self.is_simple:
            found = self._found.get(reference)
            if found is None:
                found = self._found[reference] = self._resolve(self._scope, reference, path, word)
            return found
        scope = self._scope_of(path)
        question = (scope, reference, word)
        if question not in self._found:
            self._found[question] = self._resolve(scope, reference, path, word)
        return self._found[question]

    def dialect(self, path: Path) -> Dialect:
        """The dialect of the resource that the schema at ``path`` is in."""
        return self._document.dialect if self.is_simple else self._scope_of(path).resource.dialect

    def key(self, schema: Any, path: Path) -> Hashable:
        """What tells ``schema``, which is at ``path``, from others: its identity, its resource and its dynamic scope.
        (Only the identity, where it is in the resource and in the scope of the document.)"""
        if self.is_simple:
            return id(schema)
        scope = self._scope_of(path)
        return id(schema) if scope is self._scope else (id(schema), scope)

    def base(self, path: Path) -> str:
        """The base URI of the references in the schema at ``path``; empty if nothing names it."""
        return self._scope_of(path).resource.base

    # Scopes

    def _scope_of(self, path: Path) -> Scope:
        """The scope of the schema at ``path``: that of the path's root, and the resources entered on the way."""
        tokens: list[str] = []
        while isinstance(path, tuple):
            path, token = path
            tokens.append(token)
        assert isinstance(path, Scope), "a path begins at Resolver.root, or where a reference leads"
        scope, node = path, path.resource.schema
        if not scope.resource.nested:
            return scope
        for token in reversed(tokens):
            node = _step(node, token)
            nested = scope.resource.nested.get(id(node))
            if nested is not None:
                scope = self._enter(nested, scope.dynamic)
        return scope

    def _enter(self, resource: Resource, dynamic: Dynamic) -> Scope:
        """``resource``, evaluated in a schema whose dynamic scope is ``dynamic``."""
        if resource.dynamic:
            outermost = dict.fromkeys(resource.dynamic, resource) | dict(dynamic)
            dynamic = tuple(sorted(outermost.items(), key=lambda item: item[0]))
        scope = self._scopes.get((resource, dynamic))
        if scope is None:
            scope = self._scopes[resource, dynamic] = Scope(resource, dynamic)
        return scope

    # References

    def _resolve(self, scope: Scope, reference: str, path: Path, word: str) -> tuple[Any, Path]:
        if word == "$recursiveRef" and reference != "#":
            raise malformed(path, f"$recursiveRef is '#', not {reference!r} (2019-09 core, section 8.2.4.2.1)")
        address, _, fragment = reference.partition("#")
        fragment = unquote(fragment)
        resource = self._resource(address, scope, reference, path, word)
        if self._leads_to_dynamic_name(resource, fragment, word):
            resource = dict(scope.dynamic).get(fragment, resource)  # the outermost that defines it
            if fragment in resource.twice:
                raise malformed(path, _ambiguous(word, reference, fragment))
            node, tokens = resource.dynamic[fragment]
        else:
            resource, node, tokens = self._target(resource, fragment, reference, path, word)
        place: Path = scope if resource is scope.resource else self._enter(resource, scope.dynamic)
        for token in tokens:
            place = (place, token)
        return node, place

    def _leads_to_dynamic_name(self, resource: Resource, fragment: str, word: str) -> bool:
        """Does a reference lead to a dynamic name at first, so that the dynamic scope has the last word (2020-12 core,
        section 8.2.3.2; 2019-09 core, section 8.2.4.2.2)?"""
        if word == "$ref" or (word == "$dynamicRef" and not fragment):
            return False
        return fragment in resource.dynamic and fragment not in resource.twice

    def _target(self, resource: Resource, fragment: str, reference: str, path: Path, word: str) -> Target:
        if not fragment:
            return resource, resource.schema, ()
        if fragment.startswith("/"):
            return self._walk(resource, fragment, reference, path, word)
        if resource is self._document and not self._surveyed:
            self._look_through_document()
        if fragment in resource.twice:
            raise malformed(path, _ambiguous(word, reference, fragment))
        if fragment not in resource.anchors:
            kind = "$id: '#name'" if resource.dialect.reference_stands_alone else "$anchor"
            hint = f"plain names are given by {kind}; known are: {_some(resource.anchors)}"
            raise malformed(path, f"{word} {reference!r} points to nothing: no schema is called {fragment!r}", hint)
        return resource, *resource.anchors[fragment]

    def _walk(self, resource: Resource, fragment: str, reference: str, path: Path, word: str) -> Target:
        """Along a JSON pointer, into each resource that begins on the way."""
        node, tokens, walked = resource.schema, [""], ""
        if not self.is_simple and not self._surveyed:
            self._look_through_document()
        for token in fragment[1:].split("/"):
            walked += "/" + token
            token = token.replace("~1", "/").replace("~0", "~")
            above, node = node, _step(node, token)
            if node is _MISSING:
                within = f" in {resource.base!r}" if resource is not self._document else ""
                raise malformed(path, f"{word} {reference!r} points to nothing: there is no {walked!r}{within}")
            tokens.append(token)
            is_part = id(above) in resource.seen and token in resource.dialect.holders
            if not (self.is_simple or is_part or id(node) in resource.seen) and node.__class__ is dict:
                # Under a word that the draft does not know. References make schemas of what is there.
                self._survey.look_through(node, resource, tuple(tokens[1:]), known=False)
            if id(node) in resource.nested:
                resource, tokens, walked = resource.nested[id(node)], [""], ""
        return resource, node, tuple(tokens[1:])

    # Resources

    def _resource(self, address: str, scope: Scope, reference: str, path: Path, word: str) -> Resource:
        resource = scope.resource
        if not address:
            return resource
        address = join(resource.base, address)
        if address == resource.base:
            return resource
        found = self._known(address, resource.dialect, path)
        if found is None:
            known = {*self._survey.found, *self.registry.addresses()}
            hint = "give the document with registry={address: schema}, or copy it into $defs; known addresses are: "
            reason = f"{reference!r} is the document {address!r}, which is neither here nor in the registry"
            raise UnsupportedSchema(word, pointer(path), reason, hint=hint + _some(known))
        if address in self._survey.clashes:
            raise malformed(path, _ambiguous(word, reference, address))
        return found

    def _known(self, address: str, dialect: Dialect, path: Path) -> Resource | None:
        if not self._surveyed:
            self._look_through_document()
        if address in self._survey.found:
            return self._survey.found[address]
        if (address, dialect) in self._remote:
            return self._remote[address, dialect]
        contents, declared = self.registry.find(address)
        if contents is not None:
            resource = self._remote[address, dialect] = self._load(address, contents, declared or dialect, path)
            return resource
        if not self._all_loaded:  # perhaps it is inside one of the documents
            self._all_loaded = True
            for other, contents in self.registry.items():
                if (other, dialect) not in self._remote:
                    self._remote[other, dialect] = self._load(other, contents, dialect, path)
        return self._survey.found.get(address)

    def _load(self, address: str, contents: Any, dialect: Dialect, path: Path) -> Resource:
        if not isinstance(contents, (dict, bool)):
            raise malformed(path, f"the registry has a {type(contents).__name__} for {address!r}, which is no schema")
        self.is_simple = False
        place = address + "#"
        dialect = self._dialect_of(contents, dialect, place)
        resource = self._begin_document(contents, address, dialect, place)
        if isinstance(contents, dict):
            self._survey.look_through(contents, resource)
        return resource

    def _begin_document(self, schema: Any, address: str, dialect: Dialect, place: str) -> Resource:
        base = join(address, own_address(schema, dialect)[0])
        return self._survey.register(self._survey.begin(schema, base, dialect, place))

    def _look_through_document(self) -> None:
        self._surveyed = True
        if self._document.schema.__class__ is dict:
            self._survey.look_through(self._document.schema, self._document)

    def _dialect_of(self, schema: Any, around: Dialect, place: str) -> Dialect:
        return dialect_of(schema, around, self.registry.get, place)


def _step(node: Any, token: str) -> Any:
    """RFC 6901, section 4."""
    if isinstance(node, dict):
        return node.get(token, _MISSING)
    if isinstance(node, list) and token.isascii() and token.isdecimal() and len(token) < 10:
        index = int(token)
        return node[index] if index < len(node) and token == str(index) else _MISSING
    return _MISSING


def _ambiguous(word: str, reference: str, name: str) -> str:
    return f"{word} {reference!r} is ambiguous: several schemas are called {name!r}"


def _some(names: Any) -> str:
    listed = sorted(names)
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return (", ".join(map(repr, listed[:_SHOWN])) or "none") + more
