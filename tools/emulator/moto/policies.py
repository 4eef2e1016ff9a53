"""Evaluate the statements of a bucket policy with their conditions, as the IAM reference describes them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import flask


def object_action(request: Any) -> str:
    """The IAM action of a call on an object (S3 User Guide, "actions for Amazon S3")."""
    method, query = request.method, request.args
    part = {
        "acl": "Acl",
        "tagging": "Tagging",
        "retention": "Retention",
        "legal-hold": "LegalHold",
        "attributes": "Attributes",
    }
    suffix = next((part[q] for q in query if q in part), "")
    if method == "POST":
        return "s3:RestoreObject" if "restore" in query else "s3:PutObject"
    if method in ("GET", "HEAD"):
        if "uploadId" in query:
            return "s3:ListMultipartUploadParts"
        return f"s3:GetObject{'Version' if 'versionId' in query else ''}{suffix}"
    if method == "PUT":
        return f"s3:PutObject{suffix}"
    if "uploadId" in query:
        return "s3:AbortMultipartUpload"
    return f"s3:DeleteObject{'Version' if 'versionId' in query else ''}{suffix}"


def request_context(bucket: Any) -> dict[str, str]:
    """The condition keys of the request that is being answered, in lower case."""
    request = flask.request
    now = datetime.now(timezone.utc)
    context = {
        "aws:securetransport": "true",
        # The front listens there, and is the only caller of moto.
        "aws:sourceip": "127.0.0.1",
        "aws:currenttime": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "aws:epochtime": str(int(now.timestamp())),
        "aws:useragent": request.headers.get("User-Agent", ""),
        "aws:resourceaccount": bucket.account_id,
        "aws:viaawsservice": "false",
        "aws:principalisawsservice": "false",
        "s3:resourceaccount": bucket.account_id,
        "s3:tlsversion": "1.3",
    }
    context |= _principal(bucket)
    for name, value in request.headers.items():
        if name.lower().startswith("x-amz-"):
            context["s3:" + name.lower()] = value
            # s3:object-lock-mode and its like are named without the header's prefix.
            if name.lower().startswith("x-amz-object-lock-"):
                context["s3:" + name.lower().removeprefix("x-amz-")] = value
    for name in ("prefix", "delimiter", "max-keys", "versionId"):
        if name in request.args:
            context["s3:" + name.lower()] = request.args[name]
    # The parts of an upload are encrypted as its start said; AWS judges them by that.
    upload = bucket.multiparts.get(request.args.get("uploadId", ""))
    if upload and upload.sse_encryption:
        context.setdefault("s3:x-amz-server-side-encryption", upload.sse_encryption)
    if upload and upload.kms_key_id:
        context.setdefault(
            "s3:x-amz-server-side-encryption-aws-kms-key-id", upload.kms_key_id
        )
    return context


def _principal(bucket: Any) -> dict[str, str]:
    """Who asks, as far as moto knows: an access key of its own, or else the account's root."""
    from moto.iam.access_control import CreateAccessKeyFailure, create_access_key

    authorization = flask.request.headers.get("Authorization", "")
    found = re.search(r"Credential=([^/,]+)/\d+/([^/]+)/", authorization) or re.search(
        r"^([^/]+)/\d+/([^/]+)/", flask.request.args.get("X-Amz-Credential", "")
    )
    if not found:
        return {"aws:principaltype": "Anonymous"}
    arn = f"arn:{bucket.partition}:iam::{bucket.account_id}:root"
    kind = "Account"
    try:
        key = create_access_key(
            bucket.account_id, bucket.partition, found[1], dict(flask.request.headers)
        )
        arn, kind = key.arn, "User"
        if ":assumed-role/" in arn:
            arn = _role_arn(bucket, arn.split(":assumed-role/")[1].split("/")[0])
            kind = "AssumedRole"
    except CreateAccessKeyFailure:
        pass  # keys that moto did not issue act as the account
    return {
        "aws:principalarn": arn,
        "aws:principalaccount": bucket.account_id,
        "aws:principaltype": kind,
        "aws:requestedregion": found[2],
    }


def _role_arn(bucket: Any, name: str) -> str:
    """The role's ARN has its path, which the ARN of a session does not have."""
    from moto.iam.models import iam_backends

    roles = iam_backends[bucket.account_id][bucket.partition].roles.values()
    plain = f"arn:{bucket.partition}:iam::{bucket.account_id}:role/{name}"
    return next((role.arn for role in roles if role.name == name), plain)


def applies(
    statement: dict[str, Any], action: str, resource: str, context: dict[str, str]
) -> bool:
    def named(element: str, test: Callable[[Any], bool]) -> bool:
        if element in statement:
            return test(statement[element])
        return not test(statement.get("Not" + element, []))

    return (
        named("Principal", lambda p: _is_principal(p, context))
        and named(
            "Action",
            lambda a: any(_like(action.lower(), x.lower()) for x in _list(a)),
        )
        and named(
            "Resource",
            lambda r: any(_like(resource, _fill(x, context)) for x in _list(r)),
        )
        and _conditions(statement.get("Condition") or {}, context)
    )


