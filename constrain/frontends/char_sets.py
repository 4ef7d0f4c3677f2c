"""Sets of code points that patterns name: categories, white space, case variants, Unicode properties.

Everything is read off the running Python (``re``, ``unicodedata``), so the sets are those of ``re`` itself and of
its Unicode version. A set is computed when it is first asked for, once, and kept: importing this module scans
nothing. Ranges are inclusive, sorted and disjoint as in ``constrain.ir.rx``; surrogates are never members.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from functools import cache, lru_cache
from itertools import groupby

from constrain.ir import rx
from constrain.ir.rx import Ranges, Rx

try:
    import _sre  # type: ignore[import-not-found]
    from re import _casefix, _compiler  # type: ignore[attr-defined]
except ImportError as error:  # pragma: no cover - only on an interpreter without these modules
    raise ImportError(
        f"this Python ({sys.version.split()[0]}) lacks the private modules _sre and re._compiler,"
        " from which constrain reads how `re` folds case; use CPython 3.11 or newer"
    ) from error

LINE_FEED: Ranges = ((10, 10),)
ECMA_LINE_ENDS: Ranges = ((0x0A, 0x0A), (0x0D, 0x0D), (0x2028, 0x2029))
#: ECMA-262 WhiteSpace and LineTerminator (which together are ``\s``).
ECMA_SPACE: Ranges = (
    (0x09, 0x0D), (0x20, 0x20), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A),
    (0x2028, 0x2029), (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000), (0xFEFF, 0xFEFF),
)  # fmt: skip
ASCII_SETS: dict[str, Ranges] = {
    "d": ((0x30, 0x39),),
    "w": ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)),
    "s": ((0x09, 0x0D), (0x20, 0x20)),
}
_LONG_CATEGORIES = {
    "Letter": "L", "Cased_Letter": "LC", "Uppercase_Letter": "Lu", "Lowercase_Letter": "Ll", "Titlecase_Letter": "Lt",
    "Modifier_Letter": "Lm", "Other_Letter": "Lo", "Mark": "M", "Combining_Mark": "M", "Nonspacing_Mark": "Mn",
    "Spacing_Mark": "Mc", "Enclosing_Mark": "Me", "Number": "N", "Decimal_Number": "Nd", "digit": "Nd",
    "Letter_Number": "Nl", "Other_Number": "No", "Punctuation": "P", "punct": "P", "Connector_Punctuation": "Pc",
    "Dash_Punctuation": "Pd", "Open_Punctuation": "Ps", "Close_Punctuation": "Pe", "Initial_Punctuation": "Pi",
    "Final_Punctuation": "Pf", "Other_Punctuation": "Po", "Symbol": "S", "Math_Symbol": "Sm", "Currency_Symbol": "Sc",
    "Modifier_Symbol": "Sk", "Other_Symbol": "So", "Separator": "Z", "Space_Separator": "Zs", "Line_Separator": "Zl",
    "Paragraph_Separator": "Zp", "Other": "C", "Control": "Cc", "cntrl": "Cc", "Format": "Cf", "Surrogate": "Cs",
    "Private_Use": "Co", "Unassigned": "Cn",
}  # fmt: skip
_CASE_END = 0x20000  # no planes past the second hold cased scripts; checked in the tests


def scalars(ranges: Ranges) -> Ranges:
    """The ranges without the surrogates."""
    if not ranges or ranges[-1][1] < rx.SURROGATES[0]:
        return ranges
    first, last = rx.SURROGATES
    cut = [part for low, high in ranges for part in ((low, min(high, first - 1)), (max(low, last + 1), high))]
    return rx.merge_ranges(cut)


@lru_cache(maxsize=4096)
def one(code: int) -> Rx:
    """Exactly this code point (nothing, if it is a surrogate)."""
    return rx.NOTHING if rx.SURROGATES[0] <= code <= rx.SURROGATES[1] else rx.Chars(((code, code),))


def all_code_points() -> str:
    """Every code point in order, surrogates included: an index into this string is a code point."""
    return array("I", range(sys.maxunicode + 1)).tobytes().decode(f"utf-32-{sys.byteorder[0]}e", "surrogatepass")


@cache
def unicode_set(letter: str) -> Ranges:
    """The Unicode meaning that ``re`` gives to ``\\d``, ``\\s`` or ``\\w`` (``letter`` without the backslash)."""
    spans = (match.span() for match in re.finditer(rf"\{letter}+", all_code_points()))
    return scalars(tuple((start, end - 1) for start, end in spans))


@cache
def cased() -> tuple[tuple[int, ...], str]:
    """All code points whose case matters to ``re.IGNORECASE``: sorted, and as one string."""
    codes = set(filter(_sre.unicode_iscased, range(_CASE_END))) | set(_casefix._EXTRA_CASES)
    codes.update(other for others in _casefix._EXTRA_CASES.values() for other in others)
    return tuple(sorted(codes)), "".join(map(chr, sorted(codes)))


@lru_cache(maxsize=4096)
def ignore_case(ranges: Ranges, spelled: str, flags: int) -> Ranges:
    """What ``re`` matches with ``flags`` (IGNORECASE, perhaps ASCII) where it would match ``ranges`` without.

    ``re`` itself is asked about each cased code point. ``spelled`` is the question, a pattern in the form in which
    the user has it: ``re`` treats a lone character, a set of characters and a range of them each in its own way,
    beyond U+FFFF not always as documented.
    """
    codes, text = cased()
    if not any(bisect_left(codes, low) < bisect_left(codes, high + 1) for low, high in ranges):
        return ranges
    found = _compiler.compile(spelled, flags).findall(text)
    return rx.merge_ranges((*_without(ranges, codes), *((ord(c), ord(c)) for c in found)))


@lru_cache(maxsize=1024)
def same_lower_case(code: int, ascii_only: bool) -> Ranges:
    """The code points that ``re`` takes for ``code`` in a back-reference that ignores case: those of the same lower
    case."""
    lower = _sre.ascii_tolower if ascii_only else _sre.unicode_tolower
    same = (c for c in cased()[0] if lower(c) == lower(code))
    return rx.merge_ranges(((code, code), *((c, c) for c in same)))


def ignore_ascii_case(ranges: Ranges) -> Ranges:
    """``ranges`` with both cases of each ASCII letter in it: IGNORECASE of bytes."""
    extra = []
    for low, high in ranges:
        for first, last, shift in ((0x41, 0x5A, 32), (0x61, 0x7A, -32)):
            extra.append((max(low, first) + shift, min(high, last) + shift))
    return rx.merge_ranges((*ranges, *extra))


def _without(ranges: Ranges, codes: tuple[int, ...]) -> list[tuple[int, int]]:
    """The ranges with single code points (sorted) taken out."""
    left = []
    for low, high in ranges:
        for code in codes[bisect_left(codes, low) : bisect_left(codes, high + 1)]:
            left.append((low, code - 1))
            low = code + 1
        left.append((low, high))
    return left


@cache
def _categories() -> dict[str, Ranges]:
    """General category (two letters) to its code points."""
    spans: dict[str, list[tuple[int, int]]] = {}
    position = 0
    for name, group in groupby(map(unicodedata.category, all_code_points())):
        end = position + sum(1 for _ in group)
        spans.setdefault(name, []).append((position, end - 1))
        position = end
    return {name: tuple(ranges) for name, ranges in spans.items()}


@cache
def _case_property(upper: bool) -> Ranges:
    test = str.isupper if upper else str.islower
    return rx.merge_ranges((code, code) for code in range(_CASE_END) if test(chr(code)))


@cache
def property_set(text: str) -> Ranges | None:
    """The set of ``\\p{text}``, or ``None`` when this Python knows no such property.

    Known are the general categories (``Lu``, ``gc=Lu``, ``General_Category=Uppercase_Letter``, ``L``, ``LC``) and
    ``Any``, ``ASCII``, ``Assigned``, ``Uppercase``, ``Lowercase``, ``White_Space``. Python carries no script data.
    """
    name, equals, value = text.partition("=")
    if equals:
        return _category_set(value) if name in ("General_Category", "gc") else None
    binary = {
        "Any": ((0, rx.MAX_CODE_POINT),),
        "ASCII": ((0, 0x7F),),
        "White_Space": _WHITE_SPACE,
        "space": _WHITE_SPACE,
    }
    if text in binary:
        return scalars(binary[text])
    if text == "Assigned":
        return rx.invert_ranges(_categories()["Cn"])
    if text in ("Uppercase", "Upper", "Lowercase", "Lower"):
        return _case_property(text.startswith("U"))
    return _category_set(text)


_WHITE_SPACE: Ranges = (
    (0x09, 0x0D), (0x20, 0x20), (0x85, 0x85), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A),
    (0x2028, 0x2029), (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000),
)  # fmt: skip


def _category_set(value: str) -> Ranges | None:
    short = _LONG_CATEGORIES.get(value, value)
    wanted = ("Lu", "Ll", "Lt") if short == "LC" else tuple(n for n in _categories() if n == short or n[0] == short)
    ranges = [span for name in wanted for span in _categories()[name]]
    return scalars(rx.merge_ranges(ranges)) if wanted else None


def atoms(sets: Sequence[Ranges]) -> list[tuple[Ranges, frozenset[int]]]:
    """The coarsest classes of symbols that no set splits, each with the positions of the sets that it is in; symbols
    in no set are left out."""
    events = sorted(event for i, ranges in enumerate(sets) for a, b in ranges for event in ((a, 1, i), (b + 1, 0, i)))
    classes: dict[frozenset[int], list[tuple[int, int]]] = {}
    active: set[int] = set()
    before = 0
    for position, opens, index in events:
        if position > before and active:
            classes.setdefault(frozenset(active), []).append((before, position - 1))
        before = position
        (active.add if opens else active.discard)(index)
    return [(tuple(ranges), used) for used, ranges in classes.items()]


def common(left: Ranges, right: Ranges) -> Ranges:
    """The symbols in both."""
    found, i, j = [], 0, 0
    while i < len(left) and j < len(right):
        low, high = max(left[i][0], right[j][0]), min(left[i][1], right[j][1])
        if low <= high:
            found.append((low, high))
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1
    return tuple(found)
