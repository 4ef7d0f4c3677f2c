"""``constrain generate``: texts of a grammar that follow a language model's own law, with a certificate."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from math import isfinite
from pathlib import Path
from typing import Any

from tqdm import tqdm

from constrain.adapters.bundled import BUNDLED
from constrain.cli import NO, YES, UsageError
from constrain.cli.extract import MODEL_HELP, positive_float, positive_int
from constrain.cli.grammars import add_grammar, grammar_help, has_inline, read_grammar
from constrain.cli.output import add_json, note, write, write_json
from constrain.cli.predicates import PREDICATE_HELP, read_predicate
from constrain.cli.schema_options import blaming_options
from constrain.places import printable

METHOD_HELP = """
methods (docs/faithful.md says which when):
  auto          looks at a few draws, then takes the best guarantee that the budget allows (the default)
  exact         exact, independent samples, by adaptive rejection
  importance    weighted draws, half of them adaptive; with --resample a list that follows the target, nearly
  smc           particles, resampled on the way; for constraints that most draws would fail
  mcmc          chains of texts, each changed from some place on, and the change accepted or not
  guard         what the model proposes behind --proposal-prompt, accepted or not
  awrs          weighted rejection, token by token: for programs as constraints (--predicate)
  asap          adaptive sampling (Park et al. 2024), each draw with its weight
  mask          what a logits processor does, each draw with its weight: shows what masking distorts
"""

EXAMPLES = """
One text a line; line breaks and other control characters in it are written as escapes (--json: exact). On standard
error follows what the texts are worth: the guarantee, how probable it was that the model alone would have written such
a text, how far masking would have been from the model's law, and what it cost.

Exit codes: 0 all texts that were asked for; 1 fewer, as the budget was spent (those there are, are written); 2 a
mistake in the question or its files.

examples:
  constrain generate iso_date "When did people first walk on the moon?" -n 5
  constrain generate schema.json "Describe a city." --method exact --max-tokens 100 --json
  constrain generate --regex '(red|green|blue)( (red|green|blue)){0,2}' "My colours:" --raw -n 20 --picture out.html
  constrain generate python "Write a function that adds two numbers." --predicate python --method smc -n 4
  constrain generate iso_date "The moon landing" --save moon.npz     # and later, faster: --load moon.npz"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``constrain generate``."""
    parser.epilog = grammar_help() + "\n" + METHOD_HELP + EXAMPLES
    add_grammar(parser)
    parser.add_argument("prompt", nargs="?", metavar="PROMPT", help="what the model is asked; - for standard input")
    _add_model(parser)
    _add_sampling(parser.add_argument_group("sampling"))
    _add_output(parser.add_argument_group("output"))


def _add_model(parser: argparse.ArgumentParser) -> None:
    model = parser.add_mutually_exclusive_group()
    model.add_argument("--model", default=BUNDLED, metavar="NAME_OR_PATH", help=MODEL_HELP)
    model.add_argument("--gguf", metavar="FILE.gguf", help="a model in a GGUF file")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument(
        "--chat",
        action="store_true",
        help="PROMPT is a message to a chat model (default where there is a chat template)",
    )
    kind.add_argument("--raw", action="store_true", help="PROMPT is text that the model goes on writing")


def _add_sampling(group: Any) -> None:
    add = group.add_argument
    add("-n", "--number", type=positive_int, default=1, metavar="N", help="how many texts (default: 1)")
    add("--method", default="auto", metavar="NAME", help="see below (default: auto)")
    tokens = "tokens of a text at most; longer texts are not wanted (default: 128)"
    add("--max-tokens", type=positive_int, default=128, metavar="N", help=tokens)
    add("--budget", type=positive_int, metavar="N", help="walks that may be begun (default: the method's own)")
    add("--seed", type=int, default=0, metavar="N", help="same seed, same texts (default: 0)")
    add(
        "--temperature",
        type=positive_float,
        default=1.0,
        metavar="T",
        help="of the model whose law is meant (default: 1)",
    )
    add("--top-k", type=positive_int, metavar="K", help="that model has its K likeliest tokens only")
    add("--top-p", type=positive_float, metavar="P", help="and of those as many as hold the probability P")
    add("--slots", type=positive_int, default=16, metavar="N", help="walks in one forward pass (default: 16)")
    add("--predicate", metavar="WHAT", help=PREDICATE_HELP)
    add("--proposal-prompt", metavar="TEXT", help="with --method guard: the prompt that asks for what is wanted")


def _add_output(group: Any) -> None:
    add_json(group)
    add = group.add_argument
    how = group.add_mutually_exclusive_group()
    how.add_argument("--weights", action="store_true", help="before each text its weight (they sum to 1) and a tab")
    how.add_argument("--resample", action="store_true", help="draw the texts again by their weights: some come twice")
    add("--picture", metavar="FILE", help="the heaviest branches: .png, .svg, or .html with everything")
    add("--tree", action="store_true", help="the heaviest branches as text, on standard error")
    add("--save", metavar="FILE.npz", help="keep what was learnt about the prompt's texts")
    add("--load", metavar="FILE.npz", help="begin with what was learnt (same model, prompt, grammar, --max-tokens)")
    add("--no-progress", action="store_true", help="no progress bar")


