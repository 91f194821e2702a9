"""Results of a policy as other tools read them: JUnit XML, and JSON of the form of SARIF."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

from curate.check.policy import RuleResult
from curate.data.json_types import JsonObject
from curate.versions import versions
from curate.write.shards import write_json, write_text

_SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def write_junit(results: Sequence[RuleResult], path: Path) -> None:
    """Write a suite with a test for each rule."""
    failures = [result for result in results if not result.passed]
    counts = {"tests": str(len(results)), "failures": str(len(failures)), "errors": "0"}
    suite = ET.Element("testsuite", {"name": "curate check", **counts})
    for result in results:
        section, _, name = result.rule.partition(".")
        case = ET.SubElement(suite, "testcase", {"classname": f"curate.{section}", "name": name})
        if not result.passed:
            ET.SubElement(case, "failure", {"message": result.text, "type": "policy"})
    root = ET.Element("testsuites", counts)
    root.append(suite)
    ET.indent(root)
    write_text(ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n", path)


def write_sarif(results: Sequence[RuleResult], data: str, path: Path) -> None:
    """Write a SARIF 2.1.0 log with a result for each rule.

    Args:
        results: results of the rules.
        data: the dataset, as the command line names it.
        path: file to write.
    """
    driver: JsonObject = {
        "name": "curate",
        "version": versions()["curate"],
        "rules": [
            {"id": result.rule, "shortDescription": {"text": f"{result.rule}: {result.limits}"}}
            for result in results
        ],
    }
    place = {"physicalLocation": {"artifactLocation": {"uri": data}}}
    entries: list[JsonObject] = [
        {
            "ruleId": result.rule,
            "kind": "pass" if result.passed else "fail",
            "level": "none" if result.passed else "error",
            "message": {"text": result.text},
            "locations": [place],
        }
        for result in results
    ]
    run: JsonObject = {"tool": {"driver": driver}, "results": entries}
    write_json({"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, path)
