"""Measurements of constrain beside its rivals. Not part of the installed package."""
