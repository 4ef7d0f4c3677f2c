"""Objects: members by name, by pattern of the key, and others; how many, which together, in which order.

Each declared key appears at most once, in its canonical spelling. Other keys are any JSON strings whose *values*
are none of the declared names, however they are spelled, and no two of them are the same: the ``Bag`` sees to that.
Keys that only few strings satisfy (a pattern such as ``^(a|b)$``) count as declared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from constrain.automata.regions import Region, regions
from constrain.errors import LimitExceeded
from constrain.frontends.json_schema.facts import Facts, Keys, Located, Text, all_of, asked_of_member, both
from constrain.frontends.json_schema.languages import few_words, is_nothing, meet_rx
from constrain.frontends.json_schema.layout import QUOTE
from constrain.frontends.json_schema.matching import matches
from constrain.frontends.json_schema.outcome import Impossible, Lowerer, Outcome, union_of
from constrain.frontends.json_schema.pointer import Path, pointer
from constrain.frontends.json_schema.values import spell_string
from constrain.frontends.json_schema.witnesses import declared_names, partitions
from constrain.ir.grammar import Bag, Expr, Item, Joined, Seq, Terminal
from constrain.ir.rx import ANY_TEXT, Rx, literal, union

MAX_WORDS = 64  # keys that a pattern may admit to count as declared
_ANYTHING: Located = (True, None)
MAX_WITNESSES = 4  # members that must exist among the others


@dataclass
class Named:
    """A member with a declared key."""

    name: str
    value: Expr
    required: bool


@dataclass
class Kind:
    """Members with other keys, all of ``keys``, and the schema of their values."""

    keys: Rx
    located: Located


def object_expr(lowerer: Lowerer, facts: Facts, depth: int) -> Outcome:
    """The objects whose members satisfy their schemas, in a number within the bounds, with the required ones."""
    layout = lowerer.layout
    if _is_free(facts):
        return lowerer.anything(layout.any_object)
    names = declared_names(facts)
    kinds = _other_kinds(lowerer, facts, names)
    for kind in list(kinds):
        few = few_words(kind.keys, MAX_WORDS)
        if few is not None and not facts.exists:
            names += [word for word in few if word not in names]
            kinds.remove(kind)
    named = _named(lowerer, facts, names, depth)
    if isinstance(named, Impossible):
        return named
    words = tuple(names)
    ways = [_members(lowerer, facts, named, others) for others in _others(lowerer, facts, kinds, words, depth)]
    possible = union_of(ways)
    if possible is None:
        return ways[0] if ways else Impossible(facts.path, "a member is asked for that no key can have")
    return layout.object(possible)


def evident_object(lowerer: Lowerer, schema: dict[str, Any], path: Path, closed: bool) -> Expr | None:
    """What ``object_expr`` gives for an evident schema (``evident.py``) of declared members, without detours: nearly
    all rules are made here. ``None`` where it does not look at all: members that are required and not declared.
    """
    layout, properties, required = lowerer.layout, schema.get("properties", {}), schema.get("required", ())
    if not all(name in properties for name in required):
        return None
    base, parts = (path, "properties"), []
    for name, value in properties.items():
        expr = lowerer.lower((value, (base, name)), 1)
        if type(expr) is not Impossible:  # else the member may be absent, and must be
            parts.append((layout.member(spell_string(name), expr), name in required))  # type: ignore[arg-type]
    additional = schema.get("additionalProperties", not (closed and "properties" in schema))
    if additional is not False:
        kind = Kind(ANY_TEXT, (additional, (path, "additionalProperties")))
        others = _item(lowerer, kind, tuple(properties), 0, 1)
        if others:
            parts.append((Bag(tuple(others), layout.comma, low=1), False))
    return layout.object(Joined(tuple(parts), layout.comma))


def _is_free(facts: Facts) -> bool:
    return not (
        facts.members or facts.required or facts.needs or facts.names or facts.exists or facts.least
    ) and facts.most is None  # fmt: skip


# ---- keys --------------------------------------------------------------------------------------------------


def schema_of_member(lowerer: Lowerer, facts: Facts, name: str) -> Located:
    """What the value of the member ``name`` must satisfy; ``False`` if no object may have it."""
    asked = all_of(asked_of_member(facts.members, name, lowerer.is_match))
    if asked[0] is not False and not all(lowerer.satisfies(name, (located,)) for located in facts.names):
        return False, facts.path
    return asked


def _other_kinds(lowerer: Lowerer, facts: Facts, names: list[str]) -> list[Kind]:
    """A partition of the keys that no keyword mentions by name, by the patterns that they match."""
    texts = list({text.value: text for rules in facts.members for text, _ in rules.patterns}.values())
    kinds: dict[object, Kind] = {}
    for matched, keys in _regions(lowerer, facts, texts, names):
        located = _asked_of_kind(facts, {texts[i].value for i in matched if i < len(texts)})
        if located[0] is False:
            continue
        same = _identity(located)
        kinds[same] = Kind(union((kinds[same].keys, keys)), located) if same in kinds else Kind(keys, located)
    return list(kinds.values())


def _regions(lowerer: Lowerer, facts: Facts, texts: list[Text], names: list[str]) -> list[Region]:
    """The keys other than ``names``, divided by the patterns that they match; only what ``propertyNames`` allows."""
    rules = [lowerer.text_rx(text) for text in texts]
    rules += [lowerer.keys_rx(Keys(schema=located)) for located in facts.names]
    if not rules:
        return [(frozenset(), ANY_TEXT)]
    needed = frozenset(range(len(texts), len(rules)))
    if len(rules) == 1 and (needed or _asked_of_kind(facts, set())[0] is False):
        return [(frozenset((0,)), rules[0] - union(map(literal, names)) if _any_match(rules[0], names) else rules[0])]
    found = regions((*rules, union(map(literal, names))) if names else tuple(rules))
    return [(matched, keys) for matched, keys in found if needed <= matched and len(rules) not in matched]


def _any_match(rx: Rx, names: list[str]) -> bool:
    return any(matches(rx, name) for name in names)


def _asked_of_kind(facts: Facts, matched: set[str]) -> Located:
    wanted: list[Located] = []
    for rules in facts.members:
        wanted += [located for text, located in rules.patterns if text.value in matched] or [rules.additional]
    return all_of(wanted)


def _identity(located: Located) -> object:
    return located[0] if isinstance(located[0], bool) else id(located[0])


# ---- members -----------------------------------------------------------------------------------------------


def _named(lowerer: Lowerer, facts: Facts, names: list[str], depth: int) -> list[Named] | Impossible:
    required = frozenset(facts.required)
    named = []
    for name in names:
        located = schema_of_member(lowerer, facts, name)
        value = lowerer.lower(located, depth)
        if not isinstance(value, Impossible):
            named.append(Named(name, lowerer.layout.member(spell_string(name), value), name in required))
        elif name in required:
            declared = any(rules.properties.get(name, _ANYTHING)[0] is False for rules in facts.members)
            if located[0] is False and not declared:
                return Impossible(facts.path, f"member {name!r} is required, and {_forbids(facts, name)} forbids it")
            return value
    return named


def _forbids(facts: Facts, name: str) -> str:
    if any(name in rules.properties for rules in facts.members):
        return "properties"
    return "propertyNames" if facts.names else "additionalProperties"


def _others(lowerer: Lowerer, facts: Facts, kinds: list[Kind], names: tuple[str, ...], depth: int) -> list[list[Item]]:
    """For each way in which the members that must exist can be told apart: the items for other members."""
    if len(facts.exists) > MAX_WITNESSES:
        where = f"members that must exist at {pointer(facts.path) or '/'}"
        raise LimitExceeded(where, len(facts.exists), MAX_WITNESSES)
    general = [
        item for kind in kinds for item in _item(lowerer, kind, names if kind.keys == ANY_TEXT else (), 0, depth)
    ]
    ways: list[list[Item]] = []
    for groups in partitions(list(facts.exists)):
        ways += _with_witnesses(lowerer, general, kinds, groups, names, depth)
    return ways


def _with_witnesses(
    lowerer: Lowerer,
    general: list[Item],
    kinds: list[Kind],
    groups: list[list[tuple[Keys, Located]]],
    names: tuple[str, ...],
    depth: int,
) -> list[list[Item]]:
    """One way for each choice of a kind for each group of witnesses that are one member."""
    ways: list[list[Item]] = [general]
    for group in groups:
        keys = meet_rx(*(lowerer.keys_rx(keys) for keys, _ in group))
        asked = all_of([located for _, located in group])
        found = []
        for kind in kinds:
            narrow = Kind(meet_rx(kind.keys, keys), both(kind.located, asked))
            banned = names if kind.keys == ANY_TEXT else ()
            item = [] if is_nothing(narrow.keys) else _item(lowerer, narrow, banned, 1, depth)
            found += [[*item, *way] for way in ways if item]
        ways = found
    return ways


def _item(lowerer: Lowerer, kind: Kind, banned: tuple[str, ...], low: int, depth: int) -> list[Item]:
    """The item for members of a kind with keys other than those ``banned``; none if no value satisfies their schema."""
    layout = lowerer.layout
    value = lowerer.lower(kind.located, depth)
    if isinstance(value, Impossible):
        return []
    word = Terminal(kind.keys, "json", name="other key", exclude=banned)
    return [Item(layout.after_key(value), low, None, opening=QUOTE, word=word)]


def _members(lowerer: Lowerer, facts: Facts, named: list[Named], others: list[Item]) -> Outcome:
    """All members, between the brackets."""
    comma = lowerer.layout.comma
    needs = _needs(facts, named)
    if isinstance(needs, Impossible):
        return needs
    named, links = needs
    required = sum(member.required for member in named)
    least = max(facts.least, required + sum(item.low for item in others))
    most = facts.most
    if most is not None and not others and most >= len(named):
        most = None
    if most is not None and most < least:
        return Impossible(facts.path, f"at least {least} members are asked for, and at most {most}")
    if not others and least > len(named):
        return Impossible(facts.path, f"at least {least} members are asked for, and {len(named)} are allowed")
    plain = not links and most is None and facts.least <= required + sum(item.low for item in others)
    if plain and not lowerer.any_order:
        parts = [(member.value, member.required) for member in named]
        if others:
            sure = any(item.low for item in others)
            parts.append((Bag(tuple(others), comma, low=1), sure))
        return Joined(tuple(parts), comma)
    if not named and not others:
        return Seq()
    lowerer.uses("counter", facts.path, ("minProperties", "maxProperties", "dependentRequired", "dependencies"))
    if plain and len(named) + len(others) == 1 and named:
        return Joined(((named[0].value, named[0].required),), comma)
    items = [Item(member.value, int(member.required), 1, needs=links.get(i, ())) for i, member in enumerate(named)]
    return Bag((*items, *others), comma, facts.least, most, ordered=not lowerer.any_order)


def _needs(facts: Facts, named: list[Named]) -> tuple[list[Named], dict[int, tuple[int, ...]]] | Impossible:
    """Which members need which, by position, when those that need an impossible one are left out."""
    if not facts.needs:
        return named, {}
    asked: dict[str, set[str]] = {}
    for name, others in facts.needs:
        asked.setdefault(name, set()).update(other for other in others if other != name)
    while True:
        there = {member.name for member in named}
        lost = {member.name for member in named if asked.get(member.name, set()) - there}
        for member in named:
            if member.name in lost and member.required:
                return Impossible(facts.path, f"member {member.name!r} is required, and needs one that is impossible")
        if not lost:
            break
        named = [member for member in named if member.name not in lost]
    required = {member.name for member in named if member.required}
    waiting = list(required)
    for name in waiting:  # grows: what a required member needs is required
        fresh = asked.get(name, set()) - required
        required |= fresh
        waiting += fresh
    named = [Named(member.name, member.value, member.name in required) for member in named]
    place = {member.name: i for i, member in enumerate(named)}
    links = {
        place[name]: tuple(sorted(place[other] for other in others - required))
        for name, others in asked.items()
        if name in place and others - required
    }
    return named, links
