"""What a result is worth, in plain words: lines for people, made of its guarantee and its certificate."""

from __future__ import annotations

from math import exp, inf, isfinite, isnan, log

from constrain.sampling.results import Certificate, Samples

LEAST = log(1e-300)  # below it a probability is written as a power of ten
PROPORTIONATE = 0.5  # a share of effective samples below which weights should not be overlooked

MEANINGS = {
    "exact, independent": "each text follows the model's law given that it is wanted, independently of the others",
    "properly weighted": "with their weights they stand for the model's law given that a text is wanted; without, not",
    "asymptotic": "texts follow the model's law given that they are wanted ever better as more work is done",
}


def summary(samples: Samples) -> list[str]:
    """Guarantee, probability of a wanted text, distortion by masking, effective samples, cost, notes: one line each."""
    certificate, there = samples.certificate, f"{len(samples)}"
    if samples.missing:
        there += f" of {len(samples) + samples.missing}"
    lines = [
        f"{there} texts, {samples.guarantee} (method {samples.method}): {MEANINGS[samples.guarantee]}",
        f"the model alone would write such a text with probability {estimate(certificate)}",
        f"that is certainly {bracket(certificate)}",
    ]
    if samples.samples:
        lines += [_distortion(certificate), effective(samples)]
    return [*lines, cost(certificate), *(f"note: {note}" for note in samples.notes)]


def estimate(certificate: Certificate) -> str:
    """``0.0123 ± 0.0009``; without the error where one sample cannot tell it."""
    value = probability(certificate.log_z)
    if not isfinite(certificate.relative_error):
        return f"about {value}, from one observation" if certificate.log_z > -inf else "unknown: none was found"
    return f"{value} ± {probability(certificate.log_z + log(max(certificate.relative_error, 1e-300)), 2)}"


def bracket(certificate: Certificate) -> str:
    """``at least 0.01 (the texts seen) and at most 0.2 (what was not ruled out)``."""
    low, high = probability(certificate.log_lower), probability(certificate.log_upper)
    return f"at least {low} (the texts seen) and at most {high} (what has not been ruled out)"


def effective(samples: Samples) -> str:
    """``effective samples: 7.3 of 10``, with a warning where weights are uneven."""
    share = samples.certificate.ess / max(len(samples), 1)
    uneven = "" if share >= PROPORTIONATE else ": a few texts carry most of the weight"
    return f"effective samples: {samples.certificate.ess:.1f} of {len(samples)}{uneven}"


def cost(certificate: Certificate) -> str:
    """``57 walks, 212 calls of the model, 1,893 tokens``."""
    return (
        f"{_count(certificate.attempts, 'walk')}, {_count(certificate.calls, 'call')} of the model, "
        f"{_count(certificate.tokens, 'token')}"
    )


def probability(log_p: float, digits: int = 3) -> str:
    """A probability given by its natural logarithm, however small."""
    if log_p == -inf:
        return "0"
    return f"{exp(log_p):.{digits}g}" if log_p > LEAST else f"1e{log_p / log(10):.0f}"


def _distortion(certificate: Certificate) -> str:
    if isnan(certificate.kl_masked):
        nats, which = round(certificate.kl_target, 6), "KL(target || masked)"
    else:
        nats, which = round(certificate.kl_masked, 6), "KL(masked || target)"
    return f"masking alone would be {nats:.3g} nats from that law (estimate of {which})"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
