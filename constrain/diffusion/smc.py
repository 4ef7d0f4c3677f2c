"""``smc``: masked diffusion, conditioned as a whole on ending in a text of the grammar.

The unconstrained sampler is a Markov chain: in each step some open slots are chosen, and filled independently from the
denoiser's law given what is decided. Sampling each step exactly given that its own law leads to a valid text is *not*
that chain given that it ends in one, because the law changes with every step. Twisted sequential Monte Carlo corrects
it: particles move by the exact step, with ``psi(x) = Z(x; p(.|x))`` (how probable it is that filling all open slots
of ``x`` at once gives a valid text) as the twist, so the weight of a move is

    ``Z(x'; p(.|x')) / Z(x'; p(.|x))``,    both of them ``canvas.log_mass``.

The mean weight estimates the probability that the unconstrained chain ends in a valid text, without bias, and averages
under the weights tend to the chain's own law given that it does. (TWISTER, 2026: see docs/diffusion.md; twisted SMC:
Whiteley & Lee 2014, *Twisted particle filters*; Guarniero, Johansen & Lee 2017.) It needs canvases that count each
filling once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import log

import numpy as np
import numpy.typing as npt
import torch

from constrain.canvas.base import OPEN, Canvas, Scores
from constrain.diffusion.commits import Places, settled
from constrain.diffusion.denoiser import Denoiser
from constrain.diffusion.free import choosable
from constrain.diffusion.laws import Floats, as_scores, log_law
from constrain.diffusion.sampler import ability
from constrain.errors import ConstrainError
from constrain.sampling.masses import log_sum
from constrain.sampling.methods.resampling import SCHEMES, effective_size
from constrain.sampling.results import normalised

Choice = Callable[[Places, Scores, int, np.random.Generator], Places]


def at_random(places: Places, scores: Scores, count: int, rng: np.random.Generator) -> Places:
    """Any ``count`` of the open slots, all alike (the chain that masked diffusion models are trained for)."""
    return rng.permutation(places)[:count]


def leftmost(places: Places, scores: Scores, count: int, rng: np.random.Generator) -> Places:
    """The first ones."""
    return places[:count]


def least_entropy(places: Places, scores: Scores, count: int, rng: np.random.Generator) -> Places:
    """Those whose law is surest (the denoiser's own, before any constraint)."""
    laws = scores[places]
    entropy = -(np.exp(laws) * np.where(np.isfinite(laws), laws, 0.0)).sum(axis=1)
    return places[np.argsort(entropy, kind="stable")[:count]]


ORDERS: dict[str, Choice] = {"random": at_random, "left": leftmost, "entropy": least_entropy}
"""Which slots a step fills, by name. None may look at the tokens: then a step would not be what is computed here."""


@dataclass(frozen=True)
class Particle:
    """A canvas on its way. ``held`` is ``log Z(x; p(.|x_before))``: what the next weight is divided by."""

    canvas: Canvas
    log_weight: float = 0.0
    held: float = 0.0


@dataclass(frozen=True)
class Particles:
    """What ``smc`` gives: ids ``(particles, n)`` int32, with their texts and weights.

    ``log_z``  log of an unbiased estimate of the probability that the unconstrained chain ends in a valid text
    ``ess``    the effective share of the particles after each forward pass; ``resamplings``: after which of them
    ``calls``  forward passes, each of a batch of all different canvases
    """

    texts: list[str]
    ids: npt.NDArray[np.int32]
    log_weights: Floats
    log_z: float
    ess: list[float]
    resamplings: list[int]
    calls: int

    @property
    def weights(self) -> Floats:
        """Normalised: averages under them are averages under the target."""
        return normalised(self.log_weights)

    def draw(self, seed: int = 0) -> str:
        """One text in proportion to the weights."""
        return self.texts[int(np.random.default_rng(seed).choice(len(self.texts), p=self.weights))]


def smc(
    denoiser: Denoiser,
    prompt: Sequence[int],
    canvas: Canvas,
    *,
    particles: int = 8,
    tokens: int = 1,
    order: str = "random",
    temperature: float = 1.0,
    ess: float = 0.5,
    resampling: str = "stratified",
    seed: int = 0,
) -> Particles:
    """Weighted texts of the chain that fills ``tokens`` slots a step, given that it ends in a valid text.

    ``canvas``       one with ``log_mass`` and ``sample``; its open slots are what the chain fills, all of them: what
                     is behind the end is the model's to write too, and valid if it is an end or padding
    ``order``        which slots: "random", "left", "entropy"
    ``temperature``  of the chain that is meant; above 0
    ``ess``, ``resampling``  as of ``constrain.sample(method="smc")``

    Raises ``ConstrainError`` for a canvas that cannot count its fillings, or where no valid text has any probability;
    ``ValueError`` for arguments that make no sense.
    """
    _check(particles, tokens, order, temperature, ess, resampling)
    ability(canvas, "log_mass"), ability(canvas, "sample")
    rng = np.random.default_rng(seed)
    laws = Laws(denoiser, prompt, canvas, temperature)
    cloud = [Particle(canvas)] * particles
    shares: list[float] = []
    resamplings: list[int] = []
    while (cloud[0].canvas.slots == OPEN).any():  # all have equally many
        scores = laws.of(cloud)
        cloud = [_weighed(each, row) for each, row in zip(cloud, scores, strict=True)]
        shares.append(effective_size(_weights(cloud)) / particles)
        if shares[-1] == 0.0:
            raise ConstrainError("no valid text has a probability above 0 under this model")
        if shares[-1] < ess:
            cloud, scores = _resampled(cloud, scores, resampling, rng)
            resamplings.append(len(shares))
        cloud = [_moved(each, row, tokens, ORDERS[order], rng) for each, row in zip(cloud, scores, strict=True)]
    return _result(cloud, shares, resamplings, laws.calls)


class Laws:
    """The denoiser's laws for particles, as scores of their canvases; equal canvases are asked about once."""

    def __init__(self, denoiser: Denoiser, prompt: Sequence[int], canvas: Canvas, temperature: float) -> None:
        self.calls = 0
        self._denoiser, self._temperature = denoiser, temperature
        self._prompt = torch.tensor(list(prompt), dtype=torch.int64)
        self._choosable = choosable(canvas.vocabulary, canvas.ending)

    def of(self, cloud: Sequence[Particle]) -> list[Scores]:
        """(n, width) float64 for each particle: log probabilities in open slots, 0 in others."""
        keys = [each.canvas.slots.tobytes() for each in cloud]
        slots = {key: each.canvas.slots for key, each in zip(keys, cloud, strict=True)}
        masked = np.stack([np.where(row == OPEN, self._denoiser.facts.mask, row) for row in slots.values()])
        ids = torch.from_numpy(masked.astype(np.int64))
        logits = self._denoiser(torch.cat([self._prompt.expand(len(ids), -1), ids], 1))[:, len(self._prompt) :]
        self.calls += 1
        found = {key: self._scores(row, rows) for (key, row), rows in zip(slots.items(), logits, strict=True)}
        return [found[key] for key in keys]

    def _scores(self, slots: npt.NDArray[np.int32], logits: torch.Tensor) -> Scores:
        places = np.flatnonzero(slots == OPEN)
        rows = logits[torch.from_numpy(places).to(logits.device)].double() / self._temperature
        return as_scores(log_law(rows, self._choosable), places, len(slots), len(self._choosable))


def _weighed(particle: Particle, scores: Scores) -> Particle:
    """With the weight of its last move, now that the law behind it is known."""
    twist = float(ability(particle.canvas, "log_mass")(scores))
    return replace(particle, log_weight=particle.log_weight + twist - particle.held)


def _moved(particle: Particle, scores: Scores, count: int, choose: Choice, rng: np.random.Generator) -> Particle:
    """One exact step: a valid filling of all slots by this law, of which some are kept."""
    if particle.log_weight == -np.inf:  # is never drawn again, but keeps step with the others
        filling = particle.canvas.filling
    else:
        filling = ability(particle.canvas, "sample")(scores, rng)[0]
    canvas = particle.canvas
    for place in choose(np.flatnonzero(canvas.slots == OPEN), scores, count, rng):
        canvas = canvas.commit(int(place), int(filling[place]))
    return Particle(canvas, particle.log_weight, float(ability(canvas, "log_mass")(scores)))


def _resampled(
    cloud: list[Particle], scores: list[Scores], resampling: str, rng: np.random.Generator
) -> tuple[list[Particle], list[Scores]]:
    log_weights = _weights(cloud)
    mean = log_sum(log_weights) - log(len(cloud))
    ancestors = [int(each) for each in SCHEMES[resampling](normalised(log_weights), rng)]
    return [replace(cloud[each], log_weight=mean) for each in ancestors], [scores[each] for each in ancestors]


def _weights(cloud: Sequence[Particle]) -> Floats:
    return np.array([each.log_weight for each in cloud])


def _result(cloud: list[Particle], shares: list[float], resamplings: list[int], calls: int) -> Particles:
    ids = np.stack([each.canvas.slots for each in cloud])
    log_weights = _weights(cloud)
    log_z = log_sum(log_weights) - log(len(cloud))
    return Particles([_text(each.canvas) for each in cloud], ids, log_weights, log_z, shares, resamplings, calls)


def _text(canvas: Canvas) -> str:
    ids = settled(canvas).tolist()
    end = next((i for i, token in enumerate(ids) if token in canvas.ending.ends), len(ids))
    return canvas.vocabulary.decode(ids[:end]).decode("utf-8", "replace")


def _check(particles: int, tokens: int, order: str, temperature: float, ess: float, resampling: str) -> None:
    for name, number in (("particles", particles), ("tokens", tokens)):
        if number < 1:
            raise ValueError(f"{name} must be 1 or more, not {number}")
    for name, value, known in (("order", order, ORDERS), ("resampling", resampling, SCHEMES)):
        if value not in known:
            raise ValueError(f"there is no {name} {value!r}: take one of {', '.join(known)}")
    if not 0.0 <= ess <= 1.0:
        raise ValueError(f"ess must be between 0 (never resample) and 1 (always), not {ess}")
    if not 0.0 < temperature < np.inf:
        raise ValueError(f"temperature must be finite and above 0, not {temperature}: 0 is no law but one text")
