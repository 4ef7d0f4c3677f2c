"""The formats' grammars, as ECMA-262 patterns that match the whole string.

Parts are named as in the RFCs. Every function takes the year of the draft and gives two patterns (``formats.py`` says
what they are for). Literals of ABNF have either case; where common checkers know one case only, the conforming
pattern keeps to it.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple


class Patterns(NamedTuple):
    """``conforming``: what may be written. ``widest``: what some reading allows; ``None`` when that is not known."""

    conforming: str
    widest: str | None


def _exact(pattern: str) -> Patterns:
    return Patterns(pattern, pattern)


def _any(*options: str) -> str:
    return f"(?:{'|'.join(options)})"


# --- dates and times: RFC 3339, section 5.6, 5.7 and appendix A ------------------------------------------------------

_FOURTH = "(?:[02468][048]|[13579][26])"  # two digits, a multiple of 4
_LEAP_YEAR = rf"(?:\d\d(?:0[48]|[2468][048]|[13579][26])|{_FOURTH}00)"
_LONG = r"(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])"
_SHORT = r"(?:0[469]|11)-(?:0[1-9]|[12]\d|30)"
_FEBRUARY = r"02-(?:0[1-9]|1\d|2[0-8])"
_FULL_DATE = _any(rf"\d{{4}}-{_any(_LONG, _SHORT, _FEBRUARY)}", rf"{_LEAP_YEAR}-02-29")
_HOUR = r"(?:[01]\d|2[0-3])"
_MINUTE = r"[0-5]\d"
_FRACTION = r"(?:\.\d+)?"
_OFFSET = rf"(?:[Zz]|[-+]{_HOUR}:{_MINUTE})"
_TIME = rf"{_HOUR}:{_MINUTE}:{_MINUTE}{_FRACTION}{_OFFSET}"
_LOOSE_TIME = rf"{_HOUR}:{_MINUTE}:(?:{_MINUTE}|60){_FRACTION}{_OFFSET}"


def date(year: int) -> Patterns:
    """``full-date``, with the days that the month has (section 5.7)."""
    return _exact(_FULL_DATE)


def time(year: int) -> Patterns:
    """``full-time``, without leap seconds in the conforming pattern: ``leap_seconds.py`` has them."""
    return Patterns(_TIME, _LOOSE_TIME)


def date_time(year: int) -> Patterns:
    """``date-time``, without leap seconds in the conforming pattern: ``leap_seconds.py`` has them."""
    return Patterns(rf"{_FULL_DATE}[Tt]{_TIME}", rf"{_FULL_DATE}[Tt]{_LOOSE_TIME}")


def duration(year: int) -> Patterns:
    """``duration``. The standard's ABNF lets the letters be small, ISO 8601 and checkers do not."""
    clock = r"T(?:\d+H(?:\d+M(?:\d+S)?)?|\d+M(?:\d+S)?|\d+S)"
    days = r"(?:\d+Y(?:\d+M(?:\d+D)?)?|\d+M(?:\d+D)?|\d+D)"
    large = rf"P(?:{days}(?:{clock})?|{clock}|\d+W)"
    return Patterns(large, re.sub("[PYMWDTHS]", lambda found: f"[{found[0]}{found[0].lower()}]", large))


# --- addresses of machines -------------------------------------------------------------------------------------------

_ALNUM = "[A-Za-z0-9]"
_LDH = "[-A-Za-z0-9]"
_LABEL = rf"{_ALNUM}(?:{_LDH}{{0,61}}{_ALNUM})?"
#: The same without labels that begin with xn--. First those of up to four characters.
_PLAIN_LABEL = _any(
    rf"{_ALNUM}(?:{_LDH}{{0,2}}{_ALNUM})?",
    rf"(?:[A-WYZa-wyz0-9]{_LDH}{{3}}|[Xx](?:[-A-MO-Za-mo-z0-9]{_LDH}{{2}}|[Nn](?:{_ALNUM}{_LDH}|-{_ALNUM})))"
    rf"{_LDH}{{0,58}}{_ALNUM}",
)
_HEX = "[0-9A-Fa-f]"
_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_IPV4 = rf"{_OCTET}(?:\.{_OCTET}){{3}}"


def hostname(year: int) -> Patterns:
    """RFC 1123, section 2.1: letters, digits and hyphens, labels of up to 63 characters.

    Since draft-07 a label that begins with ``xn--`` must be the Punycode of a valid label (RFC 5890), which no
    automaton can tell: such labels are not written.
    """
    every = rf"{_LABEL}(?:\.{_LABEL})*"
    return _exact(every) if year < 2018 else Patterns(rf"{_PLAIN_LABEL}(?:\.{_PLAIN_LABEL})*", every)


def ipv4(year: int) -> Patterns:
    """Dotted quad (RFC 2673, section 3.2); a leading zero would be octal to some, so there is none."""
    return _exact(_IPV4)


