"""How far samples are from the target, measured as papers do: against the model's law on the pooled texts.

Nobody knows the target of a real task. What is known exactly is the model's probability of each text seen, and
those, normalised over all texts that any method has seen, are a stand-in (Park et al. 2024, section 5.1). It
cannot see what nobody has sampled, and a finite sample is far from any law: the *null*, exact draws from the pooled law
itself, says how far. Never show the one without the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate

import numpy as np

from constrain.sampling.results import Sample, Samples, normalised

Tokens = tuple[int, ...]
PooledLaw = Mapping[Tokens, float]  # probabilities that sum to one
Curve = list[tuple[float, float]]  # (calls of the model, nats)

NULLS = 200  # draws of the null whose mean is taken


def pooled_law(results: Iterable[Samples]) -> dict[Tokens, float]:
    """The model's probabilities of all texts in ``results``, normalised over them. Raises ``ValueError`` for none."""
    seen = {sample.tokens: sample.log_p for samples in results for sample in samples}
    if not seen:
        raise ValueError("there are no samples to pool")
    shares = normalised(np.array(list(seen.values())))
    return dict(zip(seen, map(float, shares), strict=True))


def divergence(samples: Sequence[Sample], law: PooledLaw, weighted: bool = True) -> float:
    """``KL(samples || law)`` in nats, of the samples' own law under their weights, or with each counted once."""
    if not samples:
        raise ValueError("there are no samples to compare")
    shares: dict[Tokens, float] = {}
    weights = normalised(np.array([sample.log_weight * weighted for sample in samples]))
    for sample, weight in zip(samples, weights, strict=True):
        shares[sample.tokens] = shares.get(sample.tokens, 0.0) + float(weight)
    mine = np.array([share for share in shares.values() if share > 0])
    theirs = np.array([law.get(tokens, 0.0) for tokens, share in shares.items() if share > 0])
    if not (theirs > 0).all():
        raise ValueError("the law must give every sample a probability: pool all results that are compared")
    return max(float((mine * np.log(mine / theirs)).sum()), 0.0)


def divergence_curve(runs: Sequence[Samples], law: PooledLaw, weighted: bool = True) -> Curve:
    """For results that came one after the other: the divergence of all so far, against the model's calls so far.

    ``weighted=False`` counts each sample once, as if there were no weights: what masking looks like in papers.
    """
    calls = accumulate(run.certificate.calls for run in runs)
    so_far = accumulate((list(run) for run in runs), list.__add__)
    pairs = zip(calls, so_far, strict=True)
    return [(float(spent), divergence(samples, law, weighted)) for spent, samples in pairs if samples]


def null_divergence(law: PooledLaw, n: int, seed: int = 0) -> float:
    """The mean divergence of ``n`` exact draws from ``law``: what is left when nothing is wrong."""
    theirs = np.array(list(law.values()))
    counts = np.random.default_rng(seed).multinomial(n, theirs / theirs.sum(), size=NULLS)
    mine = counts / n
    terms = np.where(counts > 0, mine * np.log(np.maximum(mine, 1e-300) / theirs), 0.0)
    return float(terms.sum(axis=1).mean())