def _is_principal(wanted: Any, context: dict[str, str]) -> bool:
    if wanted == "*":
        return True
    names = _list(wanted.get("AWS", [])) if isinstance(wanted, dict) else []
    if "*" in names:
        return True
    arn = context.get("aws:principalarn")
    if not arn:
        return False
    account = context["aws:principalaccount"]
    return any(
        n == account or n == arn or n.endswith(f"::{account}:root") for n in names
    )


def _conditions(conditions: dict[str, dict[str, Any]], context: dict[str, str]) -> bool:
    return all(
        _condition(operator, context.get(key.lower()), _list(wanted), context)
        for operator, tests in conditions.items()
        for key, wanted in tests.items()
    )


def _condition(
    operator: str, actual: str | None, wanted: list[Any], context: dict[str, str]
) -> bool:
    """One operator with one key, as the IAM reference describes its elements."""
    quantifier, _, rest = operator.rpartition(":")
    name = rest.removesuffix("IfExists")
    if name == "Null":
        return (actual is None) == (_text(wanted[0]) == "true")
    if name not in _OPERATORS:
        raise NotImplementedError(
            f"The condition operator {operator} has not been implemented by the emulator; "
            f"known are Null, {', '.join(_OPERATORS)}, with IfExists, ForAllValues: and "
            "ForAnyValue: (tools/emulator/moto/policies.py)"
        )
    test, negated = _OPERATORS[name]
    if actual is None:
        # Absent keys: IfExists and ForAllValues hold, ForAnyValue does not, and of the plain
        # operators those hold that say "not".
        if rest.endswith("IfExists") or quantifier == "ForAllValues":
            return True
        return negated and quantifier != "ForAnyValue"
    found = any(test(actual, _fill(_text(w), context)) for w in wanted)
    return found != negated


def _ip(actual: str, block: str) -> bool:
    return ipaddress.ip_address(actual) in ipaddress.ip_network(block, strict=False)


def _date(value: str) -> float:
    if re.fullmatch(r"\d+(\.\d+)?", value):
        return float(value)
    when = datetime.fromisoformat(value.replace("Z", "+00:00"))
    return when.replace(tzinfo=when.tzinfo or timezone.utc).timestamp()


def _arn(actual: str, pattern: str) -> bool:
    """Each of the six parts is matched by itself: a * does not cross a colon before the last."""
    a, p = actual.split(":", 5), pattern.split(":", 5)
    return len(a) == len(p) and all(map(_like, a, p))


def _compare(read: Callable[[str], float]) -> dict[str, tuple[Any, bool]]:
    return {
        "Equals": (lambda a, w: read(a) == read(w), False),
        "NotEquals": (lambda a, w: read(a) == read(w), True),
        "LessThan": (lambda a, w: read(a) < read(w), False),
        "LessThanEquals": (lambda a, w: read(a) <= read(w), False),
        "GreaterThan": (lambda a, w: read(a) > read(w), False),
        "GreaterThanEquals": (lambda a, w: read(a) >= read(w), False),
    }


def _like(value: str, pattern: str) -> bool:
    """IAM's wildcards: * and ?, nothing else is special."""
    expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(expression, value, re.DOTALL) is not None


# name: (test of one value, whether the operator says "not")
_OPERATORS: dict[str, tuple[Callable[[str, str], bool], bool]] = {
    "Bool": (lambda a, w: a.lower() == w.lower(), False),
    "StringEquals": (lambda a, w: a == w, False),
    "StringNotEquals": (lambda a, w: a == w, True),
    "StringEqualsIgnoreCase": (lambda a, w: a.lower() == w.lower(), False),
    "StringNotEqualsIgnoreCase": (lambda a, w: a.lower() == w.lower(), True),
    "StringLike": (_like, False),
    "StringNotLike": (_like, True),
    "ArnEquals": (_arn, False),
    "ArnLike": (_arn, False),
    "ArnNotEquals": (_arn, True),
    "ArnNotLike": (_arn, True),
    "IpAddress": (_ip, False),
    "NotIpAddress": (_ip, True),
    **{f"Numeric{k}": v for k, v in _compare(float).items()},
    **{f"Date{k}": v for k, v in _compare(_date).items()},
}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _fill(text: str, context: dict[str, str]) -> str:
    """Replace policy variables, ${aws:PrincipalAccount} and so on."""
    return re.sub(
        r"\$\{([^}]+)\}",
        lambda m: context.get(m[1].lower(), m[1] if m[1] in "*?$" else m[0]),
        text,
    )
