"""``constrain generate`` with a tiny random model: texts, weights, files, certificates, mistakes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from constrain.cli import generate as command
from constrain.cli import main
from constrain.sampling.api import METHODS

EOS = 256
WORDS = ["--regex", "a|b|ab|ba(b|a)"]


@pytest.fixture(scope="module")
def pair() -> tuple[Any, Any]:
    torch.manual_seed(5)
    shape = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = LlamaConfig(vocab_size=257, eos_token_id=EOS, initializer_range=0.3, **shape)
    alphabet = {letter: place for place, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(vocab=alphabet, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<end>"])
    return LlamaForCausalLM(config).eval().double(), PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<end>"
    )


@pytest.fixture
def loaded(pair: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Names of the models that were asked for."""
    asked: list[str] = []
    monkeypatch.setattr(command, "load", lambda source: (asked.append(source), pair)[1])
    monkeypatch.chdir(tmp_path)
    return asked


def run(*words: str, grammar: list[str] = WORDS) -> int:
    return main(["generate", *grammar, "Say:", "--no-progress", "--max-tokens", "4", *words])


def test_texts_and_what_they_are_worth(loaded: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("-n", "5", "--method", "exact", "--seed", "1") == 0
    captured = capsys.readouterr()
    texts = captured.out.splitlines()
    assert len(texts) == 5 and set(texts) <= {"a", "b", "ab", "baa", "bab"}
    lines = captured.err.splitlines()
    assert lines[0].startswith("5 texts, exact, independent (method exact)")
    assert lines[1].startswith("the model alone would write such a text with probability ")
    assert "at least" in lines[2] and "at most" in lines[2]
    assert "nats" in lines[3] and lines[4] == "effective samples: 5.0 of 5"
    assert "calls of the model" in lines[5] and loaded == ["smollm2"]
    assert run("-n", "5", "--method", "exact", "--seed", "1") == 0
    assert capsys.readouterr().out.splitlines() == texts


def test_json(loaded: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("-n", "3", "--method", "importance", "--json", "--resample") == 0
    facts = json.loads(capsys.readouterr().out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert facts["method"] == "importance" and facts["guarantee"] == "properly weighted"
    assert sum(sample["weight"] for sample in facts["samples"]) == pytest.approx(1)
    assert len(facts["resampled"]) == 3 and set(facts["resampled"]) <= {each["text"] for each in facts["samples"]}
    assert facts["certificate"]["log_lower"] <= facts["certificate"]["log_upper"]


def test_weights_and_the_hint(loaded: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("-n", "4", "--method", "mask", "--weights") == 0
    captured = capsys.readouterr()
    weights = [float(line.partition("\t")[0]) for line in captured.out.splitlines()]
    assert len(weights) == 4 and sum(weights) == pytest.approx(1, abs=1e-5) and "hint" not in captured.err
    assert run("-n", "4", "--method", "mask") == 0
    captured = capsys.readouterr()
    assert "hint: --weights writes the weights" in captured.err and "\t" not in captured.out


def test_fewer_than_asked(loaded: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("-n", "40", "--method", "exact", "--budget", "3") == 1
    captured = capsys.readouterr()
    count = len(captured.out.splitlines())
    assert count < 40 and f"{count} of 40 texts" in captured.err and "allow more with budget=" in captured.err


def test_what_was_learnt_is_kept(loaded: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("-n", "20", "--method", "exact", "--save", "t.npz") == 0
    assert ", 0 calls of the model" not in capsys.readouterr().err
    assert run("-n", "5", "--method", "exact", "--load", "t.npz", "--json") == 0
    later = json.loads(capsys.readouterr().out)
    assert later["certificate"]["calls"] == 0 and len(later["samples"]) == 5
    assert run("-n", "5", "--load", "t.npz", "--temperature", "0.5") == 2
    assert "model and prompt" in capsys.readouterr().err
    Path("broken.npz").write_bytes(b"PK and nothing else")
    assert run("--load", "broken.npz") == 2
    assert "broken.npz" in capsys.readouterr().err


def test_pictures_and_the_tree(loaded: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("-n", "4", "--picture", "out.html", "--tree") == 0
    page = Path("out.html").read_text()
    assert page.count("<svg") == 2 and "probability" in page
    assert "P(prefix)  S(prefix)" in capsys.readouterr().err
    assert run("-n", "4", "--picture", "out.png") == 0
    assert Path("out.png").read_bytes().startswith(b"\x89PNG")


def test_a_prompt_from_standard_input(
    loaded: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "words.regex").write_text("a|b")
    (tmp_path / "prompt").write_text("Say:")
    with open(tmp_path / "prompt") as file:
        monkeypatch.setattr(sys, "stdin", file)
        assert main(["generate", "words.regex", "-", "--method", "exact", "--max-tokens", "4", "--seed", "3"]) == 0
    piped = capsys.readouterr().out
    assert main(["generate", "words.regex", "Say:", "--method", "exact", "--max-tokens", "4", "--seed", "3"]) == 0
    assert capsys.readouterr().out == piped


@pytest.mark.parametrize("name", ["python-expression", "own:no_b", "own:NoB"])
def test_predicates(loaded: list[str], capsys: pytest.CaptureFixture[str], name: str) -> None:
    Path("own.py").write_text(
        "def no_b(text):\n    return b'b' not in text\n"
        "class NoB:\n    def prefix_ok(self, text): return b'b' not in text\n    complete_ok = prefix_ok\n"
    )
    sys.modules.pop("own", None)
    grammar = ["--regex", r"a\+?|b\+"] if name == "python-expression" else WORDS
    assert run("-n", "6", "--method", "exact", "--predicate", name, grammar=grammar) == 0
    assert set(capsys.readouterr().out.split()) == {"a"}


def test_guard_with_the_prompted_model(loaded: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("-n", "3", "--method", "guard", "--proposal-prompt", "Say a or b:") == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--regex", "a"], "which prompt?"),
        (["--regex", "a", "Say:", "--method", "magic"], "--method 'magic': there are auto"),
        (["--regex", "a", "Say:", "--predicate", "perl"], "there are python"),
        (["--regex", "a", "Say:", "--predicate", "nowhere:f"], "No module named 'nowhere'"),
        (["--regex", "a", "Say:", "--predicate", "sql:missing.db"], "missing.db"),
        (["--regex", "a", "Say:", "--save", "trie.bin"], "ends in .npz"),
        (["--regex", "a", "Say:", "--load", "missing.npz"], "missing.npz: there is no such file"),
        (["--regex", "a", "Say:", "--picture", "nowhere/a.png"], "nowhere: there is no such folder"),
        (["--regex", "a", "Say:", "--picture", "a.gif"], "ends in .png, .svg, .html"),
        (["--regex", "a", "Say:", "--gguf", "missing.gguf"], "missing.gguf: there is no such file"),
        (["--regex", "a", "Say:", "--json", "--weights"], "leave --weights out"),
        (["--regex", "a", "Say:", "--method", "guard"], "go together"),
        (["nothing.lark", "Say:"], "nothing.lark: file not found"),
    ],
)
def test_mistakes_are_told_before_a_model_is_loaded(
    loaded: list[str], capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    assert main(["generate", *arguments]) == 2
    assert says in capsys.readouterr().err and loaded == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--top-p", "1.5"], "top_p=1.5"),
        (["--chat"], "no chat template"),
        (["--regex", "[a-z]{9}"], "no text is wanted"),
    ],
)
def test_mistakes_that_need_the_model(
    loaded: list[str], capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    grammar = [] if "--regex" in arguments else WORDS
    assert run("--method", "exact", *arguments, grammar=grammar) == (1 if "wanted" in says else 2)
    assert says in capsys.readouterr().err


def test_help_names_every_method(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["generate", "--help"])
    said = capsys.readouterr().out
    assert [name for name in METHODS if f"\n  {name} " not in said] == [] and "examples:" in said
