"""The import ladder, and the manners that go with it, read off the syntax trees of the package."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "constrain"

# Lowest first. A module may import its own layer and lower rows, never a neighbour on its own row. ``__init__`` is
# ``import constrain``: that it stands below ``mask`` says that it loads neither torch nor transformers.
LADDER = (
    ("errors", "garbage", "disk", "places"),
    ("kernels",),
    ("ir",),
    ("automata", "vocab"),
    ("frontends",),
    ("bits",),
    ("tokens",),
    ("compiler", "hazards", "matcher", "members"),
    ("canvas",),
    ("testing",),
    ("schema_report", "sql"),
    ("predicates",),
    ("__init__",),
    ("mask",),
    ("adapters",),
    ("records", "sampling"),
    ("diffusion", "infill"),
    ("extract", "journal"),
    ("cli",),
    ("__main__",),
)
ROW = {layer: row for row, layers in enumerate(LADDER) for layer in layers}

# The lowest layer that may import what is slow to load, or belongs to one place.
FIRST_LAYER = {"torch": "mask", "transformers": "adapters", "tqdm": "cli", "argparse": "cli"}
ONLY_LAYER = {"lark": "frontends", "interegular": "frontends", "numba": "kernels", "llvmlite": "kernels"}

# Extras: the package works without them, so they may be imported where they are needed, and only there.
EXTRAS = {
    "accelerate",
    "gguf",
    "matplotlib",
    "mistral_common",
    "pydantic",
    "rdkit",
    "sentencepiece",
    "sqlalchemy",
    "sqlglot",
    "tiktoken",
    "tokenizers",
}


def layer_of(path: Path, package: Path) -> str:
    return path.relative_to(package).parts[0].removesuffix(".py")


def imported(node: ast.AST, path: Path, package: Path) -> Iterator[str]:
    """Full names of the modules that an import statement loads (``from constrain import x``: ``constrain.x``)."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        parents = path.relative_to(package.parent).parts[: -node.level] if node.level else ()
        module = ".".join([*parents, *([node.module] if node.module else [])])
        yield from ([f"{module}.{alias.name}" for alias in node.names] if module == package.name else [module])


def layer_imported(name: str, package: Path) -> str | None:
    """The layer that holds a module of the package; ``None`` for other modules."""
    root, _, rest = name.partition(".")
    if root != package.name:
        return None
    first = rest.partition(".")[0]
    return first if (package / first).is_dir() or (package / f"{first}.py").is_file() else "__init__"


def loading(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those that only type checkers see: what is loaded late is named there, and may lie above."""
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            yield node
            yield from loading(node)


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))


def violations(package: Path) -> list[str]:
    """All that breaks the rules of this file, one line each."""
    found = []
    for path in sorted(package.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        layer = layer_of(path, package)
        if layer not in ROW:
            found.append(f"{path.name}: {layer} is not on the ladder")
            continue
        inner = {id(node) for function in functions(tree) for node in ast.walk(function)}
        for node in loading(tree):
            at = f"{path.relative_to(package)}:{getattr(node, 'lineno', 0)}"
            for name in imported(node, path, package):
                found += [f"{at}: {what}" for what in faults(layer, name, id(node) in inner, package)]
            if layer != "cli" and isinstance(node, ast.Call) and ast.unparse(node.func) == "print":
                found.append(f"{at}: print outside cli")
    return found


def faults(layer: str, name: str, in_function: bool, package: Path) -> Iterator[str]:
    """What is wrong with importing ``name`` in ``layer``."""
    root = name.partition(".")[0]
    below = layer_imported(name, package)
    if below is not None and below != layer and ROW.get(below, -1) >= ROW[layer]:
        yield f"{layer} imports {below}"
    if root in FIRST_LAYER and ROW[layer] < ROW[FIRST_LAYER[root]]:
        yield f"{layer} imports {root}, which {FIRST_LAYER[root]} may first"
    if layer != ONLY_LAYER.get(root, layer):
        yield f"{layer} imports {root}, which only {ONLY_LAYER[root]} may"
    if in_function and root not in EXTRAS:
        yield f"import of {name} inside a function"


def test_the_package_keeps_the_ladder() -> None:
    assert violations(PACKAGE) == []


def test_every_rung_exists() -> None:
    assert [layer for layer in ROW if not (PACKAGE / layer).is_dir() and not (PACKAGE / f"{layer}.py").is_file()] == []


@pytest.mark.parametrize(
    ("path", "source", "expected"),
    [
        ("ir/rx.py", "from constrain.vocab.trie import build_trie", "ir imports vocab"),
        ("frontends/a.py", "import constrain.tokens.index", "frontends imports tokens"),
        ("automata/a.py", "from constrain.frontends import regex", "automata imports frontends"),
        ("tokens/a.py", "from constrain import mask", "tokens imports mask"),
        ("tokens/a.py", "from ..mask import apply", "tokens imports mask"),
        ("ir/a.py", "from constrain import Grammar", "ir imports __init__"),
        ("ir/a.py", "if TYPE_CHECKING:\n    import lark\nimport torch", "ir imports torch, which mask may first"),
        ("matcher.py", "import torch.nn", "matcher imports torch, which mask may first"),
        ("mask.py", "from transformers import LogitsProcessor", "mask imports transformers, which adapters may first"),
        ("vocab/a.py", "import numba", "vocab imports numba, which only kernels may"),
        ("tokens/a.py", "def f():\n    import json", "import of json inside a function"),
        ("tokens/a.py", "print('hello')", "print outside cli"),
        ("helpers.py", "", "helpers is not on the ladder"),
    ],
)
def test_planted_violations_are_found(tmp_path: Path, path: str, source: str, expected: str) -> None:
    package = tmp_path / "constrain"
    for layer in ("ir", "frontends", "automata", "vocab", "tokens"):
        (package / layer).mkdir(parents=True)
    for name in ("__init__.py", "mask.py", path):
        (package / name).write_text("", encoding="utf-8")
    (package / path).write_text(source, encoding="utf-8")
    assert [line.partition(": ")[2] for line in violations(package)] == [expected]


# --- Docstrings ----------------------------------------------------------------------------------------------------


def undocumented(path: Path) -> list[str]:
    """What has no docstring: the module (an empty one needs none), its public classes and functions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    missing = [] if ast.get_docstring(tree) or not tree.body else ["the module"]
    for node in tree.body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and not node.name.startswith("_"):
            missing += [node.name] * (not ast.get_docstring(node))
    return missing


MODULES = [pytest.param(path, id=str(path.relative_to(PACKAGE))) for path in sorted(PACKAGE.rglob("*.py"))]


@pytest.mark.parametrize("path", MODULES)
def test_public_names_are_documented(path: Path) -> None:
    assert undocumented(path) == []
