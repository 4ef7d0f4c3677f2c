"""Prompts that ask a model for the text of a gap: the fill-in-the-middle formats of code models.

Models are trained to see what is before and behind the gap, each after a token of its own (Bavarian et al. 2022,
"Efficient training of language models to fill in the middle", arXiv 2207.14255). Which tokens these are is read off the
tokenizer. Text is encoded apart from them, so that nothing in it can pass for one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

Prompt = Callable[[str, str], Sequence[int]]  # what is before the gap, what is behind it -> ids


class Format(NamedTuple):
    """``parts``: tokens, and ``"before"`` and ``"after"`` for the text; ``ends``: tokens with which such models end a
    gap, besides the end of the text."""

    family: str
    parts: tuple[str, ...]
    ends: tuple[str, ...] = ()

    @property
    def tokens(self) -> tuple[str, ...]:
        """The special tokens of the prompt."""
        return tuple(part for part in self.parts if part not in ("before", "after"))


FORMATS = (
    Format("StarCoder, StarCoder2, Granite", ("<fim_prefix>", "before", "<fim_suffix>", "after", "<fim_middle>"),
           ("<file_sep>", "<fim_pad>")),
    Format("Qwen2.5-Coder, CodeGemma", ("<|fim_prefix|>", "before", "<|fim_suffix|>", "after", "<|fim_middle|>"),
           ("<|file_sep|>", "<|file_separator|>", "<|fim_pad|>", "<|repo_name|>")),
    Format("DeepSeek-Coder", ("<｜fim▁begin｜>", "before", "<｜fim▁hole｜>", "after", "<｜fim▁end｜>")),  # noqa: RUF001
    Format("Codestral", ("[SUFFIX]", "after", "[PREFIX]", "before")),
)  # fmt: skip


def format_of(tokenizer: Any) -> Format | None:
    """The format whose tokens a tokenizer has, or ``None``."""
    known = tokenizer.get_vocab()
    return next((form for form in FORMATS if all(token in known for token in form.tokens)), None)


def filling_in(tokenizer: Any, form: Format | None = None) -> Prompt:
    """Prompts of a format, by default the tokenizer's own. Raises ``ValueError`` where it has none."""
    found = form or format_of(tokenizer)
    if found is None:
        families = "; ".join(f"{form.family}: {' '.join(form.tokens)}" for form in FORMATS)
        raise ValueError(
            f"this tokenizer has no tokens to fill in the middle ({families}). Pass prompt=continuing(tokenizer) to "
            "show the model what is before the gap only, or a function of your own"
        )

    def prompt(before: str, after: str) -> list[int]:
        texts = {"before": before, "after": after}
        ids = [] if tokenizer.bos_token_id is None or not _adds_bos(tokenizer) else [tokenizer.bos_token_id]
        for part in found.parts:
            ids += _encode(tokenizer, texts[part]) if part in texts else [tokenizer.convert_tokens_to_ids(part)]
        return ids

    return prompt


def continuing(tokenizer: Any, preamble: str = "") -> Prompt:
    """Prompts of what is before the gap only, behind a ``preamble``: for models that were not trained to fill in."""

    def prompt(before: str, after: str) -> list[int]:
        ids: list[int] = tokenizer(preamble + before)["input_ids"]
        return ids

    return prompt


def gap_ends(tokenizer: Any, form: Format | None = None) -> list[int]:
    """Ids with which a model that fills in ends a gap: the tokenizer's end, and those of its format."""
    found = form or format_of(tokenizer)
    known = tokenizer.get_vocab()
    own = [] if tokenizer.eos_token_id is None else [int(tokenizer.eos_token_id)]
    return own + [known[token] for token in (found.ends if found else ()) if token in known]


def _encode(tokenizer: Any, text: str) -> list[int]:
    """The ids of plain text; special tokens that it spells are read as text."""
    ids: list[int] = tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    return ids


def _adds_bos(tokenizer: Any) -> bool:
    """Does the tokenizer begin texts with its beginning-of-text token?"""
    ids = tokenizer("a")["input_ids"]
    return bool(ids) and ids[0] == tokenizer.bos_token_id
