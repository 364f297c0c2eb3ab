"""Posed views: inputs with the pictures that a generator made of them."""
