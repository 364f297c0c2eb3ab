"""Whose recording or scan a file is, by its name."""

from __future__ import annotations

import re

SUBJECT = re.compile(
    r"(?:^|[/_.-])(sub-[a-z0-9]+|(?:subject|subj|sub|patient|pat|participant|case)[-_ ]?\d+)(?=[/_. -]|$)",
    re.IGNORECASE,
)


def subject_of(name: str) -> str:
    """The subject that a path names: BIDS' `sub-XX`, or a word for a person with a number: `patient_7`.

    Empty for any other name: the first word of a file's name is as often the modality (`ct_001`) as the subject.

    Source: Brain Imaging Data Structure 1.10, "Filename formation".
    """
    subject = SUBJECT.search(name)
    return subject[1].lower() if subject else ""
