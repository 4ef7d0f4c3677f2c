"""What cannot be right is refused, with words that help; what was cut is reported as cut."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from dfa_automaton import DfaAutomaton
from tiny_models import BOS, EOS, GRAMMARS, STOP, TOKENS, VOCABULARY, WIDTH, encode, is_member, prompts, tiny_llama
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LogitsProcessor, PreTrainedTokenizerFast

from constrain.adapters.prefix_states import PrefixStates
from constrain.adapters.transformers import GrammarLogitsProcessor, read_outputs
from constrain.errors import ConstraintViolation, DeadEnd, VocabularyError
from constrain.vocab.vocabulary import Vocabulary

ONE = prompts(b"hello")
START = ONE["input_ids"].shape[1]


@pytest.fixture(scope="module")
def model() -> Any:
    return tiny_llama()


@pytest.fixture
def row() -> DfaAutomaton:
    return DfaAutomaton(GRAMMARS["row"], VOCABULARY)


class Force(LogitsProcessor):
    """Puts all weight on one token at one width, as a careless processor after ours might."""

    def __init__(self, width: int, token: int) -> None:
        self.width, self.token = width, token

    def __call__(self, input_ids: torch.LongTensor, scores: torch.Tensor) -> torch.Tensor:
        if input_ids.shape[1] == self.width:
            scores = torch.full_like(scores, -torch.inf)
            scores[:, self.token] = 0
        return scores


@pytest.mark.parametrize("inputs", [ONE, prompts(b"hello", b"hi")], ids=["one", "batch"])
def test_a_forced_token_is_a_violation(inputs: dict[str, torch.Tensor], model: Any, row: DfaAutomaton) -> None:
    forced = Force(START + 3, encode(b"!")[0])
    with pytest.raises(ConstraintViolation, match=r"row 0: token .*'!'.* at generated position 3 is not allowed after"):
        model.generate(**inputs, logits_processor=[GrammarLogitsProcessor(row), forced], max_new_tokens=20)


@pytest.mark.parametrize(
    "options", [{"min_new_tokens": 8}, {"suppress_tokens": list(range(4, 260))}, {"forced_eos_token_id": EOS}]
)
def test_other_processors_that_leave_nothing(options: dict[str, Any], model: Any) -> None:
    automaton = DfaAutomaton(GRAMMARS["yes_no"], Vocabulary(TOKENS[:260], eos=[EOS, STOP]))
    limit = 3 if "forced_eos_token_id" in options else 20
    if "forced_eos_token_id" in options:
        automaton = DfaAutomaton(GRAMMARS["row"], VOCABULARY)
    with pytest.raises(DeadEnd, match="every token that the grammar allows was already at -inf"):
        model.generate(**ONE, logits_processor=[GrammarLogitsProcessor(automaton)], max_new_tokens=limit, **options)


def test_an_empty_mask_is_a_dead_end() -> None:
    """A vocabulary that cannot spell the text: an automaton that breaks law 3 shows it."""
    automaton = DfaAutomaton(GRAMMARS["yes_no"], Vocabulary([None, None, None, b"n"], eos=[2]))
    processor = GrammarLogitsProcessor(automaton)
    assert torch.isfinite(processor(torch.tensor([[1]]), torch.zeros(1, 4))).tolist() == [[False, False, False, True]]
    with pytest.raises(DeadEnd, match="no token can follow b'n'"):
        processor(torch.tensor([[1, 3]]), torch.zeros(1, 4))


def test_drafts_outside_the_language_are_no_violation(row: DfaAutomaton) -> None:
    """A drafter that does not ask the processor: the target verifies a block, so its scores are slices."""
    processor = GrammarLogitsProcessor(row)
    text = encode(b'{"a": 7, "b": "q"}')
    accepted = 0
    for junk in ([5, 6, 7], [encode(b"{")[0], 9], []):
        draft = [*text[accepted : accepted + 2], *junk]
        block = torch.zeros(1, len(draft) + 1, WIDTH)
        for i in range(len(draft) + 1):
            ids = torch.tensor([[BOS, *text[:accepted], *draft[:i]]])
            block[:, i, :] = processor(ids, block[:, i, :])
        for i in range(3):  # up to the first rejected position the masks are those of the true prefix
            assert torch.isfinite(block[0, i, text[accepted + i]])
        if junk:
            assert not torch.isfinite(block[0, 2, junk[0]])
            dead = torch.isfinite(block[0, 3]).nonzero().flatten().tolist()
            assert dead == [EOS, STOP]
        accepted += 3
    assert accepted == 9


def test_unmasked_drafts_by_request(row: DfaAutomaton) -> None:
    processor = GrammarLogitsProcessor(row, unmasked_drafts=True)
    processor(torch.tensor([[BOS]]), torch.zeros(1, WIDTH))
    masked = processor(torch.tensor([[BOS, 7]]), torch.zeros(1, WIDTH))
    assert torch.isfinite(masked)[0].nonzero().flatten().tolist() == [EOS, STOP]
    masked = processor(torch.tensor([[BOS, encode(b"{")[0]]]), torch.zeros(1, WIDTH))
    assert torch.isfinite(masked)[0].nonzero().flatten().tolist() == encode(b'"')
    with pytest.raises(ConstraintViolation, match="see unmasked_drafts"):
        strict = GrammarLogitsProcessor(row)
        strict(torch.tensor([[BOS]]), torch.zeros(1, WIDTH))
        strict(torch.tensor([[BOS, 7]]), torch.zeros(1, WIDTH))


def test_a_model_narrower_than_the_vocabulary(row: DfaAutomaton) -> None:
    processor = GrammarLogitsProcessor(DfaAutomaton(GRAMMARS["yes_no"], VOCABULARY))
    with pytest.raises(VocabularyError, match="allows id 270, but the scores have only 265 columns"):
        processor(torch.tensor([[BOS]]), torch.zeros(1, 265))
    narrow = GrammarLogitsProcessor(row)(torch.tensor([[BOS, *encode(b'{"')]]), torch.zeros(1, 265))
    assert narrow.shape == (1, 265)


def test_grammars_must_fit_the_rows(row: DfaAutomaton) -> None:
    processor = GrammarLogitsProcessor([row, row])
    with pytest.raises(ValueError, match="2 grammars do not fit a batch of 3 rows"):
        processor(torch.tensor([[BOS]] * 3), torch.zeros(3, WIDTH))
    with pytest.raises(ValueError, match="2 grammars do not fit 3 rows"):
        read_outputs(processor, [[BOS]] * 3, 1)


def test_grammars_must_share_a_vocabulary(row: DfaAutomaton) -> None:
    other = DfaAutomaton(GRAMMARS["row"], Vocabulary(TOKENS, eos=[EOS]))
    with pytest.raises(VocabularyError, match="compiled for one vocabulary"):
        GrammarLogitsProcessor([row, other])
    with pytest.raises(VocabularyError, match="compiled for one vocabulary"):
        GrammarLogitsProcessor(row, Vocabulary(TOKENS, eos=[EOS]))
    same = DfaAutomaton(GRAMMARS["row"], Vocabulary(TOKENS, eos=[EOS, STOP]))
    assert len(GrammarLogitsProcessor([row, same], VOCABULARY).automata) == 2


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((GRAMMARS["row"],), {}, "needs a tokenizer or a Vocabulary"),
        (([],), {}, "no grammar given"),
        ((GRAMMARS["row"], VOCABULARY), {"width": 400}, "a Vocabulary has its own"),
    ],
)
def test_wrong_arguments(arguments: tuple[Any, ...], options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GrammarLogitsProcessor(*arguments, **options)


def test_a_prompt_shorter_than_its_given_length(row: DfaAutomaton) -> None:
    with pytest.raises(ValueError, match="prompt_length=5, but generate\\(\\) shows only 2 ids"):
        GrammarLogitsProcessor(row, prompt_length=5)(torch.tensor([[BOS, 9]]), torch.zeros(1, WIDTH))


@pytest.mark.parametrize("limit", [1, 4, 9])
def test_cut_output_is_reported_as_cut(limit: int, model: Any, row: DfaAutomaton) -> None:
    processor = GrammarLogitsProcessor(row)
    out = model.generate(**ONE, logits_processor=[processor], max_new_tokens=limit)
    (output,) = read_outputs(processor, out, START)
    assert output.truncated and not output.complete and not output.accepting and not output.violation
    assert len(output.ids) == limit
    assert read_outputs(row, out, START) == [output]


def test_read_outputs() -> None:
    word = DfaAutomaton(GRAMMARS["word"], VOCABULARY)
    rows = [[*encode(b"abc"), EOS, 0, 0], [*encode(b"abc")], [*encode(b"ab!c"), EOS], [EOS], []]
    whole, cut, wrong, early, empty = read_outputs(word, rows, 0)
    assert (whole.text, whole.complete, whole.accepting, whole.ids) == (b"abc", True, True, (*encode(b"abc"), EOS))
    assert (cut.text, cut.complete, cut.accepting, cut.truncated) == (b"abc", False, True, True)
    assert (wrong.text, wrong.complete, wrong.truncated) == (b"ab", False, False)
    assert "'!'" in wrong.violation and "position 2" in wrong.violation
    assert not early.complete and "end of sequence" in early.violation
    assert empty.truncated and empty.text == b""


def test_continuous_batching_drops_the_processor_loudly(row: DfaAutomaton) -> None:
    assert GrammarLogitsProcessor.supports_continuous_batching is False


def test_remembered_states_are_bounded_and_right(row: DfaAutomaton) -> None:
    small, plain = PrefixStates(row, max_bytes=2000), DfaAutomaton(GRAMMARS["row"], VOCABULARY)
    ids = np.array([*encode(b'{"a": 12, "b": "abcd"}'), EOS], dtype=np.int32)
    rng = np.random.default_rng(3)
    for end in [*range(len(ids) + 1), *rng.integers(0, len(ids) + 1, 60)]:
        state = small.state(ids[:end])
        assert state is not None
        got, wanted = np.zeros((2, VOCABULARY.words), np.int32)
        row.fill_mask(state, got)
        expected: int | None = plain.start()
        for token in ids[:end].tolist():
            expected = plain.advance(expected, token)
        plain.fill_mask(expected, wanted)
        assert (got == wanted).all()
    assert small._bytes <= 2000 + 4 * len(ids) + 200
    assert small.state(np.array([9, 9, 9], dtype=np.int32)) is None


def test_a_real_tokenizer(model: Any) -> None:
    """Byte-level BPE built here, read through ``constrain.vocab``: text goes in and out through the tokenizer."""
    tokenizer = byte_bpe()
    processor = GrammarLogitsProcessor(GRAMMARS["row"], tokenizer, width=WIDTH, eos=[tokenizer.eos_token_id])
    inputs = tokenizer(["hello", "hello there"], return_tensors="pt", padding=True, padding_side="left")
    ends = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    for options in ({}, {"num_beams": 3}, {"do_sample": True, "num_return_sequences": 2}):
        out = model.generate(**inputs, logits_processor=[processor], max_new_tokens=40, **ends, **options)
        new = out[:, inputs["input_ids"].shape[1] :]
        texts = [text.encode() for text in tokenizer.batch_decode(new, skip_special_tokens=True)]
        assert all(is_member("row", text) for text in texts)
        read = read_outputs(processor, out, inputs["input_ids"].shape[1])
        assert [output.text for output in read] == texts and all(output.complete for output in read)


def byte_bpe() -> PreTrainedTokenizerFast:
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    corpus = ['{"a": 12, "b": "abc"}', '{"a": 345, "b": "hello"}'] * 20
    special = ["<pad>", "<bos>", "<eos>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    backend.train_from_iterator(corpus, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="<pad>",
        bos_token="<bos>",
        eos_token="<eos>",
        clean_up_tokenization_spaces=False,
    )
