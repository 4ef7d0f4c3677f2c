"""``Facts``: what is asserted about one value, over all keywords. The vocabulary of the schema algebra.

A *located* schema is a pair (schema, path). A schema here is a boolean, an object of the document, or one of

    Facts   assertions that were derived, not read
    Not     the complement of a schema
    Conj    several schemas that one value must all satisfy

A *branch* is a tuple of located schemas that hold together, and a ``Choice`` is a disjunction of branches which
knows its own negation as well. So a schema object is read once (``reading.py``) into plain assertions and choices;
``negation.py`` gives its complement in the same terms, and ``alternatives.py`` turns any conjunction of these into
facts without choices: an assertion normal form with "exists" forms for members and items (Attouche et al., Witness
Generation for JSON Schema, 2022, section 4).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Any, Final

from constrain.frontends.json_schema.pointer import Path

NULL, BOOLEAN, INTEGER, FRACTION, STRING, ARRAY, OBJECT = (1 << i for i in range(7))
NUMBER: Final = INTEGER | FRACTION
ALL_TYPES: Final = 127
MAX_COUNT = 2**30  # of code points, items or members; engines count in 32 bits

Located = tuple[Any, Path]
Branch = tuple[Located, ...]


class Conj:
    """Several located schemas that one value must all satisfy. Stands wherever a schema can stand."""

    __slots__ = ("members",)

    def __init__(self, members: Branch) -> None:
        self.members = members


class Not:
    """The complement of a schema object or of ``Facts``. Use ``negate``."""

    __slots__ = ("schema",)

    def __init__(self, schema: Any) -> None:
        self.schema = schema


def negate(located: Located) -> Located:
    """The complement; double negations cancel, booleans flip. A ``Conj`` cannot be negated: negate its members."""
    schema, path = located
    if schema is True or schema is False:
        return not schema, path
    return (schema.schema if type(schema) is Not else Not(schema)), path


@dataclass(frozen=True, slots=True)
class Choice:
    """One of ``branches`` holds; one of ``deny()`` holds exactly if none of them does.

    ``inclusive``: branches may hold together, and each that does hold counts for ``unevaluated*`` (``anyOf``).
    ``exclusive``: no two branches may hold (``oneOf``).
    ``reference``: the only branch is what a ``$ref`` points to.
    """

    branches: tuple[Branch, ...]
    deny: Callable[[], tuple[Branch, ...]]
    inclusive: bool = False
    exclusive: bool = False
    reference: bool = False


@dataclass(frozen=True, slots=True)
class Text:
    """Strings that do (or do not: ``wanted`` false) match a ``pattern`` or a ``format``."""

    word: str
    value: str
    path: Path
    wanted: bool = True


@dataclass(frozen=True, slots=True)
class Bound:
    """An end of a range of numbers."""

    value: Fraction
    is_open: bool


@dataclass(frozen=True, slots=True)
class Members:
    """One schema's say over members: by declared name, by pattern of the key, else ``additional``."""

    path: Path
    properties: Mapping[str, Located]
    patterns: tuple[tuple[Text, Located], ...] = ()
    additional: Located = (True, None)


def asked_of_member(members: tuple[Members, ...], name: str, is_match: Callable[[Text, str], bool]) -> list[Located]:
    """What the value of the member ``name`` must satisfy; ``is_match``: does a string match a pattern?"""
    wanted: list[Located] = []
    for rules in members:
        declared = rules.properties.get(name)
        found = [] if declared is None else [declared]
        found += [located for text, located in rules.patterns if is_match(text, name)]
        wanted += found or [rules.additional]
    return wanted


@dataclass(frozen=True, slots=True)
class Keys:
    """A set of keys: those that match all of ``texts`` and none of ``names``, and, if given, satisfy ``schema``.

    ``others``: only keys that no keyword mentions by name are meant.
    """

    texts: tuple[Text, ...] = ()
    names: tuple[str, ...] = ()
    schema: Located | None = None
    others: bool = False

    @property
    def names_set(self) -> frozenset[str]:
        return frozenset(self.names)


