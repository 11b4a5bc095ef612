"""Did the study find what it must? Usage: study_answers.py STUDY.json ANSWERS.yaml."""

import json
import sys
from pathlib import Path

from shortcut_audit.files.yaml_files import read_mapping


def main(study: str, answers: str) -> int:
    """0 if all was measured and every finding that the answers name, by how it begins, agrees; else
    says which did not.
    """
    experiments = json.loads(Path(study).read_text(encoding="utf-8"))["experiments"]
    said = [
        (name, each)
        for name, experiment in experiments.items()
        for each in experiment["agreements"]
    ]
    wrong = [
        f"{name}: not measured: {each['here']}" for name, each in said if each["agrees"] is None
    ]
    expected = read_mapping(Path(answers), f"'{answers}'", "a key for each answer")
    for name, beginnings in expected.items():
        for beginning in beginnings:
            found = [
                each["agrees"]
                for of, each in said
                if of == name and each["published"].startswith(beginning)
            ]
            if found != [True]:
                wrong.append(
                    f"{name}: '{beginning} ...' does not agree"
                    if found
                    else f"{name}: no finding begins with '{beginning}'"
                )
    for sentence in wrong:
        print(sentence)
    agree = sum(each["agrees"] is True for _, each in said)
    print(
        f"{agree} of {len(said)} findings agree; "
        f"those that must agree {'do NOT all' if wrong else 'do'}."
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
