"""No change makes the engine do more: counts of work on our own schemas, grammars and texts, against ``work.json``."""

from __future__ import annotations

from benchmarks import work


def test_no_count_has_grown() -> None:
    grown = work.grown(work.count_all(), work.committed_counts())
    hint = "If this is wanted: python -m benchmarks.work --accept"
    assert not grown, "\n".join(["The engine does more work than before:", *grown, hint])


def test_growth_is_named_and_small_changes_are_not() -> None:
    committed = {"a": {"visits": 1000, "calls": 10}, "b": {"visits": 200}}
    assert work.grown({"a": {"visits": 1029, "calls": 15}, "b": {"visits": 100}}, committed) == []
    found = {"a": {"visits": 1031, "calls": 16, "new": 7000}, "b": {"visits": 200}, "c": {"visits": 9000}}
    assert work.grown(found, committed) == ["a: visits 1,000 -> 1,031 (1.03x)", "a: calls 10 -> 16 (1.60x)"]
    assert work.grown({"b": {"visits": 200}}, committed) == ["nothing counts calls any more"]
    changed = [(case, name) for case, name, _, _ in work.differences(found, committed)]
    assert changed == [("a", "visits"), ("a", "calls"), ("a", "new"), ("c", "visits")]


def test_every_byte_string_can_be_cut() -> None:
    made = work.vocabulary()
    ids = {token: i for i, token in enumerate(made.tokens) if token}
    data = '{"clé": "\x00\U0001f600"}'.encode()
    tokens = list(work.tokenise(data, ids))
    assert b"".join(made.tokens[t] or b"" for t in tokens) == data
    assert len(tokens) < len(data)
