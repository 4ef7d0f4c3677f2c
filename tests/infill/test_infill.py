"""Infilling: gaps within a bound, prompts of known formats, and whole texts from a tiny random model."""

from __future__ import annotations

import re
from itertools import product
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

import constrain
from constrain.canvas.base import NotCompletable
from constrain.canvas.factory import Canvases
from constrain.canvas.within import WithinTokens
from constrain.infill import FORMATS, Gaps, continuing, format_of, infill
from constrain.infill.prompts import filling_in, gap_ends
from constrain.ir.grammar import Grammar
from constrain.testing import check_token_automaton
from constrain.vocab.vocabulary import Vocabulary

torch.set_num_threads(1)
LISTS = constrain.gbnf('root ::= "[" (item ("," item)*)? "]"\nitem ::= [0-9]+ | root')
RECORD = constrain.regex(r'\{"name": "[a-z]+", "age": [0-9]{1,3}\}')
SMALL = Vocabulary([b"[", b"]", b"1", b",", b"],", b"[1", b",[", b"]]", None], eos=[8])


def tokenizer_of(form: Any = None, extra: tuple[str, ...] = ()) -> PreTrainedTokenizerFast:
    """Bytes, and the special tokens of a format."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    core = Tokenizer(models.BPE({c: i for i, c in enumerate(alphabet)}, []))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    core.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<|endoftext|>")
    tokenizer.add_special_tokens({"additional_special_tokens": [*(form.tokens if form else ()), *extra]})
    return tokenizer


def tiny_model(tokenizer: Any, seed: int = 0) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer) + 7, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=512, initializer_range=0.5, bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


def is_list(text: bytes) -> bool:
    """By Python's own parser."""
    if not re.fullmatch(rb"[\[\],0-9]+", text) or re.search(rb",\s*\]|\d\[|\]\d|\]\[", text):
        return False
    try:
        return isinstance(eval(re.sub(rb"\b0+(?=\d)", b"", text)), list)
    except SyntaxError:
        return False


# --- gaps ----------------------------------------------------------------------------------------------------------


def test_gaps_answer_for_text() -> None:
    gaps = Gaps(LISTS)
    assert gaps.completable(["[1", None, "3]"])
    assert not gaps.completable(["[1", None, ",,"])
    found = gaps.completion(["[1", None, "3]", None])
    assert found is not None and is_list(found)
    assert is_list(b"[1," + gaps.closing(["[1,", None, b"]]"]) + b"]]")
    with pytest.raises(ValueError, match="no gap"):
        gaps.grammar(["[1]"])
    with pytest.raises(NotCompletable):
        gaps.automaton(["]", None], SMALL)


def fillings(before: bytes, after: bytes, most: int) -> set[tuple[int, ...]]:
    """All sequences of tokens that close a gap, by trying them."""
    found = set()
    for n in range(most + 1):
        for ids in product(range(8), repeat=n):
            text = b"".join(SMALL.tokens[t] or b"" for t in ids)
            if is_list(before + text + after):
                found.add(ids)
    return found


@pytest.mark.parametrize(("before", "after"), [(b"[1", b"]"), (b"[[", b"]"), (b"", b"]]"), (b"[", b"")])
def test_within_a_bound_exactly_what_can_be_closed_is_allowed(before: bytes, after: bytes) -> None:
    most = 4
    members = fillings(before, after, most)
    begun = {ids[:n] for ids in members for n in range(len(ids) + 1)}
    automaton = Gaps(LISTS).automaton([before, None, after], SMALL, most_tokens=most)
    words = np.empty(SMALL.words, np.int32)
    stack: list[Any] = [automaton.start()]
    seen = 0
    while stack:
        state = stack.pop()
        seen += 1
        automaton.fill_mask(state, words)
        allowed = set(np.flatnonzero(np.unpackbits(words.view(np.uint8), bitorder="little")).tolist())
        expected = {t for t in range(8) if (*state, t) in begun} | ({8} if state in members else set())
        assert allowed == expected, state
        assert automaton.is_accepting(state) == (state in members)
        stack += [automaton.advance(state, t) for t in allowed - {8}]
    assert seen == len(begun)


def test_a_bound_that_is_too_small_is_refused() -> None:
    with pytest.raises(NotCompletable):
        Gaps(LISTS).automaton(["[[[[[[", None], SMALL, most_tokens=2)