def ipv6(year: int) -> Patterns:
    """RFC 4291, section 2.2: no zone, no prefix length."""
    return _exact(_ipv6(7))


@cache
def _ipv6(most: int) -> str:
    """At most ``most`` groups beside ``::`` (for RFC 5321 it stands for two groups at least, for others one).

    An IPv4 address at the end is two groups; it stands only once in the pattern, because it is long.
    """
    group = f"{_HEX}{{1,4}}"
    whole, before_ipv4 = [f"{group}(?::{group}){{7}}"], [f"(?:{group}:){{6}}"]
    for read in range(most + 1):
        left = most - read
        start = f"{group}(?::{group}){{{read - 1}}}::" if read else "::"
        whole.append(start + (f"(?:{group}(?::{group}){{0,{left - 1}}})?" if left else ""))
        if left >= 2:
            before_ipv4.append(f"{start}(?:{group}:){{0,{left - 2}}}")
    return _any(*whole, _any(*before_ipv4) + _IPV4)


# --- mail addresses: RFC 5321, section 4.1.2, and RFC 6531, section 3.3 ----------------------------------------------


def email(year: int) -> Patterns:
    """``Mailbox``. Before 2019-09 it was ``addr-spec`` of RFC 5322, which has comments beside that.

    An address literal has one of the two registered forms, IPv4 without leading zeros.
    """
    return Patterns(_mailbox("", _literal()), _mailbox("", _LOOSE_LITERAL) if year >= 2019 else None)


def idn_email(year: int) -> Patterns:
    """``Mailbox`` with any characters beyond ASCII wherever it has letters; labels are not checked for IDNA."""
    return Patterns(_mailbox(_BEYOND_ASCII, _literal()), _mailbox(_BEYOND_ASCII, _LOOSE_LITERAL))


_BEYOND_ASCII = r"\u0080-\u{10ffff}"
_LOOSE_LITERAL = r"\[[!-Z^-~]+\]"


def _mailbox(more: str, address_literal: str) -> str:
    """``more``: further members of character classes."""
    atom = f"[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~{more}-]+"
    quoted = rf'"(?:[ !#-\[\]-~{more}]|\\[ -~])*"'
    letter = f"[A-Za-z0-9{more}]"
    label = f"{letter}(?:[A-Za-z0-9{more}-]*{letter})?"
    return rf"(?:{atom}(?:\.{atom})*|{quoted})@(?:{label}(?:\.{label})*|{address_literal})"


def _literal() -> str:
    return rf"\[(?:{_IPV4}|[Ii][Pp][Vv]6:{_ipv6(6)})\]"


# --- URIs: RFC 3986, appendix A, RFC 3987, section 2.2, and RFC 6570, section 2 --------------------------------------

_PERCENT = f"%{_HEX}{{2}}"
_UCS = r"\u00a0-\ud7ff\uf900-\ufdcf\ufdf0-\uffef" + "".join(
    rf"\u{{{plane:x}{'1000' if plane == 14 else '0000'}}}-\u{{{plane:x}fffd}}" for plane in range(1, 15)
)
_PRIVATE = r"\ue000-\uf8ff\u{f0000}-\u{ffffd}\u{100000}-\u{10fffd}"
#: The same without the signs of direction, which RFC 3987 (section 4.1) keeps out of IRIs.
_UCS_UNSIGNED = _UCS.replace(r"\u00a0-\ud7ff", r"\u00a0-\u200d\u2010-\u2029\u202f-\ud7ff")


def uri(year: int) -> Patterns:
    """``URI``: with a scheme."""
    return _exact(_uri("", ""))


def uri_reference(year: int) -> Patterns:
    """``URI-reference``: with or without a scheme."""
    return _exact(_reference("", ""))


def iri(year: int) -> Patterns:
    """``IRI``."""
    return Patterns(_uri(_UCS_UNSIGNED, _PRIVATE), _uri(_UCS, _PRIVATE))


def iri_reference(year: int) -> Patterns:
    """``IRI-reference``."""
    return Patterns(_reference(_UCS_UNSIGNED, _PRIVATE), _reference(_UCS, _PRIVATE))


def _character(ucs: str, others: str) -> str:
    """Unreserved characters, sub-delims, and ``others``."""
    return rf"(?:[A-Za-z0-9._~!$&'()*+,;={ucs}{others}-]|{_PERCENT})"


@cache
def _authority(ucs: str) -> str:
    """With the slashes before and the path behind. An IPv4 address is a registered name, too."""
    future = rf"[Vv]{_HEX}+\.[A-Za-z0-9._~!$&'()*+,;=:-]+"
    host = _any(rf"\[(?:{_ipv6(7)}|{future})\]", f"{_character(ucs, '')}*")
    return f"//(?:{_character(ucs, ':')}*@)?{host}(?::[0-9]*)?(?:/{_character(ucs, ':@/')}*)?"