def run(options: argparse.Namespace) -> int:
    """Run ``constrain generate``; the exit code."""
    _settle_positionals(options)
    _check_files(options)
    predicate = read_predicate(options.predicate)
    grammar = read_grammar(options)
    api = import_module("constrain.sampling.api")
    if options.method not in api.METHODS:
        raise UsageError(f"--method {options.method!r}: there are {', '.join(api.METHODS)}")
    samples, sampler = _sample(options, api, grammar, predicate)
    _write(options, samples)
    for line in import_module("constrain.sampling.views.summary").summary(samples):
        note(line)
    if samples.guarantee == "properly weighted" and not (options.resample or options.weights or options.json):
        note("hint: --weights writes the weights, --resample draws by them")
    _keep(options, sampler.trie, samples)
    return NO if samples.missing else YES


def _settle_positionals(options: argparse.Namespace) -> None:
    """With an inline grammar the only positional argument is the prompt; ``-`` stands for standard input."""
    if has_inline(options) and options.prompt is None:
        options.prompt, options.grammar = options.grammar, None
    if options.prompt is None:
        raise UsageError("which prompt? Give GRAMMAR and PROMPT, or a grammar as an option and PROMPT")
    if options.prompt == "-":
        options.prompt = sys.stdin.read()
    if (options.method == "guard") != (options.proposal_prompt is not None):
        raise UsageError("--method guard and --proposal-prompt go together")
    if options.weights and options.json:
        raise UsageError("--json has weights in any case: leave --weights out")


def _check_files(options: argparse.Namespace) -> None:
    """What is wrong with files is told before a model is loaded."""
    for option in ("save", "load"):
        name = getattr(options, option)
        if name is not None and Path(name).suffix != ".npz":
            raise UsageError(f"--{option} {name}: the name of a saved trie ends in .npz")
    for name in (options.load, options.gguf):
        if name is not None and not Path(name).is_file():
            raise FileNotFoundError(2, "there is no such file", name)
    for name in (options.save, options.picture):
        if name is not None and not Path(name).absolute().parent.is_dir():
            raise FileNotFoundError(2, "there is no such folder", str(Path(name).parent))
    if options.picture is not None:
        with blaming_options():
            import_module("constrain.sampling.views.pictures").check_picture_file(options.picture)


def _sample(options: argparse.Namespace, api: Any, grammar: Any, predicate: Any) -> tuple[Any, Any]:
    """The samples and the sampler that made them."""
    model, tokenizer = load(options.gguf or options.model)
    warping = {name: getattr(options, name) for name in ("temperature", "top_k", "top_p")}
    choices = {name: getattr(options, name) for name in ("method", "budget", "seed", "slots")}
    if options.method == "guard":
        choices["proposal"] = (model, tokenizer, _prompt(options, tokenizer, options.proposal_prompt))
    with blaming_options():
        prompt = _prompt(options, tokenizer, options.prompt)
        target = {"max_tokens": options.max_tokens, "predicate": predicate}
        sampler = api.Sampler(model, tokenizer, prompt, grammar, **target, **warping)
        if options.load is not None:
            import_module("constrain.sampling.store").load(sampler.trie, options.load)
        with _progress(options) as report:
            return sampler.sample(options.number, **choices, report=report), sampler


def load(source: str) -> tuple[Any, Any]:
    """The model and its tokenizer. Replaced in tests."""
    loaded = import_module("constrain.adapters.loading").load_model(source)
    return loaded.model, loaded.tokenizer


def _prompt(options: argparse.Namespace, tokenizer: Any, text: str) -> Any:
    """Text as it is, or the message of a chat."""
    has_template = bool(getattr(tokenizer, "chat_template", None))
    if options.chat or (has_template and not options.raw):
        return [{"role": "user", "content": text}]
    return text


@contextmanager
def _progress(options: argparse.Namespace) -> Iterator[Callable[[int], None]]:
    """A bar of the texts found, with the number of walks beside it."""
    hidden = options.no_progress or not sys.stderr.isatty()
    with tqdm(total=options.number, unit="text", file=sys.stderr, disable=hidden, miniters=0) as bar:
        walks = 0

        def report(found: int) -> None:
            nonlocal walks
            walks += 1
            bar.set_postfix_str(f"{walks} walks", refresh=False)
            bar.update(min(found, options.number) - bar.n)

        yield report


def _write(options: argparse.Namespace, samples: Any) -> None:
    chosen = samples.resample(options.number, options.seed) if options.resample and len(samples) else samples
    if options.json:
        facts = samples.to_dict()
        if options.resample:
            facts["resampled"] = [sample.text for sample in chosen]
        write_json(_finite(facts))
        return
    for place, sample in enumerate(chosen):
        weight = f"{samples.weights[place]:.6f}\t" if options.weights else ""
        write(weight + printable(sample.text))


def _keep(options: argparse.Namespace, trie: Any, samples: Any) -> None:
    """Write what was asked for besides the texts."""
    if options.save is not None:
        import_module("constrain.sampling.store").save(trie, options.save)
    if trie.root.law is None:
        return
    if options.picture is not None:
        import_module("constrain.sampling.views.pictures").write_picture(options.picture, trie, samples)
    if options.tree:
        branches = import_module("constrain.sampling.views.branches")
        note("\n".join(branches.outline(branches.heaviest(trie))))


def _finite(value: Any) -> Any:
    """As JSON can say it: numbers that are not finite become null."""
    if isinstance(value, dict):
        return {str(key): _finite(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(part) for part in value]
    if hasattr(value, "tolist"):  # a number or an array of NumPy
        return _finite(value.tolist())
    return None if isinstance(value, float) and not isfinite(value) else value
