"""Documents that a reference may lead to: those that the caller gives, and the official metaschemas. Nothing is ever
fetched from a network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from constrain.errors import GrammarError
from constrain.frontends.json_schema.dialect import DIALECTS, Dialect

_OFFICIAL = ("http://json-schema.org/", "https://json-schema.org/")


class Registry:
    """Documents by address: of a plain mapping from address to schema, or of a ``referencing.Registry``."""

    def __init__(self, given: Any = None) -> None:
        self.given = given
        self.plain: dict[str, Any] | None = None  # of a plain mapping, by address without the last "#"
        if given is None or not hasattr(given, "get_or_retrieve"):
            if not isinstance(given, (Mapping, type(None))):
                kind = type(given).__name__
                raise TypeError(f"registry is a mapping from address to schema or a referencing.Registry, not {kind}")
            self.plain = {address.rstrip("#"): _contents(it) for address, it in (given or {}).items()}

    def get(self, address: str) -> Any:
        """The document with this address; ``None`` if there is none. Raises as ``find`` does."""
        return self.find(address)[0]

    def find(self, address: str) -> tuple[Any, Dialect | None]:
        """The document with this address (``None``: there is none), and the draft that the registry says it is of.

        Raises:
            GrammarError: an official metaschema is asked for, and the package that has them is not installed.
        """
        found, dialect = (self.plain.get(address), None) if self.plain is not None else _retrieve(self.given, address)
        if found is None and address.startswith(_OFFICIAL):
            found = _official(address)
        return found, dialect

    def items(self) -> Iterator[tuple[str, Any]]:
        """The documents that the caller has given as a plain mapping. (A ``referencing.Registry`` itself finds the
        resources inside its documents.)"""
        yield from (self.plain or {}).items()

    def addresses(self) -> list[str]:
        """The addresses that are known without asking anyone."""
        return sorted(self.given if self.plain is None else self.plain)


def _contents(document: Any) -> Any:
    """The schema in a ``referencing.Resource``, or what is one itself."""
    return document if isinstance(document, (dict, bool)) else getattr(document, "contents", document)


def _retrieve(given: Any, address: str) -> tuple[Any, Dialect | None]:
    exceptions = import_module("referencing.exceptions")
    try:
        resource = given.get_or_retrieve(address).value
    except exceptions.NoSuchResource:
        return None, None
    except (exceptions.Unretrievable, exceptions.CannotDetermineSpecification) as error:
        raise GrammarError(f"the registry cannot give {address!r}: {error.__cause__ or error!r}") from error
    # The specification with which the caller has made the resource has no public name.
    name = getattr(getattr(resource, "_specification", None), "name", "")
    return resource.contents, DIALECTS.get(name.replace("draft2", "2"))


def _official(address: str) -> Any:
    try:
        known = import_module("jsonschema_specifications").REGISTRY
    except ImportError as error:
        hint = "pip install 'constrain-lm[schema]', or give the document with registry={...}"
        reason = f"the official metaschema {address!r} needs jsonschema-specifications, which is not installed"
        raise GrammarError(reason, hint=hint) from error
    resource = known.get(address)
    if resource is None:  # some write https for http
        other = "http://" if address.startswith("https://") else "https://"
        resource = known.get(other + address.partition("://")[2])
    return None if resource is None else resource.contents
