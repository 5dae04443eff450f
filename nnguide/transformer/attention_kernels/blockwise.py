"""Attention for CPUs; for now by the written-out form."""

from nnguide.transformer.attention_kernels.written_out import attend

__all__ = ["attend"]
