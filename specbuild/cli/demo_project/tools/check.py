"""The gate: checks what was generated, and writes JUnit XML: `check.py sources|docs JUNIT`."""

import glob
import os
import re
import sqlite3
import sys
import time
import xml.etree.ElementTree as ET


def read(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def the_schema_takes_a_user_and_no_second_with_the_same_address() -> None:
    if not os.path.exists("db/schema.sql"):
        return
    database = sqlite3.connect(":memory:")
    database.executescript(read("db/schema.sql"))
    insert = "INSERT INTO users (email, name, passwordHash) VALUES (?, ?, ?)"
    database.execute(insert, ("ada@example.org", "Ada", "x"))
    assert database.execute("SELECT loginCount FROM users").fetchall() == [(0,)]
    try:
        database.execute(insert, ("ada@example.org", "Eve", "y"))
    except sqlite3.IntegrityError:
        pass
    else:
        raise AssertionError("two users with one address")
    finally:
        database.close()


def every_required_file_is_there() -> None:
    for path in glob.glob("src/**/*.js", recursive=True) + glob.glob("tests/*.js"):
        for name in re.findall(r"require\('(\.[^']+)'\)", read(path)):
            file = os.path.normpath(os.path.join(os.path.dirname(path), name)) + ".js"
            assert os.path.exists(file), f"{path} requires {file}, which is not there"


def brackets_are_balanced() -> None:
    for path in glob.glob("src/**/*.js", recursive=True):
        code = re.sub(r"//.*|'[^'\n]*'|`[^`]*`|/\^.*?\$/", "", read(path))
        for opening, closing in ("()", "[]", "{}"):
            assert code.count(opening) == code.count(closing), f"{path}: {opening} without {closing}"


def every_route_is_documented() -> None:
    routes = set(re.findall(r"'([A-Z]+ /[a-z-]+)':", read("src/routes/auth.js")))
    documented = set(re.findall(r"`([A-Z]+ /[a-z-]+)`", read("docs/api.md")))
    assert routes, "no routes"
    assert routes == documented, f"routes {sorted(routes)}, documented {sorted(documented)}"


CHECKS = {
    "sources": [
        the_schema_takes_a_user_and_no_second_with_the_same_address,
        every_required_file_is_there,
        brackets_are_balanced,
    ],
    "docs": [every_route_is_documented],
}


def main(what: str, junit: str) -> int:
    suite = ET.Element("testsuite", name=what)
    failures = 0
    for check in CHECKS[what]:
        start = time.time()
        case = ET.SubElement(suite, "testcase", name=check.__name__, classname=what)
        try:
            check()
        except Exception as error:  # whatever a check raises is its failure
            failures += 1
            ET.SubElement(case, "failure", message=str(error))
            print(f"FAILED {check.__name__}: {error}")
        case.set("time", f"{time.time() - start:.3f}")
    suite.set("tests", str(len(CHECKS[what])))
    suite.set("failures", str(failures))
    ET.ElementTree(suite).write(junit, encoding="utf-8", xml_declaration=True)
    print(f"{len(CHECKS[what]) - failures} passed, {failures} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
