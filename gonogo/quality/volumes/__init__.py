"""Volumes: CT and other scans on a grid of voxels."""
