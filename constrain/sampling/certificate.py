"""Certificates: what a set of draws says about ``Z``, about masking, and about itself.

With ``g(w) = log P(w) - log q(w)`` for the masked law ``q``, conditioned on texts that are wanted (``q' = q / q(L)``),
and target weights ``omega``: ``KL(q' || pi) = -log sum omega e^-g - E_q'[g]`` and ``KL(pi || q') = E_pi[g] + log sum
omega e^-g``. Neither needs ``Z``, and both estimates are never negative.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import inf, nan, sqrt

import numpy as np

from constrain.sampling.lm.model import Usage
from constrain.sampling.masses import Floats, log_sum
from constrain.sampling.results import Certificate, Sample, normalised
from constrain.sampling.trie import Trie


@dataclass
class Evidence:
    """What is gathered while drawing: texts seen, and terms whose exponentials each have the expectation ``Z``."""

    seen: dict[tuple[int, ...], float] = field(default_factory=dict)  # tokens -> log P
    terms: list[float] = field(default_factory=list)
    masked: list[tuple[float, float]] = field(default_factory=list)  # log W and g of draws that masking could have made
    attempts: int = 0

    def see(self, tokens: tuple[int, ...], log_p: float) -> None:
        """Note a wanted text with its log probability."""
        self.seen[tokens] = log_p


def certify(
    trie: Trie,
    samples: Sequence[Sample],
    evidence: Evidence,
    usage: Usage,
    estimate: tuple[float, float] | None = None,
    unbiased: bool = True,
) -> Certificate:
    """The certificate of ``samples``, weighted towards the target. ``estimate``: ``log Z`` and its relative error, if
    they are not the mean of the evidence's terms."""
    log_z, error = estimate or mean(evidence.terms)
    weights = normalised(np.array([sample.log_weight for sample in samples]))
    _, kl_target = divergences(weights, np.array([sample.log_p - sample.log_mask for sample in samples]))
    logs, gains = np.array(evidence.masked).reshape(-1, 2).T
    kl_masked, _ = divergences(normalised(logs), gains)
    lower = log_sum(np.array(list(evidence.seen.values())))
    return Certificate(
        log_lower=min(lower, trie.lowest),  # equal in the end, but for rounding
        log_upper=trie.lowest,
        log_z=log_z,
        relative_error=error,
        unbiased=unbiased,
        kl_masked=kl_masked,
        kl_target=kl_target,
        ess=float(1.0 / (weights**2).sum()) if len(weights) else 0.0,
        attempts=evidence.attempts,
        calls=usage.calls,
        tokens=usage.tokens,
    )


def mean(terms: Iterable[float]) -> tuple[float, float]:
    """The log of the mean of exponentials, and the standard error of that mean divided by it."""
    logs = np.array(list(terms))
    if not len(logs):
        return -inf, inf
    total = log_sum(logs)
    if total == -inf:
        return -inf, inf
    count = len(logs)
    relative = np.exp(logs - total) * count  # of mean one
    error = sqrt(float(((relative - 1.0) ** 2).sum()) / max(count - 1, 1) / count) if count > 1 else inf
    return total - float(np.log(count)), error


def divergences(weights: Floats, gains: Floats) -> tuple[float, float]:
    """``KL(masked || target)`` and ``KL(target || masked)`` in nats, from target weights and ``g`` of the samples."""
    if not len(weights):
        return nan, nan
    with np.errstate(divide="ignore"):
        logs = np.log(weights)
    log_share = log_sum(logs - gains)
    masked = np.exp(logs - gains - log_share)
    kept = weights > 0
    kl_masked = -log_share - float((masked[kept] * gains[kept]).sum())
    kl_target = float((weights[kept] * gains[kept]).sum()) + log_share
    return max(kl_masked, 0.0), max(kl_target, 0.0)
