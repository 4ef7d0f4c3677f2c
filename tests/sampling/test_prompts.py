"""``encode_prompt``: text, chats and ids, and the beginnings a tokenizer puts before them."""

from __future__ import annotations

from typing import Any

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from constrain.sampling.lm.prompts import encode_prompt

WORDS = {"<s>": 0, "hello": 1, "user": 2, "assistant": 3}
TEMPLATE = (
    "{% for m in messages %}{{ m.role + ' ' + m.content + ' ' }}{% endfor %}"
    "{% if add_generation_prompt %}assistant{% endif %}"
)


def tokenizer(*, begins: bool = False, **fields: Any) -> PreTrainedTokenizerFast:
    inner = Tokenizer(models.WordLevel(WORDS, unk_token="<s>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    if begins:
        inner.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return PreTrainedTokenizerFast(tokenizer_object=inner, **fields)


def test_text_has_the_tokenizers_own_beginning() -> None:
    assert encode_prompt(tokenizer(), "hello hello") == (1, 1)
    assert encode_prompt(tokenizer(begins=True), "hello") == (0, 1)


def test_ids_stay_as_they_are() -> None:
    assert encode_prompt(tokenizer(begins=True), [3, 1]) == (3, 1)


def test_a_chat_goes_up_to_the_assistants_turn() -> None:
    chat = [{"role": "user", "content": "hello"}]
    assert encode_prompt(tokenizer(chat_template=TEMPLATE), chat) == (2, 1, 3)
    with pytest.raises(ValueError, match="no chat template"):
        encode_prompt(tokenizer(), chat)


def test_an_empty_prompt_is_the_beginning_or_an_error() -> None:
    assert encode_prompt(tokenizer(bos_token="<s>"), "") == (0,)
    assert encode_prompt(tokenizer(begins=True), "") == (0,)
    for prompt in ("", []):
        with pytest.raises(ValueError, match="empty prompt"):
            encode_prompt(tokenizer(), prompt)
    with pytest.raises(ValueError, match="empty prompt"):
        encode_prompt(tokenizer(bos_token="<s>"), [])
