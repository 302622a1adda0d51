"""ckptlint: find, explain and mend the ways in which PyTorch training code loses checkpoints."""

__version__ = "0.1.0"
