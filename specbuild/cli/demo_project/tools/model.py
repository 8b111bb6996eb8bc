"""Writes the JavaScript model of a design/*.json: `model.py DESIGN TITLE`."""

import json
import sys


def model(design: dict, title: str) -> str:  # type: ignore[type-arg]  # any Python 3 runs this
    fields = design["fields"]
    lines = [f"// {title}", "'use strict';", "", "class User {"]
    names = ", ".join(
        f"{field['name']} = {json.dumps(field['default'])}" if "default" in field else field["name"]
        for field in fields
    )
    lines.append(f"  constructor({{ {names} }}) {{")
    for field in fields:
        name = field["name"]
        if field.get("required"):
            lines.append(f"    if (!{name}) throw new TypeError('{name} is required');")
        if "pattern" in field:
            lines.append(
                f"    if (!/{field['pattern']}/.test({name})) throw new TypeError('{name} is malformed');"
            )
    lines += [f"    this.{field['name']} = {field['name']};" for field in fields]
    lines += ["  }", "}", "", "module.exports = { User };"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        sys.stdout.write(model(json.load(file), sys.argv[2]))
    sys.stderr.write("→ class User\n")