@cache
def _query_and_fragment(ucs: str, private: str) -> str:
    return rf"(?:\?{_character(ucs, ':@/?' + private)}*)?(?:#{_character(ucs, ':@/?')}*)?"


_SCHEME = "[A-Za-z][A-Za-z0-9+.-]*:"


def _uri(ucs: str, private: str) -> str:
    path = f"/?(?:{_character(ucs, ':@')}{_character(ucs, ':@/')}*)?"
    return f"{_SCHEME}{_any(_authority(ucs), path)}{_query_and_fragment(ucs, private)}"


def _reference(ucs: str, private: str) -> str:
    """Without a scheme the first segment has no colon, unless a slash comes before."""
    path = f"{_character(ucs, ':@')}{_character(ucs, ':@/')}*"
    rootless = f"{_character(ucs, '@')}+(?:/{_character(ucs, ':@/')}*)?"
    options = (f"(?:{_SCHEME})?{_authority(ucs)}", f"(?:{_SCHEME})?/(?:{path})?", f"{_SCHEME}(?:{path})?", rootless, "")
    return f"{_any(*options)}{_query_and_fragment(ucs, private)}"


def uri_template(year: int) -> Patterns:
    """``URI-Template``, with the apostrophe that its erratum 6937 adds to literals.

    Operators that are reserved for the future (section 2.2) are not written.
    """
    literals = rf"(?:[!#$&-;=?-\[\]_a-z~{_UCS}{_PRIVATE}]|{_PERCENT})"
    varchar = f"(?:[A-Za-z0-9_]|{_PERCENT})"
    varspec = rf"{varchar}(?:\.?{varchar})*(?:\*|:[1-9][0-9]{{0,3}})?"
    strict, loose = (
        rf"(?:{literals}|\{{{operator}?{varspec}(?:,{varspec})*\}})*" for operator in ("[+#./;?&]", "[+#./;?&=,!@|]")
    )
    return Patterns(strict, loose)


# --- pointers and identifiers ----------------------------------------------------------------------------------------

_POINTER = r"(?:/(?:[^/~]|~[01])*)*"


def json_pointer(year: int) -> Patterns:
    """RFC 6901, section 3."""
    return _exact(_POINTER)


def relative_json_pointer(year: int) -> Patterns:
    """Relative JSON Pointers, section 3. Index adjustments (``0+1``), new in 2019, are not written: few know them."""
    plain, adjusted = (rf"(?:0|[1-9][0-9]*)(?:#|{index}{_POINTER})" for index in ("", "(?:[+-](?:0|[1-9][0-9]*))?"))
    return Patterns(plain, plain if year < 2019 else adjusted.replace("(?:#|", "(?:(?:[+-](?:0|[1-9][0-9]*))?#|"))


def uuid(year: int) -> Patterns:
    """RFC 4122, section 3: any version, any variant."""
    return _exact(f"{_HEX}{{8}}(?:-{_HEX}{{4}}){{3}}-{_HEX}{{12}}")


# --- regular expressions ---------------------------------------------------------------------------------------------

_DEPTH = 4  # how deep the groups nest that are written


def regex(year: int) -> Patterns:
    """ECMA-262 patterns. All of them are no regular language, so a part is written, valid also for Python.

    Groups nest up to ``_DEPTH`` deep and have no names; there are no back-references and no look-around but ``\\b`` and
    ``\\B``; braces and closing brackets are escaped wherever they stand for themselves; numbers in braces have up to
    three digits, and a second one has more of them unless both have one; ranges are of digits, or of letters of one
    case from the first or to the last.
    """
    syntax = r"\^$.*+?()[\]{}|/\\"
    escape = rf"\\(?:[dDwWsSfnrtv{syntax}]|x{_HEX}{{2}}|u{_HEX}{{4}})"
    digits = (f"{digit}-[{digit}-9]" for digit in range(10))
    span = _any(*digits, "a-[a-z]", "[a-z]-z", "A-[A-Z]", "[A-Z]-Z")
    member = _any(r"[^-\[\]\\^&~|]", r"\\-", escape, span)
    brackets = rf"\[\^?(?:-?{member}+|-)-?\]"
    single = _any(*(f"{digit}(?:,[{digit}-9]?)?" for digit in range(10)))
    longer = "[0-9],[1-9][0-9]{1,2}|[1-9][0-9],[1-9][0-9]{2}|[1-9][0-9]{1,2},?"
    quantifier = rf"(?:[*+?]|\{{(?:{single}|{longer})\}})\??"
    atom = rf"[^{syntax}]|/|\.|{escape}|{brackets}"
    text = ""
    for depth in range(_DEPTH + 1):
        inner = rf"|\((?:\?:)?{text}\)" if depth else ""
        text = rf"(?:(?:{atom}{inner})(?:{quantifier})?|\||[\^$]|\\[bB])*"
    return Patterns(text, None)
