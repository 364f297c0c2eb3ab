"""What a training program on the machine loads by itself: `sitecustomize.py` of this folder, first in PYTHONPATH."""
