"""Fresh heads of the kind that a specification names."""

from __future__ import annotations

import torch

from curate.models.heads.modules import Heads, HeadSpec, LinearHeads, MLPHeads


def initialise_heads(spec: HeadSpec, dim: int, heads: int, seed: int) -> Heads:
    """Return freshly initialised heads."""
    # A generator of its own: the start must not depend on what else drew from torch's global one.
    generator = torch.Generator().manual_seed(seed)
    if spec.kind == "linear":
        return LinearHeads(spec.init * torch.randn(dim, heads, generator=generator))
    if spec.kind == "lora":
        # Imported here, since only lora heads need a language model's packages.
        from curate.models.lm.lora import LoRAHeads

        assert spec.network is not None
        return LoRAHeads(spec.network, spec.rank, heads, spec.init, generator)
    return MLPHeads(dim, spec.hidden, heads, spec.init, generator)
