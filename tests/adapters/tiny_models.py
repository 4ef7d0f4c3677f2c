"""Tiny random models, a small vocabulary and bounded languages for the tests of the adapters."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import torch
from dfa_automaton import DfaAutomaton
from transformers import LlamaConfig, LlamaForCausalLM, T5Config, T5ForConditionalGeneration

from constrain.ir.grammar import Grammar, Terminal
from constrain.ir.rx import Rx, chars, concat, literal, repeat, union
from constrain.tokens.pushdown import PushdownAutomaton
from constrain.vocab.vocabulary import Vocabulary

torch.set_num_threads(1)  # the models are tiny: threads only wait for each other

PAD, BOS, EOS, STOP = 0, 1, 2, 3
PIECES = [
    b'{"a',
    b'": ',
    b'"b": "',
    b"12",
    b"99",
    b"ab",
    b"abc",
    b'"}',
    b"yes",
    b"no",
    b"ye",
    b"s",
    b"o",
    b"abcd",
    b'1, "',
]
TOKENS: list[bytes | None] = [None] * 4 + [bytes([b]) for b in range(256)] + PIECES
WIDTH = 320  # the model's head: wider than the vocabulary, and than a whole number of words of it
FIRST_BYTE = 4

DIGIT, LETTER = chars([(0x30, 0x39)]), chars([(0x61, 0x7A)])
NUMBER = concat([chars([(0x31, 0x39)]), repeat(DIGIT, 0, 2)])
ROW = concat([literal(b'{"a": '), NUMBER, literal(b', "b": "'), repeat(LETTER, 1, 4), literal(b'"}')])
YES_NO = union([literal(b"yes"), literal(b"no")])
WORD = repeat(LETTER, 1, 8)
PATTERNS = {
    "row": rb'\{"a": [1-9][0-9]{0,2}, "b": "[a-z]{1,4}"\}',
    "yes_no": rb"yes|no",
    "word": rb"[a-z]{1,8}",
}


def grammar_of(rx: Rx) -> Grammar:
    return Grammar("start", {"start": Terminal(rx, "bytes")})


GRAMMARS = {"row": grammar_of(ROW), "yes_no": grammar_of(YES_NO), "word": grammar_of(WORD)}
VOCABULARY = Vocabulary(TOKENS, eos=[EOS, STOP])

Compile = Callable[[Grammar, Vocabulary], Any]
ENGINES: dict[str, Compile] = {"dfa": DfaAutomaton, "engine": PushdownAutomaton}


def automaton_of(name: str, engine: str) -> Any:
    return ENGINES[engine](GRAMMARS[name], VOCABULARY)


def is_member(name: str, text: bytes) -> bool:
    """By Python's own regex engine."""
    return re.fullmatch(PATTERNS[name], text) is not None


def text_of(ids: list[int]) -> tuple[bytes, bool]:
    """Bytes up to the first end, and whether there was an end; independent of the code under test."""
    text = b""
    for token in ids:
        if token in (EOS, STOP):
            return text, True
        data = TOKENS[token] if token < len(TOKENS) else None
        assert data is not None, f"id {token} was generated"
        text += data
    return text, False


def encode(text: bytes) -> list[int]:
    return [FIRST_BYTE + byte for byte in text]


def prompts(*texts: bytes) -> dict[str, torch.Tensor]:
    """A left-padded batch."""
    rows = [[BOS, *encode(text)] for text in texts]
    width = max(map(len, rows))
    return {
        "input_ids": torch.tensor([[PAD] * (width - len(row)) + row for row in rows]),
        "attention_mask": torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows]),
    }


def _settle(model: Any) -> Any:
    model.generation_config.pad_token_id = PAD
    model.generation_config.eos_token_id = [EOS, STOP]
    return model.eval()


def tiny_llama(seed: int = 0, layers: int = 2) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=WIDTH,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=256,
        initializer_range=0.5,  # peaked enough that models differ and drafts are accepted and rejected
        bos_token_id=BOS,
        eos_token_id=[EOS, STOP],
        pad_token_id=PAD,
    )
    return _settle(LlamaForCausalLM(config))


def tiny_t5(seed: int = 0) -> T5ForConditionalGeneration:
    torch.manual_seed(seed)
    config = T5Config(
        vocab_size=WIDTH,
        d_model=16,
        d_kv=8,
        d_ff=32,
        num_layers=2,
        num_heads=2,
        decoder_start_token_id=PAD,
        eos_token_id=[EOS, STOP],
        pad_token_id=PAD,
    )
    return _settle(T5ForConditionalGeneration(config))
