"""The command ``constrain``: one module a sub-command, each with ``configure(parser)`` and ``run(arguments)``.

Only the module of the sub-command that is asked for is imported, so that ``constrain --help`` and ``constrain check``
do not wait for torch. Exit codes: 0 yes or done, 1 no (not in the language; not all enforced; some documents failed),
2 a mistake in the question or its files, 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType

from constrain import __version__
from constrain.errors import ConstrainError

YES, NO, MISUSE, INTERRUPTED = 0, 1, 2, 130

COMMANDS = {
    "extract": "JSON records of a given type out of text documents, by a language model",
    "generate": "texts of a grammar by a language model, distributed as the model's own, with a certificate",
    "sql": "a question to a database, answered by a query that a language model writes",
    "check": "does a text belong to a grammar's language, and if not, where does it leave it",
    "schema": "what becomes of each keyword of a JSON Schema: how it is enforced, or why it is refused",
    "diff": "do two grammars have the same language, and if not, a shortest text that tells them apart",
    "sample": "random texts of a grammar's language",
    "mask": "the tokens that a grammar allows after a prefix",
    "warmup": "compile the engine's kernels now, so that no later call waits for them",
}


class UsageError(ConstrainError):
    """A command line that asks for something that cannot be meant."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code (and exits by itself for ``--help`` and mistakes in options)."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    parser, module = _parser(words)
    options = parser.parse_args(words)
    if module is None:  # argparse has already refused anything but an option such as --version
        parser.error("which sub-command?")
    try:
        return int(module.run(options))
    except BrokenPipeError:  # the reader of our output went away: nothing to tell, and nobody to tell it to
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return YES
    except KeyboardInterrupt:
        sys.stderr.write("constrain: interrupted\n")
        return INTERRUPTED
    except (ConstrainError, OSError, UnicodeDecodeError) as error:
        if options.debug:
            traceback.print_exc()
        sys.stderr.write(f"constrain {options.command}: {_sentence(error)}\n")
        return MISUSE


def _parser(words: Sequence[str]) -> tuple[argparse.ArgumentParser, ModuleType | None]:
    """The parser, with the options of the sub-command that the words name, and that sub-command's module."""
    parser = argparse.ArgumentParser(
        prog="constrain",
        description="Grammar-constrained decoding: exact token masks for regular expressions, Lark grammars and JSON "
        "Schema.",
        epilog="constrain COMMAND --help tells more, with examples. Exit codes: 0 yes or done, 1 no (text not in the "
        "language, or some documents failed), 2 a mistake in the question or its files.",
    )
    parser.add_argument("--version", action="version", version=f"constrain {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    chosen = next((word for word in words if not word.startswith("-")), None)
    module = None
    for name, summary in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_argument("--debug", action="store_true", help="show where in the program an error came from")
        if name == chosen:
            module = import_module(f"constrain.cli.{name}")
            module.configure(command)
    return parser, module


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, UnicodeDecodeError):
        return f"a file that should be UTF-8 is not: {error.reason} at byte {error.start}"
    return str(error)
