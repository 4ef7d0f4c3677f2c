"""The standard formats of strings (``format``) as regular languages over the code points of the string's value.

Each format is one ECMA-262 pattern, put together from named parts as the RFC's own grammar is, and read when it is
first asked for. Where a standard leaves room (letter case of ``P1D``, comments in mail addresses), or asks for what no
automaton tells (is ``xn--...`` valid Punycode? do the groups of a pattern nest?), there are two languages: the strings
that conform under every reading, which may be written, and those that conform under some reading, which a
negation must avoid.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property

from constrain.frontends.json_schema import format_patterns as patterns
from constrain.frontends.json_schema.leap_seconds import leap_date_times, leap_times
from constrain.frontends.regex import regex_to_rx
from constrain.ir.rx import Rx, union


@dataclass(frozen=True)
class Format:
    """One format in one draft: the strings of ``rx`` that have at most ``high`` symbols (``None``: no bound).

    They conform, whoever judges. ``loose`` is a pattern for all strings that somebody takes to conform, ``None`` when
    none is known.
    """

    rx: Rx
    high: int | None
    is_exact: bool  # nothing is left out but by ``high``
    loose: str | None

    @cached_property
    def widest(self) -> Rx | None:
        """A superset of all strings that somebody takes to conform: what must *not* conform has to lie outside.

        ``None``: no such set is known, but for that of all strings.
        """
        if self.is_exact:
            return self.rx
        return None if self.loose is None else regex_to_rx(self.loose, dialect="ecma")


#: Name to the year of the first draft that defines it (``dialect.py``), and the maker of its patterns.
_MAKERS: dict[str, tuple[int, Callable[[int], patterns.Patterns]]] = {
    "date-time": (2013, patterns.date_time),
    "email": (2013, patterns.email),
    "hostname": (2013, patterns.hostname),
    "ipv4": (2013, patterns.ipv4),
    "ipv6": (2013, patterns.ipv6),
    "uri": (2013, patterns.uri),
    "uri-reference": (2017, patterns.uri_reference),
    "uri-template": (2017, patterns.uri_template),
    "json-pointer": (2017, patterns.json_pointer),
    "date": (2018, patterns.date),
    "time": (2018, patterns.time),
    "idn-email": (2018, patterns.idn_email),
    "iri": (2018, patterns.iri),
    "iri-reference": (2018, patterns.iri_reference),
    "relative-json-pointer": (2018, patterns.relative_json_pointer),
    "regex": (2018, patterns.regex),
    "duration": (2019, patterns.duration),
    "uuid": (2019, patterns.uuid),
}
FORMATS = frozenset(_MAKERS)
_BESIDE = {"date-time": leap_date_times, "time": leap_times}  # what a pattern would not say well
_LENGTHS = {"hostname": 253}  # RFC 1035, section 2.3.4: 255 octets with a length before each label and an empty last

#: Standard formats without a useful regular part: the year of the first draft that defines them, and the reason.
NOT_REGULAR: dict[str, tuple[int, str]] = {
    "idn-hostname": (
        2018,
        "whether an internationalised label is valid depends on its normal form, the directions of its letters and the"
        " length of its Punycode (RFC 5890 to 5893)",
    ),
}


@cache
def string_format(name: str, year: int) -> Format | None:
    """The format called ``name`` in the draft of that year (``dialect.py``).

    ``None`` for names that the draft does not define, which assert nothing, and for those in ``NOT_REGULAR``: see
    ``why_not_regular``.
    """
    first, maker = _MAKERS.get(name, (None, None))
    if first is None or maker is None or year < first:
        return None
    made = maker(year)
    rx = regex_to_rx(made.conforming, dialect="ecma")
    if name in _BESIDE:
        rx = union((rx, _BESIDE[name]()))
    return Format(rx, _LENGTHS.get(name), made.widest == made.conforming, made.widest)


def format_rx(name: str, year: int) -> Rx | None:
    """The ``rx`` of ``string_format``, without the bound of the length."""
    found = string_format(name, year)
    return found.rx if found else None


def why_not_regular(name: str, year: int) -> str | None:
    """Why a format of this draft cannot be enforced; ``None`` if it can, or if there is no such format."""
    first, reason = NOT_REGULAR.get(name, (None, None))
    return reason if first is not None and year >= first else None
