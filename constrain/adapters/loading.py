"""Models and tokenizers by name: a transformers name or folder, a GGUF file, or the SmolLM2 that a package carries.

What transformers makes of SmolLM2's GGUF file lacks one thing, the splitter that the model was trained with:
:func:`split_digits` gives it back.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tokenizers import pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from constrain.adapters.bundled import BUNDLED, LoadingError, bundled_gguf
from constrain.vocab.gguf_file import read_tokenizer_fields

# The turns that SmolLM2-Instruct was trained with, for a file that comes without its chat template.
CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


@dataclass(frozen=True)
class LoadedModel:
    """A causal language model with its tokenizer; ``name`` tells it from others in records."""

    model: Any
    tokenizer: Any
    name: str


def load_tokenizer(source: str) -> Any:
    """A tokenizer by ``source``: ``smollm2``, a ``.gguf`` or ``.json`` file, a folder, or a name transformers knows."""
    if source == BUNDLED:
        return _gguf_tokenizer(bundled_gguf())
    path = Path(source)
    if path.suffix == ".gguf":
        return _gguf_tokenizer(_existing(path))
    if path.suffix == ".json":
        return _load(source, PreTrainedTokenizerFast, tokenizer_file=str(_existing(path)))
    return _load(source, AutoTokenizer.from_pretrained, source)


def load_model(source: str = BUNDLED) -> LoadedModel:
    """A causal language model and its tokenizer: ``smollm2``, a ``.gguf`` file, a folder, or a name transformers knows.

    Weights of a GGUF file are dequantised to float32. Raises :class:`LoadingError`.
    """
    path = bundled_gguf() if source == BUNDLED else Path(source)
    tokenizer = load_tokenizer(source)
    if path.suffix == ".gguf":
        model = _from_gguf(AutoModelForCausalLM, path)
    else:
        model = _load(source, AutoModelForCausalLM.from_pretrained, source)
    model.eval()
    return LoadedModel(model, tokenizer, path.name if path.suffix == ".gguf" else source)


def split_digits(tokenizer: Any) -> None:
    """Give a converted SmolLM tokenizer its own pre-tokenizer back: each digit alone, then byte-level words."""
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )


def _gguf_tokenizer(path: Path) -> Any:
    tokenizer = _from_gguf(AutoTokenizer, path)
    if read_tokenizer_fields(path).get("pre") == "smollm":
        split_digits(tokenizer)
        tokenizer.chat_template = tokenizer.chat_template or CHATML
    return tokenizer


def _from_gguf(kind: Any, path: Path) -> Any:
    missing = [name for name in ("gguf", "accelerate") if find_spec(name) is None]
    if missing:
        raise LoadingError(str(path), f"needs {' and '.join(missing)}: pip install 'constrain-lm[demo]'")
    return _load(str(path), kind.from_pretrained, str(path.parent), gguf_file=path.name)


def _load(source: str, load: Any, *arguments: Any, **options: Any) -> Any:
    """Call one of transformers' loaders; what goes wrong in it becomes a :class:`LoadingError`."""
    try:
        return load(*arguments, **options)
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        raise LoadingError(source, str(error).strip().split("\n")[0] or type(error).__name__) from error


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise LoadingError(str(path), "there is no such file")
    return path
