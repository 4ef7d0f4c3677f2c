"""The methods of ``constrain.sample``: each a function of a ``Problem``."""
