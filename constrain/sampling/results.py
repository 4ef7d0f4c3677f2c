"""What sampling gives: texts with weights, the guarantee that they come with, and a certificate of what is known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from math import exp, inf, isfinite
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Guarantee = Literal["exact, independent", "properly weighted", "asymptotic"]


@dataclass(frozen=True, slots=True)
class Sample:
    """A text of the language. ``tokens`` with its end of sequence; ``log_p`` the model's log probability of them.

    ``log_weight`` is the log of its weight as a sample of the target: 0 where samples are exact; an importance
    weight ``log P - log q`` where they are weighted. ``log_mask`` is the log probability with which masking alone would
    have drawn these tokens.
    """

    text: str
    tokens: tuple[int, ...]
    log_p: float
    log_weight: float
    log_mask: float


@dataclass(frozen=True, slots=True)
class Certificate:
    """What is known of ``Z``, the probability that the unconstrained model writes a wanted text, and at what cost.

    ``log_lower <= log Z <= log_upper`` is certain: the sum over texts seen, and the bound at the root. ``log_z`` is an
    estimate, ``relative_error`` its standard error divided by it; ``unbiased`` says whether its exponential is unbiased
    (else its bias vanishes as one over the number of samples). ``kl_masked`` estimates ``KL(masked || target)`` in
    nats: how far from the model's law masking alone would have been (``nan`` where no draws were made that masking
    could have made: texts that only masking visits would be missing); ``kl_target`` the other way round. ``ess`` is the
    effective number of samples. ``attempts`` are walks begun, ``calls`` forward passes, ``tokens`` tokens fed to the
    model.
    """

    log_lower: float
    log_upper: float
    log_z: float
    relative_error: float
    unbiased: bool
    kl_masked: float
    kl_target: float
    ess: float
    attempts: int
    calls: int
    tokens: int

    @property
    def probability(self) -> float:
        """The estimate of ``Z``: how probable it is that the model alone would have written a wanted text."""
        return exp(self.log_z)


@dataclass(frozen=True)
class Samples(Sequence[Sample]):
    """The result of ``constrain.sample``: a sequence of samples. ``method`` made them; ``notes`` say what was decided
    on the way; ``missing`` counts those that the budget did not allow."""

    samples: tuple[Sample, ...]
    method: str
    guarantee: Guarantee
    certificate: Certificate
    missing: int = 0
    notes: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)  # what belongs to one method only, by name

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: Any) -> Any:
        return self.samples[index]

    def __iter__(self) -> Iterator[Sample]:
        return iter(self.samples)

    @property
    def texts(self) -> list[str]:
        """The texts, in the order in which they were drawn."""
        return [sample.text for sample in self.samples]

    @property
    def weights(self) -> npt.NDArray[np.float64]:
        """Normalised weights ``[n]``: averages under them are averages under the target."""
        return normalised(np.array([sample.log_weight for sample in self.samples]))

    def resample(self, n: int, seed: int = 0) -> list[Sample]:
        """``n`` samples drawn in proportion to their weights: from the target, as nearly as these samples can say.

        Not needed where the guarantee is "exact, independent". Raises ``ValueError`` where there is none to draw from.
        """
        if not self.samples:
            raise ValueError("there are no samples to draw from: allow a larger budget")
        chosen = np.random.default_rng(seed).choice(len(self.samples), size=n, p=self.weights)
        return [self.samples[int(i)] for i in chosen]

    def to_dict(self) -> dict[str, Any]:
        """All of it, for JSON, which has no infinities and no ``nan``: they are ``None``."""
        whole = {
            "samples": [asdict(sample) | {"weight": weight} for sample, weight in zip(self, self.weights, strict=True)],
            "certificate": asdict(self.certificate),
        } | {name: getattr(self, name) for name in ("method", "guarantee", "missing", "facts", "notes")}
        return {name: _plain(value) for name, value in whole.items()}


def _plain(value: Any) -> Any:
    """Dictionaries, lists and scalars of Python's own, with ``None`` for numbers that are not finite."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not isfinite(value) else value


def normalised(log_weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Weights that sum to one; equal ones where all are zero."""
    if not len(log_weights):
        return log_weights
    top = log_weights.max()
    weights = np.exp(log_weights - top) if top > -inf else np.ones(len(log_weights))
    return np.asarray(weights / weights.sum(), np.float64)
