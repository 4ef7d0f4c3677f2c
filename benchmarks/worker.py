"""An engine in a process of its own: a crash or a hang costs only that process, which is then started anew."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing as mp
import os
import resource
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from benchmarks.engines import create
from benchmarks.engines.base import Engine
from benchmarks.measure import Tokens, measure
from benchmarks.tokenizer import Tokenizer

ONE_THREAD = {
    name: "1"
    for name in (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "RAYON_NUM_THREADS",
        "NUMBA_NUM_THREADS",
    )
} | {"TOKENIZERS_PARALLELISM": "false"}
WARM_UP = {"const": "warm up"}  # loads code and what an engine builds once for a vocabulary; no common part of a schema
PREPARE_SECONDS = 900.0


class EngineFailed(Exception):
    """The engine could not even be prepared."""


@dataclass(frozen=True)
class Settings:
    """How every worker runs. ``flush_mb``: bytes written before each mask, to empty the processor's caches."""

    flush_mb: int = 0
    memory_gb: float = 0.0  # bound on the address space; 0: none
    core: int | None = None  # pin to this core
    collect_garbage: bool = True


class Worker:
    """Parent's side. Use as a context manager, or call ``close``."""

    def __init__(self, name: str, tokenizer: Tokenizer, settings: Settings) -> None:
        self.name = name
        self.tokenizer = tokenizer
        self.settings = settings
        self.facts: dict[str, Any] = {}
        self.restarts = -1
        self._start()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, schema: Any, texts: Sequence[Tokens], timeout: float) -> dict[str, Any]:
        """Measure one schema. The record's ``status`` is ok, refused, failed, crash or timeout; what was
        measured before a crash or a time-out is kept."""
        record: dict[str, Any] = {"engine": self.name, "status": "ok", "reason": "", "texts": []}
        self._connection.send((schema, list(texts)))
        deadline = time.monotonic() + timeout
        while (message := self._receive(deadline - time.monotonic()))["kind"] != "done":
            kind = message.pop("kind")
            if kind == "text":
                record["texts"].append(message)
            elif kind == "compiled":
                record.update(message)
            else:
                record.update(message, status=kind)
            if kind in ("crash", "timeout"):
                record["limit_ns"] = timeout * 1e9
                self.close()
                self._start()
                return record
        return record | {key: message[key] for key in ("collections", "peak_mb", "memory_mb")}

    def close(self) -> None:
        self._connection.close()
        if self._process.is_alive():
            self._process.terminate()
            self._process.join(2)
        if self._process.is_alive():
            self._process.kill()
        self._process.join()

    def _start(self) -> None:
        context = mp.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, self.name, self.tokenizer, self.settings), daemon=True
        )
        with _environment(ONE_THREAD):  # inherited; libraries read it when they are loaded
            self._process.start()
        theirs.close()
        self.restarts += 1
        ready = self._receive(PREPARE_SECONDS)
        if ready["kind"] != "ready":
            self.close()
            raise EngineFailed(f"{self.name} could not be prepared: {ready['reason']}")
        self.facts = ready

    def _receive(self, seconds: float) -> dict[str, Any]:
        if not self._connection.poll(max(seconds, 0.0)):
            return {"kind": "timeout", "reason": "time-out"}
        try:
            message: dict[str, Any] = self._connection.recv()
            return message
        except (EOFError, ConnectionResetError):
            self._process.join()
            return {"kind": "crash", "reason": f"process ended with exit code {self._process.exitcode}"}


def _serve(connection: Connection, name: str, tokenizer: Tokenizer, settings: Settings) -> None:
    """Child's side: prepare the engine, then answer one schema after another until the pipe closes."""
    try:
        _limit(settings)
        began = time.perf_counter()
        engine = create(name)
        engine.prepare(tokenizer)
        warm_up(engine)
        gc.collect()
        if not settings.collect_garbage:
            gc.disable()
        facts = {"kind": "ready", "version": engine.version, "prepare_s": time.perf_counter() - began}
    except BaseException:
        connection.send({"kind": "failed", "reason": traceback.format_exc()})
        raise
    connection.send(facts | memory())
    flush = _flusher(settings.flush_mb)
    with contextlib.suppress(EOFError):  # the parent has closed the pipe: no more work
        while True:
            schema, texts = connection.recv()
            before = _collections()
            try:
                measure(engine, schema, texts, connection.send, flush)
            except Exception as error:
                last = traceback.extract_tb(error.__traceback__)[-1]
                reason = f"{type(error).__name__}: {error} ({os.path.basename(last.filename)}:{last.lineno})"
                connection.send({"kind": "failed", "reason": reason})
            connection.send({"kind": "done", "collections": _collections() - before, **memory()})


def warm_up(engine: Engine) -> None:
    """Compile a small schema, write a few tokens of it, whichever come first in the masks: no code is loaded later."""
    measure(engine, WARM_UP, [[]], lambda message: None, lambda: None)
    session = engine.start(engine.compile(WARM_UP))
    for _ in range(3):
        session.fill()
        allowed = np.flatnonzero(np.unpackbits(engine.words.view(np.uint8), bitorder="little"))
        if not len(allowed) or not session.commit(int(allowed[0])):
            return


@contextlib.contextmanager
def _environment(changes: dict[str, str]) -> Iterator[None]:
    """These variables set, and set back afterwards: the parent may be a test run with libraries of its own."""
    before = dict(os.environ)
    os.environ.update(changes)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _limit(settings: Settings) -> None:
    if settings.memory_gb:
        size = int(settings.memory_gb * 2**30)
        resource.setrlimit(resource.RLIMIT_AS, (size, size))
    if settings.core is not None:
        os.sched_setaffinity(0, {settings.core})


def _flusher(megabytes: int) -> Callable[[], None]:
    if not megabytes:
        return lambda: None
    block = np.zeros(megabytes << 17, np.int64)

    def flush() -> None:
        np.add(block, 1, out=block)

    return flush


def _collections() -> int:
    """Full passes of the garbage collector so far."""
    return int(gc.get_stats()[2]["collections"])


def memory() -> dict[str, float]:
    """MB in use and at the peak of this process. Not ``ru_maxrss``: a child begins with its parent's."""
    with open("/proc/self/status", encoding="ascii") as lines:
        found = dict(line.split(":", 1) for line in lines)
    return {"memory_mb": int(found["VmRSS"].split()[0]) >> 10, "peak_mb": int(found["VmHWM"].split()[0]) >> 10}