@pytest.mark.parametrize("grammar", [LISTS, constrain.regex("(\\[1?\\]?){1,3}")], ids=["lists", "regular"])
def test_automata_within_a_bound_keep_the_laws(grammar: Grammar) -> None:
    """With one spelling of each text: tokens are counted, so spellings are told apart (law 2 says they are not)."""
    letters = Vocabulary([b"[", b"]", b"1", b",", None, None], eos=[4, 5])
    automaton = WithinTokens(Canvases(grammar, letters).of(6))
    check_token_automaton(automaton, rng=Random(5), sequences=6, depth=8)


def test_a_canvas_that_is_not_open_is_refused() -> None:
    with pytest.raises(ValueError, match="open"):
        WithinTokens(Canvases(LISTS, SMALL).of([0, -1]))


# --- prompts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS, ids=[f.family.split(",")[0] for f in FORMATS])
def test_formats_are_read_off_the_tokenizer(form: Any) -> None:
    tokenizer = tokenizer_of(form, form.ends)
    assert format_of(tokenizer) == form
    ids = filling_in(tokenizer)("be <|fim_middle|> fore", "after" + form.tokens[0])
    texts = {"before": "be <|fim_middle|> fore", "after": "after" + form.tokens[0]}
    shown = "".join(texts.get(part, part) for part in form.parts)
    assert tokenizer.decode(ids, skip_special_tokens=False) == shown
    own = [token for token in ids if token in tokenizer.all_special_ids]
    assert own == [tokenizer.convert_tokens_to_ids(token) for token in form.tokens]  # text never passes for one
    assert set(gap_ends(tokenizer)) == {tokenizer.eos_token_id, *map(tokenizer.convert_tokens_to_ids, form.ends)}


def test_a_tokenizer_without_a_format_says_so() -> None:
    with pytest.raises(ValueError, match="continuing"):
        filling_in(tokenizer_of())
    tokenizer = tokenizer_of()
    assert tokenizer.decode(continuing(tokenizer, "List: ")("[1", "]")) == "List: [1"


# --- a model -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("within", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_every_text_is_whole(seed: int, within: bool) -> None:
    tokenizer = tokenizer_of(FORMATS[1])
    model = tiny_model(tokenizer, seed)
    gaps = Gaps(LISTS)
    torch.manual_seed(seed)
    for segments in (["[1,", None, "2]"], [None, "3", None, ",[4]]"], ["[[", None, "],", None], [None]):
        found = infill(model, tokenizer, segments, gaps, max_new_tokens=6, within=within, do_sample=True)
        assert is_list(found.text), found
        fixed = iter(found.fillings)
        assert b"".join(next(fixed) if s is None else s.encode() for s in segments) == found.text
        assert not within or not any(found.closed)


def test_what_the_model_did_not_end_is_closed_and_named() -> None:
    """A model that only opens brackets."""
    tokenizer = tokenizer_of()
    model = tiny_model(tokenizer)
    bracket = tokenizer("[")["input_ids"][0]
    with torch.no_grad():
        model.lm_head.weight.zero_()
        model.lm_head.weight[bracket] = 0
    model.lm_head = torch.nn.Linear(16, len(tokenizer) + 7)
    with torch.no_grad():
        model.lm_head.weight.zero_()
        model.lm_head.bias.zero_()
        model.lm_head.bias[bracket] = 9.0
    ask = continuing(tokenizer)
    found = infill(model, tokenizer, ["[", None, "]"], LISTS, prompt=ask, max_new_tokens=5, do_sample=False)
    assert found.fillings[0].startswith(b"[[[[[")
    assert found.closed[0] and found.fillings[0] == b"[[[[[" + found.closed[0]
    assert is_list(found.text)
    bounded = infill(
        model, tokenizer, ["[", None, "]"], LISTS, prompt=ask, max_new_tokens=6, within=True, do_sample=False
    )
    assert bounded.closed == (b"",)
    assert bounded.text == b"[[[[]]]]"  # three opened, three tokens left to close them


def test_what_cannot_be_completed_is_refused_before_any_token() -> None:
    tokenizer = tokenizer_of(FORMATS[0])
    model = tiny_model(tokenizer)
    with pytest.raises(NotCompletable):
        infill(model, tokenizer, ["[1", None, ",,"], LISTS)
    found = infill(model, tokenizer, ["[1]"], LISTS)
    assert found.text == b"[1]" and found.fillings == ()


def test_a_regular_grammar() -> None:
    tokenizer = tokenizer_of(FORMATS[2])
    found = infill(
        tiny_model(tokenizer), tokenizer, ['{"na', None, 'b", "age"', None], RECORD, max_new_tokens=8, do_sample=False
    )
    assert re.fullmatch(rb'\{"name": "[a-z]+b", "age": [0-9]{1,3}\}', found.text)
