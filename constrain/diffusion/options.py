"""``Options``: how many tokens are committed when, where, and which."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Literal, get_args

from constrain.diffusion.laws import CONFIDENCES

Propose = Literal["raw", "mask", "marginals", "joint"]
Refused = Literal["replace", "wait"]


@dataclass(frozen=True)
class Options:
    """How a canvas is filled.

    How much in a step (one of these; one token if none is given):

    ``steps``      so many steps for the whole canvas, shared evenly by the blocks (each gets at least one)
    ``tokens``     so many tokens a step
    ``threshold``  all tokens with a confidence above this, and at least one

    Where:

    ``block_length``  semi-autoregressive: a block is filled before the next begins. The constraint sees all of it
    ``confidence``    the surest places first, by "low_confidence" (the probability of the token), "entropy", "margin"
                      or "random"
    ``alg_temp``      places are drawn, without replacement, in proportion to ``exp(confidence / alg_temp)``

    Which tokens are proposed there:

    ``temperature``   0: the best one; else drawn at this temperature, cut to ``top_k`` and ``top_p``
    ``propose``       from which law, which is also whose confidence counts: "raw": the model's own, place by place (a
                      token that is refused is replaced by one that is allowed); "mask": the same over what is allowed
                      in the slot; "marginals": conditioned on the text being valid (canvases with ``marginals``);
                      "joint": the best valid filling of the whole canvas, under the model's own confidence
    ``refused``       a token that is not allowed becomes the best (the draw) of those that are: "replace": at once;
                      "wait": when its own confidence comes up (with "low_confidence"; the same for the others)
    ``tries``         how many others are asked about one by one before the mask of the slot is (the same result)
    ``patience``      seconds that a step may spend on deciding; then what was not decided waits for the next step, or
                      comes from the certificate in the last one. ``None``: as long as it takes
    """

    steps: int | None = None
    tokens: int | None = None
    threshold: float | None = None
    block_length: int | None = None
    confidence: str = "low_confidence"
    alg_temp: float | None = None
    temperature: float = 0.0
    top_k: int | None = None
    top_p: float | None = None
    propose: Propose = "raw"
    refused: Refused = "replace"
    tries: int = 0
    patience: float | None = None

    def __post_init__(self) -> None:
        if sum(each is not None for each in (self.steps, self.tokens, self.threshold)) > 1:
            raise ValueError("steps, tokens and threshold each say how many tokens a step commits: give one of them")
        for name in ("steps", "tokens", "block_length", "top_k"):
            _check_count(name, getattr(self, name))
        _check_choice("confidence", self.confidence, (*CONFIDENCES, "random"))
        _check_choice("propose", self.propose, get_args(Propose))
        _check_choice("refused", self.refused, get_args(Refused))
        _check_count("tries", self.tries, 0)
        for name, least, most in _RANGES:
            _check_range(name, getattr(self, name), least, most)
        if self.propose == "joint" and self.temperature > 0:
            raise ValueError('propose="joint" takes the best filling: temperature must be 0, not a draw')


_RANGES = (
    ("threshold", 0.0, 1.0),
    ("alg_temp", 0.0, math.inf),
    ("temperature", 0.0, math.inf),
    ("top_p", 0.0, 1.0),
    ("patience", 0.0, math.inf),
)


def _check_count(name: str, value: Any, least: int = 1) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, Integral) or value < least):
        raise ValueError(f"{name} must be a whole number, {least} or more, not {value!r}")


def _check_choice(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"there is no {name} {value!r}: take one of {', '.join(known)}")


def _check_range(name: str, value: float | None, least: float, most: float) -> None:
    if value is not None and not (least <= value <= most and math.isfinite(value)):
        raise ValueError(f"{name} must be at least {least:g} and at most {most:g}, not {value!r}")
