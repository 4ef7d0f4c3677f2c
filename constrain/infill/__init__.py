"""Infilling with autoregressive models: text with gaps, each filled under the exact mask of "the rest is fixed"."""

from constrain.infill.filling import Infilled, infill
from constrain.infill.gaps import Gaps
from constrain.infill.prompts import FORMATS, Format, continuing, format_of

__all__ = ["FORMATS", "Format", "Gaps", "Infilled", "continuing", "format_of", "infill"]
