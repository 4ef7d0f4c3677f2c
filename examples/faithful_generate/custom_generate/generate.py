"""For ``model.generate(custom_generate="examples/faithful_generate", trust_remote_code=True, grammar=..., ...)``.

The same as passing ``constrain.sampling.generate.faithful_generate(grammar, tokenizer)``, for those who name folders.
"""

from constrain.sampling.generate import faithful_generate


def generate(model, grammar, tokenizer, method="auto", seed=None, predicate=None, budget=None, **arguments):
    """Texts of ``grammar``, distributed as the model's own law given that; further arguments as for ``generate()``."""
    faithful = faithful_generate(grammar, tokenizer, method, seed=seed, predicate=predicate, budget=budget)
    return model.generate(custom_generate=faithful, **arguments)
