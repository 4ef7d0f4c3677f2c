"""Continuous batching in ``transformers``: a grammar for each request, by name.

In continuous batching a processor sees neither histories nor rows that stay in place: it gets the scores of whatever
requests have a new token, and one int32 for each. Here that int32 is a row of a mask table on the model's device;
row 0 allows everything. Masks are written on the host while the batch is prepared; ``__call__`` is one gather and one
``where`` on fixed addresses, as a CUDA graph needs.

Asynchronous batching prepares a batch before the tokens of the last one are known, so no mask can be right there:
it is switched off by ``attach`` and refused where it is asked for.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from transformers import ContinuousBatchingConfig
from transformers.generation.continuous_batching.cb_logits_processors import ContinuousBatchingLogitsProcessor

from constrain.adapters.outputs import read_output
from constrain.adapters.prefix_states import PrefixStates
from constrain.errors import ConstraintViolation, DeadEnd, LimitExceeded, VocabularyError
from constrain.mask import expand_words, keep_allowed
from constrain.tokens.base import TokenAutomaton
from constrain.tokens.batch import fill_masks

FREE = ""
"""The grammar name of a request that is not constrained: it has to be asked for."""

_WARM_UP = "__warmup_"  # prefix of the ids of transformers' own dry-run requests


class GrammarContinuousBatchingProcessor(ContinuousBatchingLogitsProcessor):
    """Masks each request by the grammar that it names: ``manager.add_request(ids, grammar="invoice")``.

    ``grammars``      name -> compiled automaton, all over one vocabulary. Names are not empty.
    ``default``       the name for requests that give none. Left out, such a request is refused; ``FREE`` lets it go
                      unconstrained. ``generate_batch`` passes no names, so it needs a default.
    ``max_requests``  most requests with a new token in one batch: the table takes ``max_requests * width / 8`` bytes.

    Use it through ``attach``.
    """

    supported_kwargs: dict[str, type] = {"grammar": str}  # noqa: RUF012 (the base class wants this attribute)
    ignored_kwargs: tuple[str, ...] = ()

    def __init__(
        self, grammars: Mapping[str, TokenAutomaton[Any]], *, default: str | None = None, max_requests: int = 1024
    ) -> None:
        if not grammars or FREE in grammars:
            raise ValueError("give at least one grammar, each with a name that is not empty")
        self._states = {name: PrefixStates(automaton) for name, automaton in grammars.items()}
        vocabularies = {a.vocabulary.fingerprint: a.vocabulary for a in grammars.values()}
        if len(vocabularies) > 1:
            raise VocabularyError("the grammars of one processor must be compiled for one vocabulary")
        (self.vocabulary,) = vocabularies.values()
        self.default = default
        self.max_requests = max_requests
        if default is not None:
            self.check_name(default)
        self._table = torch.full((max_requests + 1, self.vocabulary.words), -1, dtype=torch.int32)

    def check_name(self, name: str | None) -> str:
        """The grammar name that a request means. Raises ``ValueError`` when it means none."""
        chosen = self.default if name is None else name
        known = ", ".join(map(repr, self._states))
        if chosen is None:
            raise ValueError(f"the request names no grammar: pass grammar= one of {known}, or {FREE!r} for none")
        if chosen != FREE and chosen not in self._states:
            raise ValueError(f"no grammar is called {chosen!r}: there are {known}, and {FREE!r} for none")
        return chosen

    def fill_defaults(self, int32_tensor: torch.Tensor) -> None:
        """Columns without a request read row 0. Called once before all batches, on the model's device."""
        int32_tensor.zero_()
        self._table = self._table.to(int32_tensor.device)

    def prepare_tensor_args(self, requests_with_new_token: list[Any]) -> torch.Tensor:
        """The table row of each request (int32, host), after writing their masks into the table."""
        count = len(requests_with_new_token)
        if count > self.max_requests:
            raise LimitExceeded("requests in one batch", count, self.max_requests, "raise max_requests=")
        reached = [self._reached(request.state) for request in requests_with_new_token]
        masked = [i for i, found in enumerate(reached) if found is not None]
        automata, states = zip(*filter(None, reached), strict=True) if masked else ((), ())
        words = np.zeros((count, self.vocabulary.words), np.int32)
        fill_masks(automata, states, words, masked)
        for i in np.flatnonzero(~words[masked].any(axis=1)).tolist():
            self._refuse_dead_end(requests_with_new_token[masked[i]].state)
        self._table[1 : count + 1].copy_(torch.from_numpy(words))
        rows = torch.zeros(count, dtype=torch.int32)
        rows[masked] = torch.tensor(masked, dtype=torch.int32) + 1
        return rows

    def __call__(self, scores: torch.Tensor, tensor_arg: torch.Tensor) -> torch.Tensor:
        """``scores`` ``[n, width]`` with ``-inf`` at every id that is not allowed: a new tensor."""
        width, rows = scores.shape[-1], tensor_arg[: scores.shape[0]]
        if width < self.vocabulary.width:
            raise VocabularyError(
                f"the scores have {width} columns, the vocabulary of the grammars {self.vocabulary.width}: "
                "read the vocabulary with the width of this model"
            )
        allowed = expand_words(self._table.index_select(0, rows), width)
        return keep_allowed(scores, allowed | (rows == 0).unsqueeze(-1))

    def _reached(self, state: Any) -> tuple[TokenAutomaton[Any], Any] | None:
        """The automaton of a request and its state there; ``None`` when it is free."""
        if state.request_id.startswith(_WARM_UP):
            return None
        name = self.check_name(state.logit_processor_kwargs.get("grammar"))
        if name == FREE:
            return None
        ids = _generated(state)
        states = self._states[name]
        reached = states.state(np.array(ids, np.int32))
        if reached is None:
            raise ConstraintViolation(f"request {state.request_id}: {read_output(states.automaton, ids).violation}")
        return states.automaton, reached

    def _refuse_dead_end(self, state: Any) -> None:
        text = self.vocabulary.decode(_generated(state))
        raise DeadEnd(f"request {state.request_id}: no token can follow {text!r}, although the text is not whole")


