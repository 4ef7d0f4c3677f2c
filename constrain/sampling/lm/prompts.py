"""Prompts as token ids: of text, of a chat, or as given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from constrain.sampling.lm.kvtree import Text

Prompt = str | Sequence[Mapping[str, Any]] | Sequence[int]


def encode_prompt(tokenizer: Any, prompt: Prompt) -> Text:
    """Token ids of ``prompt`` by a tokenizer of transformers.

    Text is encoded with the special tokens that the tokenizer puts around it; a chat (messages with ``role`` and
    ``content``) by the tokenizer's chat template, up to where the assistant begins; ids stay as they are. An empty
    text is the beginning-of-sequence token. Raises ``ValueError`` where nothing comes out, or there is no template.
    """
    ids = _encode(tokenizer, prompt)
    if not ids and prompt == "" and tokenizer.bos_token_id is not None:
        return (int(tokenizer.bos_token_id),)
    if not ids:
        raise ValueError(
            "an empty prompt, and the tokenizer has no beginning-of-sequence token: a model says nothing before its "
            "first token, so give at least one (a newline, or the end-of-sequence token, if it was trained so)"
        )
    return tuple(int(token) for token in ids)


def _encode(tokenizer: Any, prompt: Prompt) -> Sequence[int]:
    if isinstance(prompt, str):
        return list(tokenizer(prompt)["input_ids"])
    if all(isinstance(part, Mapping) for part in prompt) and len(prompt):
        return _encode_chat(tokenizer, prompt)
    return [int(token) for token in prompt]  # type: ignore[arg-type]


def _encode_chat(tokenizer: Any, messages: Any) -> Sequence[int]:
    if not getattr(tokenizer, "chat_template", None):
        raise ValueError("the tokenizer has no chat template: give the prompt as text, in the form the model expects")
    encoded = tokenizer.apply_chat_template(list(messages), add_generation_prompt=True, tokenize=True, return_dict=True)
    return list(encoded["input_ids"])
