"""Patch-wise 3-D VQ-GAN on CT volumes."""
