"""Canvases: rows of slots that can always be completed to a text of a grammar, for diffusion models and infilling."""

from constrain.canvas.base import OPEN, Canvas, Ending, NotCompletable, Undecided, ending_of
from constrain.canvas.factory import Canvases, canvas

__all__ = ["OPEN", "Canvas", "Canvases", "Ending", "NotCompletable", "Undecided", "canvas", "ending_of"]