@dataclass(frozen=True, slots=True)
class Contains:
    """From index ``start`` on, ``low`` to ``high`` items satisfy ``schema``."""

    schema: Located
    low: int
    high: int | None
    start: int = 0


@dataclass(frozen=True, slots=True)
class Refusal:
    """A keyword that is not enforced: what, where, why, and for which types of values."""

    word: str
    path: Path
    reason: str
    types: int
    hint: str | None = None


class Facts:
    """Assertions about one value. Class attributes are what holds where nothing is said. Never changed once made."""

    path: Path = None
    key: Hashable = None  # identity, of facts that stand as a schema
    plain: bool = False  # nothing asserted but ``types``
    only_values: bool = False  # nothing asserted but ``values`` (which may include some that ``types`` forbids)
    bare: bool = False  # nothing asserted but one reference
    is_flat: bool = False  # without choices, and nothing to expand
    refused: tuple[Refusal, ...] = ()
    choices: tuple[Choice, ...] = ()
    types: int = ALL_TYPES
    values: list[Any] | None = None  # ``enum`` and ``const``
    excluded: tuple[Any, ...] = ()  # values that are not allowed
    # strings
    shortest: int = 0  # code points
    longest: int | None = None
    texts: tuple[Text, ...] = ()
    # numbers
    lower: Bound | None = None
    upper: Bound | None = None
    multiples: tuple[tuple[Fraction, bool], ...] = ()  # (divisor, must it divide)
    # objects
    members: tuple[Members, ...] = ()
    required: tuple[str, ...] = ()
    names: tuple[Located, ...] = ()  # ``propertyNames``
    needs: tuple[tuple[str, tuple[str, ...]], ...] = ()  # ``dependentRequired``
    least: int = 0  # members
    most: int | None = None
    exists: tuple[tuple[Keys, Located], ...] = ()
    # arrays
    prefix: tuple[Located, ...] = ()
    rest: Located = (True, None)
    fewest: int = 0  # items
    utmost: int | None = None
    contains: tuple[Contains, ...] = ()
    unique: bool = False
    # in-place annotations, read by ``unevaluated.py``
    unevaluated_members: Located | None = None
    unevaluated_items: Located | None = None
    evaluates_members: bool = False  # are all members evaluated here (``additionalProperties`` is written)?
    evaluates_items: bool = False

    def __init__(self, path: Path = None, key: Hashable = None, **fields: Any) -> None:
        self.path, self.key = path, key
        self.__dict__.update(fields)

    def item(self, index: int) -> Located:
        """The schema of the array element ``index``."""
        return self.prefix[index] if index < len(self.prefix) else self.rest


NO_PROPERTIES: Mapping[str, Located] = MappingProxyType({})


def both(left: Located, right: Located) -> Located:
    """The schema that asks for both."""
    if left[0] is True or right[0] is False:
        return right
    if right[0] is True or left[0] is False:
        return left
    return Conj((*parts(left), *parts(right))), left[1]


def all_of(branch: Sequence[Located]) -> Located:
    """The schema that asks for all of ``branch``."""
    asked = [part for located in branch if located[0] is not True for part in parts(located)]
    for located in asked:
        if located[0] is False:
            return located
    if len(asked) < 2:
        return asked[0] if asked else (True, branch[0][1] if branch else None)
    return Conj(tuple(asked)), asked[0][1]


def parts(located: Located) -> Branch:
    """The members of a conjunction; a schema that is none is its own only member."""
    return located[0].members if type(located[0]) is Conj else (located,)


def tighter(left: Bound | None, right: Bound | None, sign: int) -> Bound | None:
    """The stronger of two lower (``sign`` 1) or upper (-1) bounds."""
    if left is None or right is None:
        return right if left is None else left
    if left.value == right.value:
        return left if left.is_open else right
    return left if (left.value > right.value) == (sign > 0) else right


def lower_bound(left: int | None, right: int | None) -> int | None:
    """The lower of two upper bounds, of which ``None`` is no bound."""
    if left is None or right is None:
        return right if left is None else left
    return min(left, right)
