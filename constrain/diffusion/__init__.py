"""Samplers for diffusion language models over canvases: all text is valid, whatever the model wants."""

from constrain.diffusion.api import diffuse
from constrain.diffusion.blocks import block_sampler
from constrain.diffusion.denoiser import Denoiser, Facts, read_facts
from constrain.diffusion.dream import DreamHooks
from constrain.diffusion.free import FreeCanvas
from constrain.diffusion.gemma import GemmaProcessor
from constrain.diffusion.options import Options
from constrain.diffusion.sampler import Diffused, Sampler, State
from constrain.diffusion.smc import smc

__all__ = [
    "Denoiser",
    "Diffused",
    "DreamHooks",
    "Facts",
    "FreeCanvas",
    "GemmaProcessor",
    "Options",
    "Sampler",
    "State",
    "block_sampler",
    "diffuse",
    "read_facts",
    "smc",
]
