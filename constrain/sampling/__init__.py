"""Faithful sampling: texts of a grammar, distributed as the model's own law conditioned on the grammar."""
