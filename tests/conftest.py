"""Shared fixtures, and one Hypothesis profile: the same examples on every run."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from constrain.vocab.readers import read_vocabulary
from constrain.vocab.vocabulary import Vocabulary

settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=50,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
settings.load_profile("repeatable")

SHARED_DATA = Path(__file__).parents[1] / "../shared/data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of data that is measured on but never kept in the repository."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"needs the data folder {SHARED_DATA}")
    return SHARED_DATA.resolve()


@pytest.fixture(scope="session")
def llama3_1(shared_data: Path) -> Vocabulary:
    """A byte-level vocabulary of 128,256 ids."""
    return read_vocabulary(shared_data / "tokenizers/llama3_1")


@pytest.fixture(scope="session")
def llama2(shared_data: Path) -> Vocabulary:
    """A SentencePiece vocabulary of 32,000 ids with byte tokens."""
    return read_vocabulary(shared_data / "tokenizers/llama2", eos=[2])
