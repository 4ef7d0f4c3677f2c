"""URI references: RFC 3986, section 5, with the letter of its algorithm.

``urllib.parse.urljoin`` resolves only under the schemes that it knows; schemas are named by all kinds (``urn:``,
``tag:``, an application's own), and each of them may be the base of a relative reference.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

# The regular expression of RFC 3986, appendix B. It matches every string.
_URI = re.compile(r"(?:([^:/?#]+):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL)


class _Parts(NamedTuple):
    scheme: str | None
    authority: str | None
    path: str
    query: str | None

    def text(self) -> str:
        scheme = "" if self.scheme is None else self.scheme + ":"
        authority = "" if self.authority is None else "//" + self.authority
        return scheme + authority + self.path + ("" if self.query is None else "?" + self.query)


@lru_cache(maxsize=4096)
def join(base: str, reference: str) -> str:
    """The address that ``reference`` means where ``base`` is the base URI, without a fragment (section 5.2.2).

    An empty ``base`` is an unknown one: a relative reference then stays as it is.
    """
    given, ground = _split(reference), _split(base)
    if given.scheme is not None:
        return given._replace(path=_without_dots(given.path)).text()
    if given.authority is not None:
        return given._replace(scheme=ground.scheme, path=_without_dots(given.path)).text()
    if not given.path:
        return ground._replace(query=ground.query if given.query is None else given.query).text()
    path = given.path if given.path.startswith("/") else _merged(ground, given.path)
    path = _without_dots(path) if base else path
    return _Parts(ground.scheme, ground.authority, path, given.query).text()


def _split(uri: str) -> _Parts:
    match = _URI.fullmatch(uri)
    assert match is not None  # by the form of the expression
    scheme, authority, path, query, _ = match.groups()
    return _Parts(scheme, authority, path, query)


def _merged(base: _Parts, path: str) -> str:
    """Section 5.2.3."""
    if base.authority is not None and not base.path:
        return "/" + path
    return base.path[: base.path.rfind("/") + 1] + path


def _without_dots(path: str) -> str:
    """Section 5.2.4, segment by segment."""
    segments = path.split("/")
    start = 0
    while segments[start] in (".", "..") and start + 1 < len(segments):
        start += 1
    done = [segments[start]] if segments[start] not in ("", ".", "..") else []
    for segment in segments[start + 1 :]:
        if segment == ".." and done:
            done.pop()
        elif segment not in (".", ".."):
            done.append("/" + segment)
    if len(segments) > start + 1 and segments[-1] in (".", ".."):
        done.append("/")
    return "".join(done)
