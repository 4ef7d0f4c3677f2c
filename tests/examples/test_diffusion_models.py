"""The demo of diffusion: data made up by rule, training, the models that are shipped, scores, pictures."""

from __future__ import annotations

import gzip
import io
import json
import math
import sqlite3
import zipfile
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from jsonschema import Draft202012Validator
from transformers import BertConfig, BertForMaskedLM

import constrain
from constrain.canvas.base import OPEN
from constrain.canvas.factory import canvas
from constrain.diffusion.options import Options
from constrain.diffusion.sampler import Sampler
from constrain.testing import Recogniser, find_difference, strings
from examples.diffusion import bookings, demo, frames, languages, models, molecules, scores, texts, train, training

TINY = BertConfig(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8,
                  max_position_embeddings=10)  # fmt: skip


@pytest.mark.parametrize("task", sorted(texts.SOURCES))
def test_pairs_are_the_same_every_time(task: str) -> None:
    first, second = (list(islice(texts.SOURCES[task](3), 50)) for _ in range(2))
    assert first == second
    assert list(islice(texts.SOURCES[task](4), 50)) != first


def test_records_are_of_the_schema_and_the_grammar() -> None:
    validator, grammar = Draft202012Validator(bookings.SCHEMA), Recogniser(languages.records())
    for pair in islice(texts.booking_pairs(5), 100):
        record = json.loads(pair.answer)
        assert validator.is_valid(record)
        assert grammar.accepts(pair.answer)
        assert record["place"] in pair.prompt and record["name"] in pair.prompt
        assert record["day"].capitalize() in pair.prompt


@pytest.fixture(scope="module")
def library() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.executescript(scores.LIBRARY.read_text("utf-8"))
    return connection


def test_queries_are_of_the_grammar_and_run(library: sqlite3.Connection) -> None:
    grammar = Recogniser(languages.sql())
    for pair in islice(texts.query_pairs(5), 150):
        assert grammar.accepts(pair.answer), pair
        library.execute(pair.answer)


@settings(max_examples=40)
@given(query=strings(languages.sql(), max_size=150))
def test_whatever_the_grammar_of_queries_has_runs(query: str) -> None:
    with sqlite3.connect(":memory:") as connection:
        connection.executescript(scores.LIBRARY.read_text("utf-8"))
        connection.execute(query)


def test_a_query_may_name_only_columns_of_its_table() -> None:
    grammar = Recogniser(languages.sql())
    assert grammar.accepts("SELECT title FROM book")
    assert not grammar.accepts("SELECT title FROM author")
    nested = "SELECT name FROM author WHERE author_id IN (SELECT author_id FROM book WHERE {} = 'Night Tram')"
    assert grammar.accepts(nested.format("title")) and not grammar.accepts(nested.format("name"))


def test_molecules_without_a_lexer_are_the_same_language() -> None:
    lexed, plain = (constrain.lark(languages.GRAMMARS / "smiles.lark"), languages.smiles())
    found = find_difference(lexed, plain, max_pairs=3000)
    assert not found and found.complete_to is not None and found.complete_to >= 4, found


def test_no_answer_of_the_test_set_was_trained_with() -> None:
    for task in texts.SOURCES:
        trained = {pair.answer for pair in texts.training_pairs(task, 500)}
        held_out = [pair.answer for pair in texts.test_pairs(task, 60, 500)]
        assert len(set(held_out)) == 60 and not trained & set(held_out)


def test_masks_lie_in_the_canvas_and_in_every_row() -> None:
    rows, rng = np.full((200, 10), 7), np.random.default_rng(0)
    ids, hidden = training.masked(training.Task(rows, 4), rows, 2, rng)
    assert not hidden[:, :4].any() and hidden.any(dim=1).all()
    assert ((ids == 2) == hidden).all() and (ids[~hidden] == 7).all()
    assert 0.45 < hidden[:, 4:].float().mean() < 0.65  # even shares, and at least one of six


def test_training_lowers_the_loss_and_is_the_same_for_a_seed() -> None:
    rows = np.tile(np.arange(10), (64, 1))
    losses: list[list[float]] = []
    for _ in range(2):
        torch.manual_seed(0)
        model, seen = BertForMaskedLM(TINY), []
        plan = training.Plan(seconds=math.inf, steps=30, batch=8, rate=1e-2)
        steps = training.train(
            model, [training.Task(rows, 3)], 19, plan, 1, lambda *told, seen=seen: seen.append(told[2])
        )
        assert steps == 30 and not model.training
        losses.append(seen)
    assert losses[0] == losses[1] and losses[0][-1] < losses[0][0]


