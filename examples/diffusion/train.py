"""Train the two small masked-diffusion models of the demo anew.

    pip download --no-deps -d wheels rxnfp==0.1.0 molsets==0.3.1
    python -m examples.diffusion.train smiles --wheels wheels
    python -m examples.diffusion.train texts

One thread, a quarter of an hour of its time each. Weights are saved every minute, in float16.
"""

from __future__ import annotations

import argparse
import copy
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from tokenizers import Tokenizer
from transformers import BertConfig, BertForMaskedLM, ModernBertConfig, ModernBertForMaskedLM, PreTrainedModel

from examples.diffusion import molecules, texts
from examples.diffusion.training import Plan, Task, train

Model = TypeVar("Model", bound=PreTrainedModel)
MODELS = Path(__file__).parent / "models"
BLANK = "Ġ"  # as byte-level tokenizers write it
SMILES = Plan(seconds=900, steps=640, batch=16, rate=5e-4)
TEXTS = Plan(seconds=600, steps=10**9, batch=16, rate=2e-3)
PAIRS = 30_000  # of each kind of text; in a quarter of an hour nearly all are seen once


def smiles_model(wheels: Path) -> BertForMaskedLM:
    """rxnfp's BERT, told what its mask and end are and how long its canvas is."""
    settings, weights = molecules.pretrained(wheels)
    ids = {name: i for i, name in enumerate(molecules.names(wheels))}
    kept = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "hidden_act")
    config = BertConfig(
        **{key: settings[key] for key in kept},
        max_position_embeddings=1 + molecules.CANVAS,
        layer_norm_eps=settings["layer_norm_eps"],
        hidden_dropout_prob=0.0,  # so short a training does not overfit
        attention_probs_dropout_prob=0.0,
        bos_token_id=ids["[CLS]"],
        mask_token_id=ids["[MASK]"],
        eos_token_id=ids["[SEP]"],
        pad_token_id=ids["[SEP]"],
        prompt=1,
        canvas=molecules.CANVAS,
    )
    model = learning_ends(BertForMaskedLM(config))
    places = "bert.embeddings.position_embeddings.weight"
    weights[places] = weights[places][: config.max_position_embeddings]
    missing = model.load_state_dict(weights, strict=False).missing_keys
    if missing != ["cls.predictions.decoder.bias"]:  # the same parameter as cls.predictions.bias
        raise ValueError(f"rxnfp's weights lack {missing}: is it version 0.1.0?")
    return model


def train_smiles(wheels: Path, out: Path, plan: Plan, seed: int) -> None:
    """Fine-tune on the molecules that MOSES trains with."""
    model = smiles_model(wheels)
    names = molecules.names(wheels)
    ids = {name: i for i, name in enumerate(names)}
    rows = molecules.rows_of(molecules.smiles(wheels), ids, model.config.bos_token_id, model.config.eos_token_id)
    out.mkdir(parents=True, exist_ok=True)
    (out / "vocab.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    train(model, [Task(rows, 1)], model.config.mask_token_id, plan, seed, reporter(model, out))
    save(model, out)


def texts_model(mask: int, end: int) -> ModernBertForMaskedLM:
    """A small ModernBERT with random weights: 1.8 million."""
    config = ModernBertConfig(
        vocab_size=texts.VOCABULARY,
        hidden_size=192,
        num_hidden_layers=4,
        num_attention_heads=6,
        intermediate_size=384,
        max_position_embeddings=texts.PROMPT + texts.CANVAS,
        global_attn_every_n_layers=1,
        bos_token_id=end,
        cls_token_id=end,
        sep_token_id=end,
        mask_token_id=mask,
        eos_token_id=end,
        pad_token_id=end,
        prompt=texts.PROMPT,
        canvas=texts.CANVAS,
    )
    return learning_ends(ModernBertForMaskedLM(config))


def learning_ends(model: Model) -> Model:
    """The end fills canvases and is told as padding, but unlike padding it is read: its embedding must be learned."""
    model.get_input_embeddings().padding_idx = None
    return model


def begin_alike(model: ModernBertForMaskedLM, tokenizer: Tokenizer) -> None:
    """A word behind a blank begins as the word alone and the blank, so that copying one helps to copy the other."""
    ids = tokenizer.get_vocab()
    embeddings = model.get_input_embeddings().weight.data
    for token, i in ids.items():
        if token.startswith(BLANK) and token[1:] in ids:
            embeddings[i] = embeddings[ids[token[1:]]] + embeddings[ids[BLANK]]


def train_texts(out: Path, plan: Plan, seed: int) -> None:
    """A tokenizer and a model for both kinds of texts, by turns."""
    pairs = [texts.training_pairs(task, PAIRS) for task in texts.SOURCES]
    tokenizer = texts.train_tokenizer(pair for some in pairs for pair in some)
    mask, end = tokenizer.token_to_id(texts.MASK), tokenizer.token_to_id(texts.END)
    model = texts_model(mask, end)
    begin_alike(model, tokenizer)
    out.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(out / "tokenizer.json"))
    train(
        model,
        [Task(texts.rows_of(tokenizer, some), texts.PROMPT) for some in pairs],
        mask,
        plan,
        seed,
        reporter(model, out),
    )
    save(model, out)


def save(model: PreTrainedModel, out: Path) -> None:
    """Configuration and weights, in float16."""
    copy.deepcopy(model).half().save_pretrained(out)


def reporter(model: PreTrainedModel, out: Path) -> Callable[[int, float, float], None]:
    """Says once a minute how it goes, and saves the weights."""
    said = time.monotonic()

    def report(step: int, seconds: float, loss: float) -> None:
        nonlocal said
        if time.monotonic() - said >= 60:
            said = time.monotonic()
            print(f"{seconds:6.0f} s, step {step}: {loss:.3f} nats a masked slot", flush=True)
            save(model, out)

    return report


def main(arguments: list[str]) -> None:
    """Read the arguments, train, save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=["smiles", "texts"])
    parser.add_argument("--wheels", type=Path, default=Path("wheels"), help="folder of the wheels of rxnfp and molsets")
    parser.add_argument("--out", type=Path, help=f"where to save (default: {MODELS.name}/MODEL beside this script)")
    parser.add_argument("--seconds", type=float, help="processor time to train (default: as the shipped model)")
    parser.add_argument("--steps", type=int, help="at most so many steps")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    torch.manual_seed(given.seed)
    out = given.out or MODELS / given.model
    plan = SMILES if given.model == "smiles" else TEXTS
    said = {name: getattr(given, name) for name in ("seconds", "steps") if getattr(given, name) is not None}
    plan = plan._replace(**said)
    if given.model == "smiles":
        train_smiles(given.wheels, out, plan, given.seed)
    else:
        train_texts(out, plan, given.seed)


if __name__ == "__main__":
    main(sys.argv[1:])
