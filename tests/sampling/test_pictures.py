"""Branches, outlines, divergences and pictures: against what a small trie says when it is enumerated, and by what is
in the files."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import constrain
from constrain.predicates import function_predicate
from constrain.sampling.lm.model import TableModel
from constrain.sampling.methods.drawing import exact, importance, mask
from constrain.sampling.problem import Problem
from constrain.sampling.results import Samples
from constrain.sampling.target import Target
from constrain.sampling.trie import DEAD, Node, Trie
from constrain.sampling.views import pictures
from constrain.sampling.views.branches import Branch, heaviest, outline
from constrain.sampling.views.divergence import divergence, divergence_curve, null_divergence, pooled_law
from constrain.sampling.views.summary import probability, summary
from constrain.testing import byte_vocabulary

VOCABULARY = byte_vocabulary()
EOS = 256


def flat(prefix: tuple[int, ...]) -> list[float]:
    """Letters a to d, and the end of sequence; falling with the letter, and with what came before."""
    weights = np.zeros(257)
    weights[97:101] = [8, 4, 2, 1 + len(prefix)]
    weights[EOS] = 1
    return list(weights / weights.sum())


def trie(pattern: str = "(a|b)(a|c)*d", max_tokens: int = 4, forbidden: bytes = b"!") -> Trie:
    wanted = function_predicate(lambda text: forbidden not in text, lambda text: forbidden not in text)
    automaton = constrain.compile(constrain.regex(pattern), VOCABULARY)
    return Trie(TableModel(flat, 257), Target(automaton, max_tokens, wanted))


@pytest.fixture(scope="module")
def known() -> tuple[Trie, Samples]:
    """A trie that was walked so often that nearly all of it is known."""
    mine = trie(forbidden=b"ac")
    return mine, exact(Problem(mine, 300, seed=1))


def paths(branch: Branch, before: str = "") -> Iterator[tuple[str, Branch]]:
    """Each tip, with its text from the prompt on."""
    if not branch.children:
        yield before + branch.text, branch
    for child in branch.children:
        yield from paths(child, before + branch.text)


def nodes_by_text(mine: Trie) -> dict[tuple[str, bool], Node]:
    return {(mine.text(node).decode(), node.ended): node for node in mine.nodes()}


# ---- branches -------------------------------------------------------------------------------------------------------


def test_a_large_view_shows_every_branch(known: tuple[Trie, Samples]) -> None:
    mine, samples = known
    tree = heaviest(mine, tips=10_000)
    nodes = nodes_by_text(mine)
    found = {text: branch for text, branch in paths(tree) if branch.kind == "end"}
    assert set(found) == {text for (text, ended), node in nodes.items() if ended and node.bound > DEAD}
    assert set(found) >= set(samples.texts)
    for text, branch in found.items():
        node = nodes[text, True]
        assert branch.log_p == pytest.approx(sum(each.log_p for each in node.lineage()))
        assert branch.bound == 0.0
    dead = {text for text, branch in paths(tree) if branch.kind == "dead"}
    assert dead == {text for (text, ended), node in nodes.items() if node.bound == DEAD and not ended} and dead


def test_masses_of_tips_add_up_to_the_root(known: tuple[Trie, Samples]) -> None:
    mine, _ = known
    tree = heaviest(mine, tips=10_000)
    total = math.fsum(math.exp(branch.log_mass) for _, branch in paths(tree))
    assert total == pytest.approx(math.exp(mine.root.bound), rel=1e-3)  # rests below the share 1/40,000 are left out


@pytest.mark.parametrize("tips", [1, 2, 5])
def test_a_small_view_has_the_heaviest(known: tuple[Trie, Samples], tips: int) -> None:
    mine, _ = known
    shown = [(text, branch) for text, branch in paths(heaviest(mine, tips)) if branch.kind != "rest"]
    assert 1 <= len(shown) <= tips
    total = math.fsum(math.exp(branch.log_mass) for _, branch in paths(heaviest(mine, tips)))
    assert total <= math.exp(mine.root.bound) * (1 + 1e-9)
    first = max(mine.root.law.places, key=lambda node: node.log_p + node.bound)  # type: ignore[union-attr]
    assert any(text.startswith(mine.text(first).decode()) for text, _ in shown)


def test_chains_are_merged() -> None:
    mine = trie("abcd", max_tokens=4)
    exact(Problem(mine, 1, seed=1))
    tree = heaviest(mine)
    assert (tree.text, tree.kind, tree.tokens, tree.children) == ("abcd", "end", 5, [])
    assert outline(tree)[1].endswith("100.0%  abcd■")


def test_an_outline_is_exact() -> None:
    mine = trie("ab|aa|c", max_tokens=2)
    exact(Problem(mine, 50, seed=2))
    # From the prompt a has 8/16, c 2/16; behind a there are a (8/17) and b (4/17); ends have 1/18, and 1/17 behind c.
    assert outline(heaviest(mine)) == [
        "  P(prefix)  S(prefix)   share",
        "          1      0.027  100.0%  (prompt)",
        "        0.5     0.0392   72.7%  ├ a",
        "     0.0131          1   48.5%  │ ├ a■",
        "    0.00654          1   24.2%  │ └ b■",
        "    0.00735          1   27.3%  └ c■",
    ]


def test_nothing_known_is_refused() -> None:
    with pytest.raises(ValueError, match="sample something first"):
        heaviest(trie())
    with pytest.raises(ValueError, match="tips must be 1 or more"):
        heaviest(trie(), tips=0)


# ---- divergence -----------------------------------------------------------------------------------------------------


def test_divergence_by_hand(known: tuple[Trie, Samples]) -> None:
    _, samples = known
    law = pooled_law([samples])
    assert sum(law.values()) == pytest.approx(1)
    counts = {tokens: sum(sample.tokens == tokens for sample in samples) for tokens in law}
    expected = sum(n / 300 * math.log(n / 300 / law[tokens]) for tokens, n in counts.items())
    assert divergence(list(samples), law) == pytest.approx(expected)
    [(calls, nats)] = divergence_curve([samples], law)
    assert (calls, nats) == (samples.certificate.calls, pytest.approx(expected))


def test_a_curve_is_of_all_samples_so_far() -> None:
    mine = trie()
    runs = [importance(Problem(mine, 5, seed)) for seed in range(3)]
    law = pooled_law(runs)
    curve = divergence_curve(runs, law)
    assert [calls for calls, _ in curve] == [float(x) for x in np.cumsum([run.certificate.calls for run in runs])]
    assert curve[-1][1] == pytest.approx(divergence([sample for run in runs for sample in run], law))


def test_weights_may_be_left_out() -> None:
    """Each sample counts once."""
    samples = mask(Problem(trie(), 30, seed=4))
    law = pooled_law([samples])
    counts = [sum(sample.tokens == tokens for sample in samples) / len(samples) for tokens in law]
    expected = sum(share * math.log(share / p) for share, p in zip(counts, law.values(), strict=True))
    assert divergence(list(samples), law, weighted=False) == pytest.approx(expected)
    assert divergence_curve([samples], law, weighted=False)[0][1] == pytest.approx(expected)
    assert divergence(list(samples), law) != pytest.approx(expected)


def test_faint_weights_are_said_to_be() -> None:
    samples = mask(Problem(trie(), 9, seed=4))
    faint = Samples(
        (*samples, replace(samples[0], log_weight=-100.0)), "mask", "properly weighted", samples.certificate
    )
    [axes] = pictures.weights_picture(faint).axes
    assert "smaller ones too" in axes.get_xlabel() and sum(bar.get_height() for bar in axes.patches) == len(faint)


def test_the_null_shrinks_with_the_number_of_draws(known: tuple[Trie, Samples]) -> None:
    """As (cells - 1) / (2 n), where n is large."""
    law = pooled_law([known[1]])
    assert null_divergence(law, 20_000) == pytest.approx((len(law) - 1) / 40_000, rel=0.1)
    assert null_divergence(law, 10) > null_divergence(law, 1000)


def test_laws_must_cover_what_is_compared(known: tuple[Trie, Samples]) -> None:
    with pytest.raises(ValueError, match="pool all results"):
        divergence(list(known[1]), {(1,): 1.0})
    with pytest.raises(ValueError, match="no samples to pool"):
        pooled_law([])


# ---- words ----------------------------------------------------------------------------------------------------------


def test_a_summary_says_what_the_certificate_holds(known: tuple[Trie, Samples]) -> None:
    _, samples = known
    lines = summary(samples)
    certificate = samples.certificate
    assert lines[0].startswith("300 texts, exact, independent (method exact)")
    assert probability(certificate.log_z) in lines[1] and probability(certificate.log_lower) in lines[2]
    assert lines[-1] == f"{certificate.attempts:,} walks, {certificate.calls:,} calls of the model, " + (
        f"{certificate.tokens:,} tokens"
    )
    few = exact(Problem(trie(), 9, seed=1, budget=1))
    assert summary(few)[0].startswith(f"{len(few)} of 9 texts") and summary(few)[-1].startswith("note: ")


@pytest.mark.parametrize(
    ("log_p", "said"), [(0.0, "1"), (math.log(0.012345), "0.0123"), (-5000.0, "1e-2171"), (-math.inf, "0")]
)
def test_probabilities_however_small(log_p: float, said: str) -> None:
    assert probability(log_p) == said


# ---- pictures -------------------------------------------------------------------------------------------------------


def test_the_trie_picture_has_every_tip_and_bar(known: tuple[Trie, Samples]) -> None:
    mine, _ = known
    tree = heaviest(mine)
    [axes] = pictures.trie_picture(mine).axes
    said = [text.get_text() for text in axes.texts]
    tips = list(tree.tips())
    assert len(axes.patches) == len(tips)
    assert all(any(part == tip.label() or part == f"({tip.text})" for part in said) for tip in tips)
    dead = [bar for bar, tip in zip(axes.patches, tips, strict=True) if tip.kind == "dead"]
    assert dead and all(bar.get_facecolor()[:3] == (1, 1, 1) for bar in dead)


def test_weights_are_counted(known: tuple[Trie, Samples]) -> None:
    weighted = mask(Problem(trie(), 40, seed=3))
    figure = pictures.weights_picture({"exact": known[1], "mask": weighted})
    counts = [sum(bar.get_height() for bar in axes.patches) for axes in figure.axes]
    assert counts == [300, len(weighted)]
    assert max(bar.get_height() for bar in figure.axes[0].patches) == 300  # equal weights, one column
    assert f"effective samples {weighted.certificate.ess:.1f} of {len(weighted)}" in figure.axes[1].get_title(
        loc="left"
    )


def test_divergences_are_drawn_where_they_are() -> None:
    curves = {"exact": [(10, 1.0), (100, 0.0)], "mask": [(5, 2.0)]}
    [axes] = pictures.divergence_picture(curves, null=[(5, 0.4), (100, 0.2)]).axes
    assert [list(line.get_xdata()) for line in axes.lines] == [[10, 100], [5], [5, 100]]
    assert list(axes.lines[0].get_ydata()) == [1.0, 0.1]  # nothing is below the floor, half the least that is shown
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["exact", "mask", "exact draws (null)"]
    with pytest.raises(ValueError, match="no points"):
        pictures.divergence_picture({"exact": []})


def test_a_page_needs_nothing_else(known: tuple[Trie, Samples], tmp_path: Path) -> None:
    mine, samples = known
    pictures.write_picture(tmp_path / "page.html", mine, samples)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("<svg") == page.count("</svg>") == 2 and "<script" not in page
    assert re.findall(r'(?:src|href)="(?!#)[^"]*"', page) == []
    assert page.count("<td>") == 4 * len(samples)


def test_texts_are_escaped_in_a_page() -> None:
    automaton = constrain.compile(constrain.regex("<b>"), VOCABULARY)
    angle = Trie(TableModel(lambda _: [1 / 257] * 257, 257), Target(automaton, 3))
    page = pictures.page(angle, exact(Problem(angle, 1)))
    assert "&lt;b&gt;" in page and "<td><b></td>" not in page


@pytest.mark.parametrize(("name", "start"), [("a.png", b"\x89PNG"), ("a.svg", b"<?xml")])
def test_files(known: tuple[Trie, Samples], tmp_path: Path, name: str, start: bytes) -> None:
    pictures.write_picture(tmp_path / name, *known)
    assert (tmp_path / name).read_bytes().startswith(start)


def test_what_cannot_be_written_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"ends in \.png"):
        pictures.check_picture_file("a.gif")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(pictures.PicturesMissing, match=r"constrain-lm\[pictures\]"):
        pictures.check_picture_file("a.png")
