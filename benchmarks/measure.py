"""One engine, one schema: what is timed, and in which order. Runs inside the engine's own process.

Clock readings surround ``compile``, ``fill`` and ``commit`` only; looking at the mask's bits is not timed.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Sequence
from time import perf_counter_ns
from typing import Any

from benchmarks.batch import Batch, measure_batch
from benchmarks.engines.base import Engine, Refused, Session, compile_any, has_bit

Emit = Callable[[dict[str, Any]], None]
Tokens = Sequence[int]


def measure(engine: Engine, schema: Any, texts: Sequence[Tokens], emit: Emit, flush: Callable[[], None]) -> None:
    """Compile ``schema`` (or a ``GrammarText``), then write each text; a ``Batch`` is measured as a batch.

    ``emit`` gets one message at compile and one for each text.
    ``flush`` is called, untimed, before each mask (to empty the processor's caches, or to do nothing).
    """
    if isinstance(schema, Batch):
        measure_batch(engine, schema, texts, emit)
        return
    flush()
    began = perf_counter_ns()
    try:
        compiled = compile_any(engine, schema)
    except Refused as refusal:
        emit({"kind": "refused", "reason": str(refusal), "compile_ns": perf_counter_ns() - began})
        return
    compiled_at = perf_counter_ns()
    session = engine.start(compiled)
    session.fill()
    masked_at = perf_counter_ns()
    emit({"kind": "compiled", "compile_ns": compiled_at - began, "ttfm_ns": masked_at - began})
    for number, tokens in enumerate(texts):
        if number:
            session = engine.start(compiled)
        emit({"kind": "text", **write(engine, session, tokens, flush, first_mask_done=number == 0)})


def write(
    engine: Engine, session: Session, tokens: Tokens, flush: Callable[[], None], first_mask_done: bool
) -> dict[str, Any]:
    """Write ``tokens`` as long as the masks allow, then look for the end.

    ``mask_ns[i]`` is the mask before token ``i`` (the last one: before the end, or where the text was rejected);
    ``commit_ns[i]`` the commit of token ``i``. ``rejected_at`` is ``None`` when the whole text is accepted. The
    very first mask of a schema belongs to the time to first mask: it is recorded as -1 here.
    """
    masks: list[int] = []
    commits: list[int] = []
    rejected_at: int | None = None
    switches = _preemptions()
    for position, token in enumerate(tokens):
        masks.append(-1 if first_mask_done and position == 0 else _timed_fill(session, flush))
        if not has_bit(engine.words, token):
            rejected_at = position
            break
        began = perf_counter_ns()
        taken = session.commit(token)
        commits.append(perf_counter_ns() - began)
        if not taken:
            rejected_at = position
            break
    else:
        masks.append(-1 if first_mask_done and not tokens else _timed_fill(session, flush))
        if not session.allows_end():
            rejected_at = len(tokens)
    return {
        "mask_ns": masks,
        "commit_ns": commits,
        "rejected_at": rejected_at,
        "error": session.error(),
        "preemptions": _preemptions() - switches,
    }


def _timed_fill(session: Session, flush: Callable[[], None]) -> int:
    flush()
    began = perf_counter_ns()
    session.fill()
    return perf_counter_ns() - began


def _preemptions() -> int:
    """Times that the system took the processor away from this thread."""
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nivcsw
