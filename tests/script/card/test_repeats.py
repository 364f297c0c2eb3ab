from __future__ import annotations

import weakref

from gonogo.script.card.repeats import Template


def test_what_a_model_returned_is_not_kept_alive() -> None:
    class Cache:
        """As a language model returns beside its logits, with its keys and values."""

    cache = Cache()
    alive, template = weakref.ref(cache), Template({"loss": 1.0, "cache": cache})
    del cache
    assert alive() is None and not template.usable
