"""One step of adaptive weighted rejection sampling (AWRS): a token that a program accepts, and an unbiased weight.

The program is only asked about tokens that are drawn, and what it rejects is not drawn again. A pair (token, W) is
*properly weighted* for the masses ``p`` restricted to the accepted tokens ``A`` when ``E[W 1{token = a}] = p(a) 1[a in
A]`` for every ``a``; then ``E[W] = p(A)``. (Lipkin et al., arXiv 2504.05410.)

The idea of the estimators here. Draw without replacement until a token is accepted; let ``S`` be what was then still
in play, the accepted token included. By induction on the rejects the pair is properly weighted **if and only if** the
expectation of W given that moment is ``p(A & S)``: any unbiased estimate of the accepted mass among what is left will
do. What is known already (``sure``, the accepted token at least) is counted exactly; of the rest (``unsure``) one
more token is asked:

* ``recursive``  always: ``W = sure + unsure 1[accepted]``; the default. With no other verdict known beforehand this
  is genlm-control's estimator of that name. Variance zero when all of S is accepted, or nothing but what is sure. Where
  one token in a hundred is accepted its one look says little, and its variance is large.
* ``roulette``   only with probability ``unsure / (sure + unsure)``, reweighted around a guess (Russian roulette with
  a control variate): on average never more calls than the others.
* ``geometric``  the share of accepts among draws with replacement, which are simulated (a reject that comes again is
  counted, not asked); more ``accepts`` mean less variance and more calls.
* ``auto``       ``roulette`` with more looks; after three rejects ``geometric`` on what is left, which the same
  induction allows: on each set any estimator that is properly weighted for it.
* ``two_loop``   the paper's own estimator, for comparison: draw to a second accept, ``W = p(S) / (1 + rejects)``.

The estimators are written against ``Draws``, whose masses they never compute with: ``Urn`` holds float64 logarithms,
the tests hold fractions, enumerate every outcome of these very functions, and find the identity to be exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from constrain.sampling.masses import Floats
from constrain.sampling.methods.urn import Indices, Scaled, Urn

Mass = TypeVar("Mass")
Terms = Sequence[tuple[Fraction, Mass]]
Verdicts = npt.NDArray[np.int8]

YES, NO, UNKNOWN = 1, 0, -1
ONE = Fraction(1)
PATIENCE = 3  # rejects after which ``auto`` takes it that little is accepted


@dataclass(frozen=True)
class Unit:
    """A properly weighted token.

    ``index``       of the token among the candidates; ``None`` when none was accepted.
    ``log_weight``  natural logarithm of W, the masses' total included; ``-inf`` when there is no token.
    ``calls``       how often the program was asked.
    """

    index: int | None
    log_weight: float
    calls: int


class Draws(Protocol[Mass]):
    """Tokens in play: every random choice of a step, and the masses that its weight is made of."""

    def pick(self) -> int | None:
        """A token with probability mass / mass in play; ``None`` when no mass is in play. It stays in play."""

    def drop(self, indices: Indices) -> None:
        """Take tokens out of play."""

    def mass(self, indices: Indices) -> Mass:
        """The mass of these tokens, in play or not."""

    def remaining(self) -> Mass:
        """The mass in play."""

    def phantoms(self, total: Mass, limit: int | None) -> int:
        """How often draws from a mass ``total`` miss what is in play before one hits it; ``limit`` at most."""

    def flip(self, heads: Mass, tails: Mass, odds: int) -> bool:
        """Yes with probability ``odds heads / (odds heads + tails)``."""


@dataclass
class Outcome(Generic[Mass]):
    """A token and its weight, as a sum of coefficients times masses (empty: no token, weight zero)."""

    index: int | None = None
    weight: Terms[Mass] = ()


@dataclass
class Program:
    """The expensive predicate with its memory: it is asked about no token twice, nor about one that is known."""

    ok: Callable[[int], bool]
    known: Verdicts | None = None
    calls: int = 0
    _said: dict[int, bool] = field(default_factory=dict)

    def __call__(self, index: int) -> bool:
        """Is the token accepted?"""
        if self.known is not None and self.known[index] != UNKNOWN:
            return bool(self.known[index] == YES)
        if index not in self._said:
            self.calls += 1
            self._said[index] = bool(self.ok(index))
        return self._said[index]

    def known_bad(self) -> Indices:
        """The tokens that were known to be rejected."""
        return () if self.known is None else np.flatnonzero(self.known == NO)

    def and_known_good(self, index: int) -> Indices:
        """An accepted token, and those that were known to be accepted."""
        if self.known is None:
            return [index]
        good = np.flatnonzero(self.known == YES)
        return good if self.known[index] == YES else np.append(good, index)


@dataclass(frozen=True)
class Limits:
    """``accepts``: how many end a step (geometric). ``max_rejects``: this many end it without a token, or without
    more accepts (geometric, where simulated rejects count)."""

    accepts: int = 2
    max_rejects: int | None = None


Estimator = Callable[[Draws[Mass], Program, Limits], Outcome[Mass]]


def awrs_step(
    log_p: Floats,
    ok: Callable[[int], bool],
    rng: np.random.Generator,
    *,
    estimator: str = "recursive",
    accepts: int = 2,
    max_rejects: int | None = None,
    known: Verdicts | None = None,
    scaled: Scaled | None = None,
) -> Unit:
    """Draw one of ``n`` tokens that ``ok`` accepts, properly weighted for ``exp(log_p)`` restricted to them.

    ``log_p``        float64 ``[n]``: natural logarithms of masses, in any order, not necessarily normalised; ``-inf``
                     is never drawn. Unchanged.
    ``ok``           asked with an index, at most once for each in a step; its answer must depend on that alone.
    ``rng``          the only source of randomness.
    ``estimator``    ``"recursive"``, ``"roulette"``, ``"geometric"``, ``"auto"`` or ``"two_loop"`` (see the module).
    ``accepts``      for ``"geometric"`` and ``"auto"``: accepted draws that end the step, at least 2.
    ``max_rejects``  give up (no token, weight zero) at this many rejects, at least 1; the weights of the tokens that
                     do come make up for it. Not for ``"two_loop"``, whose weight is unbiased only without.
    ``known``        int8 ``[n]`` of verdicts that are known: 1 accepted, 0 rejected, -1 not known. What is known to be
                     rejected is taken out first, what is known to be accepted costs no call and (in ``"recursive"``,
                     ``"roulette"`` and mostly ``"auto"``) counts exactly: with all verdicts known the weight is exact.
    ``scaled``       the largest of ``log_p``, and ``exp(log_p - largest)`` ``[n]``, where they are at hand.

    Raises ``ValueError`` for other shapes, dtypes, names or numbers, for NaN and for infinite mass.
    """
    _check(log_p, known, estimator, Limits(accepts, max_rejects))
    program = Program(ok, known)
    outcome = run(Urn(log_p, rng, scaled), program, ESTIMATORS[estimator], Limits(accepts, max_rejects))
    return Unit(outcome.index, log_weight(outcome.weight), program.calls)


def run(draws: Draws[Mass], program: Program, estimator: Estimator[Mass], limits: Limits) -> Outcome[Mass]:
    """One step from whatever draws: what is known to be rejected goes first."""
    draws.drop(program.known_bad())
    return estimator(draws, program, limits)


def recursive(draws: Draws[Mass], program: Program, limits: Limits) -> Outcome[Mass]:
    """Draw to the first accept, and ask about one more token."""
    index, rejects = _first_accept(draws, program, limits.max_rejects)
    return _weighed(draws, program, limits, index, rejects, None)


def roulette(draws: Draws[Mass], program: Program, limits: Limits) -> Outcome[Mass]:
    """Draw to the first accept, and ask about one more token when a coin says so."""
    index, rejects = _first_accept(draws, program, limits.max_rejects)
    return _weighed(draws, program, limits, index, rejects, 1)


def auto(draws: Draws[Mass], program: Program, limits: Limits) -> Outcome[Mass]:
    """``roulette`` with a coin of twice the odds; from the third reject on, ``geometric`` on what is left."""
    patient = limits.max_rejects is None or limits.max_rejects > PATIENCE
    index, rejects = _first_accept(draws, program, PATIENCE if patient else limits.max_rejects)
    if patient and rejects == PATIENCE:
        return geometric(draws, program, Limits(limits.accepts, _left(limits, rejects)))
    return _weighed(draws, program, limits, index, rejects, 2)


def geometric(draws: Draws[Mass], program: Program, limits: Limits) -> Outcome[Mass]:
    """Draw with replacement to ``accepts`` accepts or ``max_rejects`` rejects; rejects that come again are simulated.

    The weight is the expectation of "the first draw is accepted", given how many of each kind came: unbiased under
    any rule that looks at the draws so far to stop (Rao-Blackwell; Girshick, Mosteller & Savage 1946).
    """
    total = draws.remaining()
    first: int | None = None
    accepted = rejected = 0
    while accepted < limits.accepts and rejected != limits.max_rejects:
        index = draws.pick()
        if index is None:
            return Outcome()
        rejected += draws.phantoms(total, _left(limits, rejected))
        if rejected == limits.max_rejects:
            break
        if program(index):
            accepted += 1
            first = index if first is None else first
        else:
            rejected += 1
            draws.drop([index])
    if first is None:
        return Outcome()
    return Outcome(first, [(Fraction(min(limits.accepts - 1, accepted), accepted + rejected - 1), total)])


def two_loop(draws: Draws[Mass], program: Program, limits: Limits) -> Outcome[Mass]:
    """Draw to the first accept, put it back, draw on to the next."""
    index, rejects = _first_accept(draws, program, None)
    if index is None:
        return Outcome()
    whole = draws.remaining()
    _, more = _first_accept(draws, program, None)
    return Outcome(index, [(Fraction(1, 1 + rejects + more), whole)])


ESTIMATORS: dict[str, Estimator[float]] = {
    "recursive": recursive,
    "roulette": roulette,
    "auto": auto,
    "geometric": geometric,
    "two_loop": two_loop,
}


def _first_accept(draws: Draws[Mass], program: Program, max_rejects: int | None) -> tuple[int | None, int]:
    """Draw without replacement to the first accept, or to the last reject that is allowed: it, and the rejects."""
    rejects = 0
    while rejects != max_rejects and (index := draws.pick()) is not None:
        if program(index):
            return index, rejects
        draws.drop([index])
        rejects += 1
    return None, rejects


def _weighed(
    draws: Draws[Mass], program: Program, limits: Limits, index: int | None, rejects: int, odds: int | None
) -> Outcome[Mass]:
    """The first accepted token with an estimate of the accepted mass of what is in play.

    Where one more reject would have ended the step with nothing, accepted tokens stand for that nothing too: their
    weight is the whole mass in play, as in sampling that asks once.
    """
    if index is None:
        return Outcome()
    if rejects + 1 == limits.max_rejects:
        return Outcome(index, [(ONE, draws.remaining())])
    good = program.and_known_good(index)
    sure = draws.mass(good)
    draws.drop(good)
    if odds is None:
        return Outcome(index, _second_look(draws, program, sure))
    return Outcome(index, _chance_of_a_second_look(draws, program, sure, odds, Fraction(1, 2 + rejects)))


def _second_look(draws: Draws[Mass], program: Program, sure: Mass) -> Terms[Mass]:
    """``sure + unsure 1[accepted]``."""
    unsure = draws.remaining()
    index = draws.pick()
    return [(ONE, sure), (ONE, unsure)] if index is None or program(index) else [(ONE, sure)]


def _chance_of_a_second_look(
    draws: Draws[Mass], program: Program, sure: Mass, odds: int, guess: Fraction
) -> Terms[Mass]:
    """``sure + unsure (guess + (1[accepted] - guess) 1[look] / s)``, which is unbiased whatever the guess.

    ``s = odds unsure / (odds unsure + sure)`` is the probability of a look. Then ``unsure / s = unsure + sure / odds``,
    nothing has to be subtracted, and no weight is negative.
    """
    unsure = draws.remaining()
    if not draws.flip(unsure, sure, odds):
        return [(ONE, sure), (guess, unsure)]
    index = draws.pick()
    if index is None or not program(index):
        return [(1 - guess / odds, sure)]
    return [(1 + (1 - guess) / odds, sure), (ONE, unsure)]


def _left(limits: Limits, rejects: int) -> int | None:
    return None if limits.max_rejects is None else limits.max_rejects - rejects


def log_weight(terms: Terms[float]) -> float:
    """The logarithm of a sum of coefficients times masses given by their logarithms; ``-inf`` of none."""
    logs = [_log(coefficient) + mass for coefficient, mass in terms]
    top = max(logs, default=-math.inf)
    return top if len(logs) < 2 else top + math.log(math.fsum(math.exp(x - top) for x in logs))


def _log(coefficient: Fraction) -> float:
    """Integers of any size have logarithms, where the quotient's float would be zero."""
    return math.log(coefficient.numerator) - math.log(coefficient.denominator)


def _check(log_p: Floats, known: Verdicts | None, estimator: str, limits: Limits) -> None:
    if log_p.dtype != np.float64 or log_p.ndim != 1:
        raise ValueError(f"log_p must be a float64 vector; it is {log_p.dtype} of shape {log_p.shape}")
    if not log_p.max(initial=-math.inf) < math.inf:  # NaN too: a maximum is NaN where anything is
        raise ValueError("log_p holds NaN or +inf; logarithms of masses are finite, or -inf")
    if known is not None and (known.shape != log_p.shape or known.dtype != np.int8):
        raise ValueError(f"known must be int8 of shape {log_p.shape}; it is {known.dtype} of shape {known.shape}")
    if estimator not in ESTIMATORS:
        raise ValueError(f"no estimator is called {estimator!r}; there are {', '.join(ESTIMATORS)}")
    if limits.accepts < 2 or (limits.accepts > 2 and estimator not in ("geometric", "auto")):
        raise ValueError(f"accepts={limits.accepts}: at least 2, and only 'geometric' and 'auto' take more")
    if limits.max_rejects is not None and (limits.max_rejects < 1 or estimator == "two_loop"):
        raise ValueError(f"max_rejects={limits.max_rejects}: at least 1, and not for 'two_loop'")
