"""Molecules as rows of atom-level tokens: the vocabulary of ``rxnfp``, the molecules of ``molsets``. Both are MIT.

Both packages are read as the wheels they come as, without being installed: their dependencies are old and many.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from examples.diffusion.training import Rows

WHEELS = ("rxnfp==0.1.0", "molsets==0.3.1")  # pip download --no-deps
CANVAS = 48  # 99.9 % of the molecules have fewer tokens; the end takes one slot
_PRETRAINED = "rxnfp/models/transformers/bert_pretrained/"
_TOKEN = re.compile(r"\[[^\]]+\]|Br|Cl|%\d\d|.")  # rxnfp's own pattern cuts SMILES without reactions into the same


def tokens_of(smiles: str) -> list[str]:
    """A SMILES cut into atoms, bonds, brackets and ring-bond digits."""
    return _TOKEN.findall(smiles)


def wheel(folder: Path, name: str) -> zipfile.ZipFile:
    """The wheel of that name in the folder."""
    found = sorted(folder.glob(f"{name}-*.whl"))
    if not found:
        raise FileNotFoundError(
            f"no wheel of {name} in {folder}: pip download --no-deps -d {folder} {' '.join(WHEELS)}"
        )
    return zipfile.ZipFile(found[-1])


def names(folder: Path) -> list[str]:
    """The tokens of rxnfp's BERT, by id."""
    return wheel(folder, "rxnfp").read(f"{_PRETRAINED}vocab.txt").decode("utf-8").split()


def pretrained(folder: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Configuration and weights of rxnfp's BERT with its masked-LM head."""
    files = wheel(folder, "rxnfp")
    weights = torch.load(
        io.BytesIO(files.read(f"{_PRETRAINED}pytorch_model.bin")), map_location="cpu", weights_only=True
    )
    return json.loads(files.read(f"{_PRETRAINED}config.json")), weights


def smiles(folder: Path, part: str = "train") -> list[str]:
    """The molecules of MOSES: 1,584,663 to train with, 176,074 to test with."""
    text = gzip.decompress(wheel(folder, "molsets").read(f"moses/dataset/data/{part}.csv.gz")).decode("ascii")
    return [line.split(",")[0] for line in text.split("\n")[1:] if line]


def rows_of(molecules: list[str], ids: dict[str, int], begin: int, end: int) -> Rows:
    """(N, 1 + CANVAS): the beginning's id, the molecule, ends to the last slot. What is too long is left out."""
    cut = [tokens for tokens in map(tokens_of, molecules) if len(tokens) < CANVAS]
    rows = np.full((len(cut), 1 + CANVAS), end, dtype=np.int64)
    rows[:, 0] = begin
    for row, tokens in zip(rows, cut, strict=True):
        row[1 : 1 + len(tokens)] = [ids[token] for token in tokens]
    return rows