def test_tasks_take_turns() -> None:
    tasks = [training.Task(np.full((6, 4), value), 1) for value in (1, 2)]
    found = [int(rows[0, 0]) for _, rows in islice(training.batches(tasks, 3, np.random.default_rng(0)), 8)]
    assert found == [1, 2] * 4


def test_molecules_train_from_wheels(tmp_path: Path) -> None:
    _fake_wheels(tmp_path)
    train.main(["smiles", "--wheels", str(tmp_path), "--out", str(tmp_path / "model"), "--steps", "2"])
    shipped = models.load("smiles", tmp_path / "model")
    assert shipped.vocabulary.decode(molecules.rows_of(["CCl"], {"C": 4, "Cl": 5}, 1, 2)[0, 1:]) == b"CCl"
    assert shipped.denoiser(torch.tensor([[1, 3, 3]])).shape == (1, 3, 6)
    with pytest.raises(FileNotFoundError, match="pip download --no-deps"):
        molecules.wheel(tmp_path, "nothing")


def _fake_wheels(folder: Path) -> None:
    """What the training reads of rxnfp and molsets."""
    config = BertConfig(vocab_size=6, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)
    weights = BertForMaskedLM(config).state_dict()
    weights.pop("cls.predictions.decoder.bias")
    saved = io.BytesIO()
    torch.save(weights, saved)
    inside = "rxnfp/models/transformers/bert_pretrained/"
    with zipfile.ZipFile(folder / "rxnfp-0.1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(inside + "vocab.txt", "\n".join(["[PAD]", "[CLS]", "[SEP]", "[MASK]", "C", "Cl"]))
        wheel.writestr(inside + "config.json", json.dumps(config.to_dict()))
        wheel.writestr(inside + "pytorch_model.bin", saved.getvalue())
    with zipfile.ZipFile(folder / "molsets-0.3.1-py3-none-any.whl", "w") as wheel:
        rows = "SMILES\n" + "CCl\nCCCl\n" * 40
        wheel.writestr("moses/dataset/data/train.csv.gz", gzip.compress(rows.encode()))


def test_words_behind_blanks_begin_like_the_words() -> None:
    tokenizer = texts.train_tokenizer(islice(texts.booking_pairs(0), 300))
    model = train.texts_model(0, 1)
    train.begin_alike(model, tokenizer)
    weights, ids = model.get_input_embeddings().weight, tokenizer.get_vocab()
    both = [token for token in ids if token.startswith("Ġ") and len(token) > 3 and token[1:] in ids]
    assert both
    for token in both:
        assert torch.equal(weights[ids[token]], weights[ids[token[1:]]] + weights[ids["Ġ"]])


def test_prompts_are_read_without_blanks_and_answers_with_them() -> None:
    tokenizer = texts.train_tokenizer(islice(texts.query_pairs(0), 300))
    row = texts.prompt_row(tokenizer, "How many books?")
    assert row is not None and len(row) == texts.PROMPT
    assert tokenizer.decode(row) == "Howmanybooks?"
    assert texts.prompt_row(tokenizer, "books " * 60) is None
    rows = texts.rows_of(tokenizer, [texts.Pair("How many?", "SELECT a"), texts.Pair("x " * 60, "SELECT")])
    assert len(rows) == 1 and tokenizer.decode(rows[0, texts.PROMPT :]) == "SELECT a"


# --- What is shipped ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=models.NAMES)
def shipped(request: pytest.FixtureRequest) -> models.Shipped:
    return models.load(request.param)


def test_shipped_models_are_small_and_whole(shipped: models.Shipped) -> None:
    facts = shipped.denoiser.facts
    ids = torch.tensor([shipped.prompt("Please book a table") + [facts.mask] * shipped.canvas])
    assert shipped.denoiser(ids).shape == (*ids.shape, shipped.vocabulary.width)
    assert facts.ends == shipped.vocabulary.eos and shipped.vocabulary.tokens[facts.mask] is None
    for name in models.NAMES:
        folder = models.FOLDER / name
        assert sum(file.stat().st_size for file in folder.iterdir()) < 15e6
        assert (folder / "README.md").is_file()


def test_the_text_model_knows_all_bytes_and_refuses_long_prompts() -> None:
    shipped = models.load("texts")
    assert {bytes([i]) for i in range(256)} <= set(shipped.vocabulary.tokens)
    with pytest.raises(ValueError, match="at most 40 tokens"):
        shipped.prompt("a table " * 50)
    with pytest.raises(ValueError, match="take one of smiles, texts"):
        models.load("nothing")


def test_held_out_texts_are_as_likely_as_stated() -> None:
    """The loss of the model card, with room for the draw of masks."""
    shipped = models.load("texts")
    assert shipped.tokenizer is not None
    for task, most in LOSSES.items():
        rows = texts.rows_of(shipped.tokenizer, texts.test_pairs(task, 60, 2000))
        with torch.no_grad():
            loss = training.loss_of(
                shipped.model,
                training.Task(rows, texts.PROMPT),
                rows,
                shipped.denoiser.facts.mask,
                np.random.default_rng(0),
            )
        assert loss < most, (task, float(loss))


LOSSES = {"records": 0.8, "sql": 1.1}  # nats a masked slot; ln 2048 = 7.6 for a model that knows nothing


def test_the_molecule_model_knows_molecules() -> None:
    """Molecules of our own choice, known to everyone: what is masked is far likelier than chance (ln 591 = 6.4)."""
    shipped = models.load("smiles")
    ids = {name: i for i, name in enumerate(_names())}
    known = ["CC(=O)Oc1ccccc1C(=O)O", "CC(=O)Nc1ccc(O)cc1", "CN1C=NC2=C1C(=O)N(C)C(=O)N2C", "COc1ccc(CCN)cc1OC"]
    (end,) = shipped.denoiser.facts.ends
    rows = molecules.rows_of(known, ids, shipped.prompt()[0], end)
    with torch.no_grad():
        loss = training.loss_of(
            shipped.model, training.Task(rows, 1), rows, shipped.denoiser.facts.mask, np.random.default_rng(0)
        )
    assert loss < 1.5, float(loss)


def _names() -> list[str]:
    return (models.FOLDER / "smiles" / "vocab.txt").read_text("utf-8").split()


def test_constrained_records_are_valid_whatever_is_asked() -> None:
    shipped = models.load("texts")
    start = canvas(languages.records(), shipped.vocabulary, shipped.canvas)
    for prompt in ("Please book a table for four at the Blue Owl on Friday at 19:30. Thanks, Chen.", "???", ""):
        sampler = Sampler(shipped.denoiser, shipped.prompt(prompt), Options(tokens=8))
        output = sampler.run(start).text
        assert scores.of_records([output], [output])["valid"] == 1


# --- Scores and pictures --------------------------------------------------------------------------------------------


def test_scores_of_records() -> None:
    answer = '{"place":"Blue Owl","people":4,"day":"friday","time":"19:30","name":"Chen"}'
    assert scores.of_records([answer], [answer]) == {"valid": 1, "F1": 1, "exact": 1}
    wrong = answer.replace("4", "5")
    assert scores.of_records([wrong, "{"], [answer, answer]) == {"valid": 0.5, "F1": 2 * 4 / 15, "exact": 0}
    assert scores.of_records([answer.replace("4", "40")], [answer])["valid"] == 0


def test_scores_of_queries() -> None:
    asked = "SELECT title FROM book WHERE pages > 400"
    same = "SELECT title FROM book WHERE pages > 401"
    found = scores.of_queries([asked, same, "SELECT title FROM author", "DROP TABLE book"], [asked] * 4)
    assert found == {"valid": 0.5, "exact": 0.25}
    assert scores.of_queries([asked], [asked])["valid"] == 1  # the book is still there


def test_scores_of_molecules() -> None:
    assert scores.of_molecules(["CCO", "OCC", "C1CC", ""]) == {"valid": 0.5, "distinct": 0.25}


def test_pictures_of_each_step(tmp_path: Path) -> None:
    vocabulary = constrain.Vocabulary([b"a $", b"b", None], eos=[2])
    steps = [np.array(ids, np.int32) for ids in ([OPEN, OPEN, OPEN], [OPEN, 1, OPEN], [0, 1, 2])]
    frames.write(tmp_path, "run", steps, vocabulary)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["run-00.png", "run-01.png", "run-02.png", "run.gif", "run.png"]
    assert frames.label(0, vocabulary) == r"a·\$" and frames.label(2, vocabulary) == ""
    one, all_rows = (frames.picture(steps, shown, vocabulary) for shown in ([0], range(3)))
    assert all_rows.get_figheight() > one.get_figheight()


def test_the_table_has_a_line_for_each_way() -> None:
    rows = [demo.Row("sql", way, 4, {"valid": 0.25}, 1.5) for way in demo.WAYS]
    lines = demo.table(rows).split("\n")
    assert lines[2:] == [
        "| sql | 4 | unconstrained | valid 25.0% | 1.50 |",
        "| sql | 4 | constrained | valid 25.0% | 1.50 |",
    ]