def _generated(state: Any) -> list[int]:
    """All generated ids of a request, also those that became prompt when it was evicted and queued again."""
    known = len(state.initial_tokens) + len(state.generated_tokens)
    if state.position_offset != known:
        raise RuntimeError(
            f"request {state.request_id}: {state.position_offset} tokens are in the cache, but only {known} are known: "
            "asynchronous batching is on; a grammar needs use_async_batching=False"
        )
    earlier = state.initial_tokens[state._true_initial_tokens :] if state._true_initial_tokens else []
    return [*earlier, *state.generated_tokens]


@contextmanager
def attach(model: Any, processor: GrammarContinuousBatchingProcessor) -> Iterator[Any]:
    """Within this context every continuous batching of ``model`` masks with ``processor``; yields the model.

    Holds for ``init_continuous_batching`` (managers made inside keep the processor afterwards), the context manager,
    ``generate_batch`` and ``generate(cache_implementation="paged")``. The last two name no grammars: they use
    ``default``. Raises ``ValueError`` for asynchronous batching, and in ``add_request`` for unknown names.
    """
    make_manager, run_batch = model.init_continuous_batching, model.generate_batch

    @functools.wraps(make_manager)
    def init_continuous_batching(
        generation_config: Any = None, continuous_batching_config: Any = None, workload_hints: Any = None
    ) -> Any:
        in_generation_config = getattr(generation_config, "continuous_batching_config", None)  # deprecated, but read
        config = _synchronous(continuous_batching_config or in_generation_config)
        manager = make_manager(generation_config, config, workload_hints)
        install(manager, processor)
        return manager

    @functools.wraps(run_batch)
    def generate_batch(*args: Any, **kwargs: Any) -> Any:
        if processor.default is None:
            raise ValueError("generate_batch names no grammar: give the processor a default=, or use add_request")
        return run_batch(*args, **kwargs)

    with _replaced(model, init_continuous_batching=init_continuous_batching, generate_batch=generate_batch):
        yield model


def install(manager: Any, processor: GrammarContinuousBatchingProcessor) -> None:
    """Put ``processor`` before all others of a ``ContinuousBatchingManager`` that has not started yet."""
    processors = manager.logit_processor
    if any(installed is processor for installed in processors.logits_processor):
        return
    if getattr(manager, "batch_processor", None) is not None:
        raise ValueError("this manager has started already: destroy it, and make one inside attach()")
    if manager.continuous_batching_config.use_async_batching:
        raise ValueError(_ASYNCHRONOUS)
    processors.logits_processor.insert(0, processor)
    processors.tensors_required += 1
    processors.do_processing = True
    processors._retrieve_processors_kwargs()
    manager.add_request = _checked(manager.add_request, processor)


_ASYNCHRONOUS = (
    "asynchronous batching chooses the next batch before the last tokens are known, so no grammar can be applied: "
    "pass ContinuousBatchingConfig(use_async_batching=False)"
)


def _synchronous(config: ContinuousBatchingConfig | None) -> ContinuousBatchingConfig:
    """The same configuration with asynchronous batching off, unless it was asked for."""
    settings = ContinuousBatchingConfig() if config is None else copy.copy(config)
    if settings.use_async_batching:
        raise ValueError(_ASYNCHRONOUS)
    settings.use_async_batching = False
    return settings


def _checked(add_request: Callable[..., Any], processor: GrammarContinuousBatchingProcessor) -> Callable[..., Any]:
    """``add_request`` that refuses an unknown grammar at once; later it would stop the whole batch."""

    @functools.wraps(add_request)
    def checked(*args: Any, grammar: str | None = None, **kwargs: Any) -> Any:
        return add_request(*args, grammar=processor.check_name(grammar), **kwargs)

    return checked


@contextmanager
def _replaced(target: Any, **methods: Any) -> Iterator[None]:
    """Instance attributes that hide methods of the class (or former ones), put back at the end."""
    former = {name: target.__dict__[name] for name in methods if name in target.__dict__}
    target.__dict__.update(methods)
    try:
        yield
    finally:
        for name in methods:
            del target.__dict__[name]
        target.__dict__.update(former)
