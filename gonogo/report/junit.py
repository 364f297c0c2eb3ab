"""A verdict as JUnit XML, which CI systems show test by test: one test case a check."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from gonogo.base.text import clean
from gonogo.report.wording import grey, measured
from gonogo.verdict import Check, Status, Verdict


def to_junit(verdict: Verdict) -> str:
    """One suite. NO-GO is a failure, UNKNOWN an error, CAUTION passes with its reason as output, and what
    was not measured and is not needed is skipped.
    """
    counted = {status: sum(check.status is status and not check.grey for check in verdict.checks) for status in Status}
    suite = ET.Element(
        "testsuite", name=f"gonogo {clean(verdict.title)}", tests=str(len(verdict.checks)),
        failures=str(counted[Status.NO_GO]), errors=str(counted[Status.UNKNOWN]), skipped=str(len(grey(verdict))),
        timestamp=verdict.measured_at.replace(microsecond=0).isoformat(),
    )  # fmt: skip
    for check in verdict.checks:
        _case(suite, verdict, check)
    ET.indent(suite)
    return ET.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite: ET.Element, verdict: Verdict, check: Check) -> None:
    case = ET.SubElement(suite, "testcase", classname=clean(verdict.experiment) or "gonogo", name=clean(check.title))
    said = "\n".join(clean(text) for text in (check.why, check.hint, *check.evidence) if text)
    if check.grey:
        ET.SubElement(case, "skipped", message=f"not measured: {clean(check.why)}".removesuffix(": "))
        return
    if check.status.passes:
        if said:
            ET.SubElement(case, "system-out").text = said
        return
    asked = f", asked: {clean(check.threshold)}" if check.threshold else ""
    tag = "failure" if check.status is Status.NO_GO else "error"
    ET.SubElement(case, tag, message=f"{check.status.label}: {measured(check)}{asked}", type=check.id).text = said
