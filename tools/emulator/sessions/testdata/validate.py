"""Check calls and answers of Systems Manager against botocore's model of it.

Standard input has one JSON object a line: action, request, status, answer. Each thing that the model does not allow
is a line on standard output. Checked are types, required and unknown members, enumerations, lengths, ranges and
patterns, and that an error is one of the call's own or of those that every call can have.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any

from botocore.loaders import Loader
from botocore.model import ServiceModel, Shape

# Errors of every call, in the API reference's "Common Errors", and those of the JSON protocol itself.
COMMON = {"ValidationException", "AccessDeniedException", "ThrottlingException", "SerializationException"}
TYPES = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "long": int,
    "timestamp": (int, float),
    "structure": dict,
    "map": dict,
    "list": list,
}


def check(value: Any, shape: Shape, path: str) -> list[str]:
    if not isinstance(value, TYPES[shape.type_name]) or (
        shape.type_name in ("integer", "long") and isinstance(value, bool)
    ):
        return [f"{path}: {value!r} is no {shape.type_name}"]
    meta, found = shape.metadata, []
    size = value if isinstance(value, int) else len(value) if hasattr(value, "__len__") else None
    if size is not None and not meta.get("min", size) <= size <= meta.get("max", size):
        found.append(f"{path}: {value!r} is not within {meta.get('min')} and {meta.get('max')}")
    if "pattern" in meta and not re.search(f"(?:{meta['pattern']})", value):
        found.append(f"{path}: {value!r} does not match {meta['pattern']}")
    if getattr(shape, "enum", None) and value not in shape.enum:
        found.append(f"{path}: {value!r} is none of {shape.enum}")
    if shape.type_name == "structure":
        for name in shape.required_members:
            if name not in value:
                found.append(f"{path}: {name} is missing")
        for name, member in value.items():
            if name not in shape.members:
                found.append(f"{path}: there is no member {name}")
            else:
                found += check(member, shape.members[name], f"{path}.{name}")
    elif shape.type_name == "list":
        for i, member in enumerate(value):
            found += check(member, shape.member, f"{path}[{i}]")
    elif shape.type_name == "map":
        for key, member in value.items():
            found += check(key, shape.key, path) + check(member, shape.value, f"{path}.{key}")
    return found


def main() -> None:
    model = ServiceModel(Loader().load_service_model("ssm", "service-2"))
    for line in sys.stdin:
        call = json.loads(line)
        operation = model.operation_model(call["action"])
        found = []
        code = call["answer"].get("__type") if call["status"] != 200 else None
        # A test may send what the model forbids, to see it refused.
        if code is None or code not in COMMON:
            found += check(call["request"], operation.input_shape, "request")
        if call["status"] == 200:
            found += check(call["answer"], operation.output_shape, "answer")
        elif code not in COMMON and code not in {s.name for s in operation.error_shapes}:
            found.append(f"{code} is no error of this call")
        for problem in found:
            print(f"{call['action']}: {problem}")


if __name__ == "__main__":
    main()
