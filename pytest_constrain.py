"""Plug-in for pytest: cases in ``NAME.accept.txt`` and ``NAME.reject.txt`` beside a grammar become tests.

Off unless asked for: ``constrain_grammars = true`` in the ini file, or ``--constrain-grammars``. Then each such file
that stands beside a grammar of its name (``NAME.lark``, ``NAME.gbnf``, ``NAME.json``, ``NAME.regex``) gives a test for
each line; other files of such names are left alone. A module of its own, outside the package, so that a run of pytest
that has no grammars does not load the engine.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from constrain.testing import Case, Recogniser

ENDINGS = (".accept.txt", ".reject.txt")


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option and the ini value that switch the plug-in on."""
    text = "collect cases from NAME.accept.txt and NAME.reject.txt beside grammars"
    group = parser.getgroup("constrain", "constrain: grammars")
    group.addoption("--constrain-grammars", action="store_true", default=False, help=text)
    parser.addini("constrain_grammars", text, type="bool", default=False)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> CaseFile | None:
    """A collector for a case file that stands beside its grammar."""
    if not file_path.name.endswith(ENDINGS):
        return None
    config = parent.config
    if not (config.getoption("constrain_grammars") or config.getini("constrain_grammars")):
        return None
    if not import_module("constrain.testing.cases").grammars_beside(file_path):
        return None
    return CaseFile.from_parent(parent, path=file_path)


class CaseFile(pytest.File):
    """All cases of one file, for each grammar of its name."""

    def collect(self) -> Iterator[CaseItem]:
        """A test for each line and grammar. A line that is not in order is an error of the whole file."""
        cases, errors = import_module("constrain.testing.cases"), import_module("constrain.errors")
        try:
            lines = cases.read_cases(self.path)
        except (errors.ConstrainError, UnicodeDecodeError) as error:
            raise self.CollectError(f"{self.path}: {error}") from error
        for grammar in cases.grammars_beside(self.path):
            shared = _Shared(grammar)
            for case in lines:
                name = f"{grammar.suffix[1:]}-line{case.line}"
                yield CaseItem.from_parent(self, name=name, case=case, shared=shared)


class _Shared:
    """What the tests of one grammar share: it is compiled when the first of them runs."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def recogniser(self) -> Recogniser | Exception:
        """The grammar, or why there is none."""
        testing, cases = import_module("constrain.testing"), import_module("constrain.testing.cases")
        errors = import_module("constrain.errors")
        try:
            recogniser: Recogniser = testing.Recogniser(cases.read_grammar_file(self.path))
            return recogniser
        except (errors.ConstrainError, OSError, UnicodeDecodeError) as error:
            return error


class CaseFailure(Exception):
    """A case that the grammar gets wrong, or a grammar that cannot be read; the message says it all."""


class CaseItem(pytest.Item):
    """One text that must, or must not, be of the language."""

    def __init__(self, *, case: Case, shared: _Shared, **rest: Any) -> None:
        super().__init__(**rest)
        self.case, self.shared = case, shared

    def runtest(self) -> None:
        """Ask the grammar."""
        recogniser = self.shared.recogniser
        if isinstance(recogniser, Exception):
            raise CaseFailure(f"{self.shared.path.name} cannot be used\n{recogniser}")
        if recogniser.accepts(self.case.text) == self.case.accepted:
            return
        where = f"{self.path.name}:{self.case.line}"
        if self.case.accepted:
            why = recogniser.judge(self.case.text).explain()
            raise CaseFailure(f"{where}: {self.shared.path.name} must accept {self.case.text!r}, and does not\n{why}")
        raise CaseFailure(f"{where}: {self.shared.path.name} must reject {self.case.text!r}, and accepts it")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The message alone for a case that fails; the traceback for anything else."""
        if isinstance(excinfo.value, CaseFailure):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where the case stands."""
        return self.path, self.case.line - 1, f"{self.path.name}:{self.case.line} ({self.shared.path.name})"
