"""Records out of documents: one JSON value of a given type for each text, by a language model kept to the type.

The type is a JSON Schema or a Pydantic model; what a document, a record and a failure are stands in ``records.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch

from constrain.adapters.transformers import GrammarLogitsProcessor
from constrain.errors import ConstrainError
from constrain.ir.grammar import Grammar
from constrain.records import (
    Document,
    DocumentError,
    Generation,
    Messages,
    RecordType,
    Result,
    Settings,
    extract_one,
)


def extract(
    documents: Iterable[Document | str | Path],
    schema: Any,
    model: Any,
    tokenizer: Any,
    settings: Settings | None = None,
) -> Iterator[Result]:
    """One result a document, in order, as soon as it is there.

    ``documents``: texts to read, or paths of them. ``schema``: see :meth:`RecordType.of`. ``model`` and ``tokenizer``:
    a causal language model of transformers and its tokenizer. Raises ``GrammarError`` for a schema that cannot be
    enforced, before the first document; a document's own trouble is a ``Failure``.
    """
    settings = settings or Settings()
    record_type = RecordType.of(schema)
    generator = ModelGenerator(record_type.grammar, model, tokenizer, settings)
    return (extract_one(_document(source), record_type, generator, settings) for source in documents)


class ModelGenerator:
    """Generates with a transformers model, every answer a text of ``grammar``. One object serves many documents."""

    def __init__(self, grammar: Grammar, model: Any, tokenizer: Any, settings: Settings) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.settings = settings
        self.ends = _end_ids(model, tokenizer)
        self.processor = GrammarLogitsProcessor(grammar, tokenizer, eos=self.ends)

    def __call__(self, messages: Messages, seed: int) -> Generation:
        ids = self._encode(messages)
        self._check_room(ids.shape[1])
        try:
            with torch.random.fork_rng(), torch.inference_mode():
                torch.manual_seed(seed)
                output = self.model.generate(ids, attention_mask=torch.ones_like(ids), **self._options())
        except (ConstrainError, torch.OutOfMemoryError) as error:
            raise DocumentError("generation", f"generating failed: {error}") from error
        answer = output[0, ids.shape[1] :].tolist()
        data = self.processor.vocabulary.decode(answer)  # ends inside a character only where it was cut off
        return Generation(data.decode("utf-8", "replace"), len(answer), bool(answer) and answer[-1] in self.ends)

    def _encode(self, messages: Messages) -> torch.Tensor:
        """Prompt ids, ``[1, n]`` int64, by the tokenizer's chat template (plain paragraphs where it has none)."""
        if getattr(self.tokenizer, "chat_template", None):
            text = self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
            encoded = self.tokenizer(text, add_special_tokens=False, return_tensors="pt")
        else:
            text = "\n\n".join(message["content"] for message in messages) + "\n\nRecord: "
            encoded = self.tokenizer(text, return_tensors="pt")
        ids: torch.Tensor = encoded["input_ids"].to(self.model.device)
        return ids

    def _check_room(self, prompt_tokens: int) -> None:
        room = getattr(self.model.config, "max_position_embeddings", None)
        wanted = self.settings.max_new_tokens
        if room is not None and prompt_tokens + wanted > room:
            raise DocumentError(
                "too-long",
                f"its prompt has {prompt_tokens} tokens; with {wanted} new ones that is more than the {room} of the "
                "model's context: split the document",
            )

    def _options(self) -> dict[str, Any]:
        options: dict[str, Any] = {
            "logits_processor": [self.processor.reset()],
            "max_new_tokens": self.settings.max_new_tokens,
            "eos_token_id": sorted(self.ends),
            "pad_token_id": min(self.ends),
            "do_sample": self.settings.sample,
        }
        if self.settings.sample:  # the model's own distribution: nothing cut off by a checkpoint's defaults
            options |= {"temperature": self.settings.temperature, "top_k": 0, "top_p": 1.0}
        return options


def _document(source: Document | str | Path) -> Document:
    return source if isinstance(source, Document) else Document.read(source)


def _end_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    """All ids that end a text for this model: its generation settings name them, else its tokenizer."""
    named = getattr(model.generation_config, "eos_token_id", None)
    ids = [named] if isinstance(named, int) else list(named or [])
    if tokenizer.eos_token_id is not None:
        ids.append(tokenizer.eos_token_id)
    return frozenset(ids)
