"""Masking against exact sampling, side by side, on the SmolLM2 that a Python package carries: ``make demo-faithful``.

Both write sentences of the same small grammar after the same words. A mask only looks at the next token, so it goes
where the model liked the beginning of what the grammar does not allow to go on; exact samples have the model's own law.
"""

from __future__ import annotations

from collections import Counter

import constrain
from constrain.adapters.loading import load_model
from constrain.sampling.views.branches import heaviest, outline
from constrain.sampling.views.summary import summary

PROMPT = "Once she said:"
SENTENCES = constrain.regex(r" (I|You) (am|like|love) (not )?(cats|dogs|you)\.")
DRAWS = 200


def main() -> None:
    """Draw, count, show."""
    loaded = load_model()
    sampler = constrain.Sampler(loaded.model, loaded.tokenizer, PROMPT, SENTENCES, max_tokens=12)
    masked = sampler.sample(DRAWS, method="mask", seed=1)
    exact = sampler.sample(DRAWS, method="exact", seed=1)
    shares = [Counter(samples.texts) for samples in (exact, masked)]
    print(f"After {PROMPT!r}, {DRAWS} draws each\n")
    print(f"{'':24}{'exact: as the model would':34}masked")
    for text in sorted(shares[0] | shares[1], key=lambda text: (-shares[0][text], -shares[1][text]))[:12]:
        print(f"{text.strip():24}{bar(shares[0][text]):34}{bar(shares[1][text])}")
    print("\nexact:", *summary(exact), sep="\n  ")
    print("\nWhat is known of the model's law (■ a text ends):", *outline(heaviest(sampler.trie, 8)), sep="\n")


def bar(count: int) -> str:
    """A share of the draws as a bar, and in percent."""
    share = count / DRAWS
    return f"{share:6.1%} {'█' * round(24 * share)}" if count else f"{'-':>6}"


if __name__ == "__main__":
    main()
