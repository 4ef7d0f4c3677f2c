"""From schemas that must hold together to facts without choices: a union that means the same.

A search over the choices, as in SAT solvers: what a choice's other branches contradict is dropped, what has one
branch left is assumed, what already holds is forgotten; then the smallest choice is split. References are
followed, so the search is over one value; what is asked of its members and items stays as it is written.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from itertools import product
from typing import Any

from constrain.errors import LimitExceeded
from constrain.frontends.json_schema.facts import Branch, Choice, Conj, Facts, Located, Not, negate, parts
from constrain.frontends.json_schema.meet import meet
from constrain.frontends.json_schema.negation import violations
from constrain.frontends.json_schema.pointer import malformed, pointer
from constrain.frontends.json_schema.quick import Quick, differ
from constrain.frontends.json_schema.unevaluated import evaluation

MAX_ALTERNATIVES = 1_000  # at one place
MAX_SPLITS = 4_000  # of choices, on the way to them
MAX_JUDGEMENTS = 10_000  # of branches
MAX_MEMBERS = 1_000  # schemas that speak of one value
MAX_DENIALS = 5_000  # of branches of one oneOf in others
MAX_INCLUSIVE = 6  # branches of anyOf below unevaluated*, which need a case for each subset
MAX_NESTING = 200  # of allOf, not, $ref and so on
IMPOSSIBLE, OPEN, ENTAILED = range(3)
SILENT = object()  # in a trail: what is below gives no annotations

Trail = tuple[Any, Any] | None  # (key, trail before): the schemas through which this one came to speak of the value


class State:
    """One partial assignment."""

    __slots__ = ("applied", "choices", "denied", "evaluators", "facts", "seen")

    def __init__(self) -> None:
        self.facts = Facts()
        self.choices: list[tuple[Choice, Trail]] = []
        self.seen: set[Hashable] = set()
        self.denied: set[Hashable] = set()
        self.evaluators: tuple[Facts, ...] = ()
        self.applied: tuple[tuple[Facts, Trail], ...] = ()

    def copy(self) -> State:
        other = State()
        other.facts, other.choices = self.facts, list(self.choices)
        other.seen, other.denied = set(self.seen), set(self.denied)
        other.evaluators, other.applied = self.evaluators, self.applied
        return other


Expand = Callable[[Facts], tuple[Facts, list[Choice]] | None]


class Alternatives:
    """``expand`` gives the choices that only complete facts show, or ``None`` if there are none."""

    def __init__(self, quick: Quick, expand: Expand) -> None:
        self.quick = quick
        self.expand = expand
        self.splits = self.judgements = 0
        self.alone: dict[int, Choice] = {}  # by identity: the reader keeps the choices

    def of(self, branch: Branch) -> list[Facts]:
        """Facts without choices whose union is the meeting of ``branch``."""
        state = State()
        found: list[Facts] = []
        outer = self.splits, self.judgements  # ``expand`` may ask about other places
        self.splits = self.judgements = 0
        if all([self._assume(state, located, None) for located in branch]):
            self._solve(state, found)
        self.splits, self.judgements = outer
        return found

    # ---- assumptions ---------------------------------------------------------------------------------------

    def _assume(self, state: State, located: Located, trail: Trail) -> bool:
        """Add what ``located`` asserts to ``state``. False: it contradicts what is assumed already."""
        schema, path = located
        if schema is True or schema is False:
            return bool(schema)
        if type(schema) is Conj:
            return all([self._assume(state, member, trail) for member in schema.members])
        if type(schema) is Not:
            return self._assume_not(state, (schema.schema, path), trail)
        facts = self.quick.facts_of(located)
        if facts.key in state.denied:
            return False
        _check_circle(facts, trail)
        inside = state.evaluators and _is_watched(state, trail)
        if inside:
            state.applied += ((facts, trail),)
        elif facts.key in state.seen:
            return True
        if facts.key not in state.seen:
            if len(state.seen) > MAX_MEMBERS:
                raise _too_many(state.facts, len(state.seen), MAX_MEMBERS)
            state.seen.add(facts.key)
            state.facts = meet(state.facts, facts)
        if facts.unevaluated_members is not None or facts.unevaluated_items is not None:
            state.evaluators += (facts,)
            state.applied += ((facts, (facts.key, trail)),)
        return self._assume_choices(state, facts, (facts.key, trail))

    def _assume_choices(self, state: State, facts: Facts, trail: Trail) -> bool:
        possible = True
        for choice in facts.choices:
            if len(choice.branches) == 1:
                for located in choice.branches[0]:
                    possible = self._assume(state, located, trail) and possible
            elif choice.exclusive:
                state.choices.append((self._alone(choice), trail))
            elif choice.inclusive and state.evaluators and _is_watched(state, trail):
                state.choices.append((_exactly(choice, facts), trail))
            else:
                state.choices.append((choice, trail))
        return possible

    def _alone(self, choice: Choice) -> Choice:
        """``oneOf``: each branch with the complements of those others that could hold with it."""
        known = self.alone.get(id(choice))
        if known is None:
            located = [branch[0] for branch in choice.branches]
            marks = [self.quick.marks(one) for one in located]
            cases = []
            for i, one in enumerate(located):
                others = (j for j in range(len(located)) if j != i and not differ(marks[i], marks[j]))
                cases.append((one, *(negate(located[j]) for j in others)))
            count = sum(map(len, cases))
            if count > MAX_DENIALS:
                raise _too_many(self.quick.facts_of(located[0]), count, MAX_DENIALS)
            known = self.alone[id(choice)] = Choice(tuple(cases), choice.deny)
        return known

    def _assume_not(self, state: State, located: Located, trail: Trail) -> bool:
        facts = self.quick.facts_of(located)
        if facts.key in state.seen:
            return False
        if facts.key in state.denied:
            return True
        _check_circle(facts, trail)
        state.denied.add(facts.key)
        branches = violations(facts)
        state.choices.append((Choice(branches, tuple), (SILENT, (facts.key, trail))))
        return bool(branches)

    # ---- search --------------------------------------------------------------------------------------------

    def _solve(self, state: State, found: list[Facts]) -> None:
        """Append the alternatives of ``state``, which is used up."""
        if not self._simplify(state):
            return
        if not state.choices:
            self._complete(state, found)
            return
        self.splits += 1
        if self.splits > MAX_SPLITS:
            raise _too_many(state.facts, self.splits, MAX_SPLITS)
        choice, trail = min(state.choices, key=lambda item: len(item[0].branches))
        state.choices.remove((choice, trail))
        for branch in choice.branches:
            case = state.copy()
            if all([self._assume(case, located, trail) for located in branch]):
                self._solve(case, found)
            if self._is_light(branch) and not self._assume(state, negate(branch[0]), trail):
                return

    def _is_light(self, branch: Branch) -> bool:
        """Is it worth assuming in the cases after this one that it does not hold? (Else denials that overlap, such as
        those of many branches of ``oneOf`` by one that says little, multiply.) If its complement is as simple."""
        if len(branch) != 1 or type(branch[0][0]) is not Facts:
            return False
        facts = branch[0][0]
        if facts.values is not None or facts.excluded or facts.contains or facts.refused or facts.choices:
            return False
        if facts.exists:
            return all(located[0] is True and not (keys.texts or keys.schema) for keys, located in facts.exists)
        members = [located for rules in facts.members for located in rules.properties.values()]
        return bool(facts.plain or facts.required or members) and all(map(self._is_simple, members))

    def _is_simple(self, located: Located) -> bool:
        schema, path = located
        if isinstance(schema, bool):
            return True
        facts = self.quick.facts_of((schema.schema, path) if type(schema) is Not else located)
        return not facts.choices and (facts.plain or facts.values is not None)

    def _complete(self, state: State, found: list[Facts]) -> None:
        facts = state.facts
        if state.evaluators:
            facts = evaluation(facts, [(x, _below(state, x)) for x in state.evaluators], self._counts_contains)
            state.evaluators = ()
        expanded = self.expand(facts)
        if expanded is not None:
            state.facts, choices = expanded
            state.choices = [(choice, None) for choice in choices]
            self._solve(state, found)
            return
        if len(found) >= MAX_ALTERNATIVES:
            raise _too_many(facts, len(found) + 1, MAX_ALTERNATIVES)
        found.append(facts)

    def _simplify(self, state: State) -> bool:
        """Assume what is forced, forget what holds; false: nothing is possible."""
        if self.quick.are_disjoint(state.facts, state.facts):
            return False
        changed = True
        while changed:
            changed = False
            waiting, state.choices = state.choices, []
            for choice, trail in waiting:
                left = self._left(state, choice)
                if left is None:
                    continue
                if not left:
                    return False
                if len(left) > 1:
                    if len(left) < len(choice.branches):
                        choice = Choice(left, tuple)
                    state.choices.append((choice, trail))
                    continue
                changed = True
                if not all([self._assume(state, located, trail) for located in left[0]]):
                    return False
            if changed and self.quick.are_disjoint(state.facts, state.facts):
                return False
        return True

    def _left(self, state: State, choice: Choice) -> tuple[Branch, ...] | None:
        """The branches that are still possible; ``None``: one of them holds already."""
        left = []
        self.judgements += len(choice.branches)
        if self.judgements > MAX_JUDGEMENTS:
            raise _too_many(state.facts, self.judgements, MAX_JUDGEMENTS)
        for branch in choice.branches:
            verdict = self._judge(state, branch)
            if verdict == ENTAILED and not state.evaluators:
                return None
            if verdict != IMPOSSIBLE:
                left.append(branch)
        return tuple(left)

    def _judge(self, state: State, branch: Branch) -> int:
        verdict = ENTAILED
        for whole in branch:
            for located in parts(whole):
                found = self._judge_one(state, located)
                if found == IMPOSSIBLE:
                    return IMPOSSIBLE
                verdict = min(verdict, found)
        return verdict

    def _judge_one(self, state: State, located: Located) -> int:
        schema, path = located
        if schema is True or schema is False:
            return ENTAILED if schema else IMPOSSIBLE
        if type(schema) is Not:
            inner = self.quick.facts_of((schema.schema, path))
            if inner.key in state.seen:
                return IMPOSSIBLE
            if inner.key in state.denied or self.quick.are_disjoint(
                state.facts, self.quick.surface((schema.schema, path))
            ):
                return ENTAILED
            return IMPOSSIBLE if not inner.choices and self.quick.implies(state.facts, inner) else OPEN
        facts = self.quick.facts_of(located)
        if facts.key in state.denied:
            return IMPOSSIBLE
        if facts.key in state.seen:
            return ENTAILED
        if self.quick.are_disjoint(state.facts, self.quick.surface(located)):
            return IMPOSSIBLE
        return ENTAILED if self.quick.implies(state.facts, facts) else OPEN

    def _counts_contains(self, facts: Facts) -> bool:
        return self.quick.contains_evaluates(facts.path)


def _too_many(facts: Facts, count: int, limit: int) -> LimitExceeded:
    hint = "branches that differ in the type, or in a required member with const or enum, cost nothing"
    return LimitExceeded(f"ways to satisfy what must hold together at {pointer(facts.path) or '/'}", count, limit, hint)


def _check_circle(facts: Facts, trail: Trail) -> None:
    depth = 0
    while trail is not None:
        if trail[0] == facts.key:
            raise malformed(facts.path, "$ref leads back to itself about the same value")
        trail, depth = trail[1], depth + 1
    if depth > MAX_NESTING:
        raise LimitExceeded("nesting of schemas about one value", depth, MAX_NESTING)


def _is_watched(state: State, trail: Trail) -> bool:
    """Does some schema with ``unevaluated*`` see the annotations from here?"""
    keys = {x.key for x in state.evaluators}
    while trail is not None and trail[0] is not SILENT:
        if trail[0] in keys:
            return True
        trail = trail[1]
    return False


def _below(state: State, evaluator: Facts) -> list[Facts]:
    """The facts whose annotations ``evaluator`` sees."""
    found = []
    for facts, trail in state.applied:
        while trail is not None and trail[0] is not SILENT:
            if trail[0] == evaluator.key:
                found.append(facts)
                break
            trail = trail[1]
    return found


def _exactly(choice: Choice, facts: Facts) -> Choice:
    """``anyOf`` with a branch for each set of branches that hold together."""
    if len(choice.branches) > MAX_INCLUSIVE:
        where = f"branches of anyOf beside unevaluated properties or items at {pointer(facts.path) or '/'}"
        raise LimitExceeded(where, len(choice.branches), MAX_INCLUSIVE)
    cases = []
    for truths in product((True, False), repeat=len(choice.branches)):
        if any(truths):
            ways = zip(truths, choice.branches, strict=True)
            cases.append(tuple(member if holds else negate(member) for holds, (member,) in ways))
    return Choice(tuple(cases), tuple)
