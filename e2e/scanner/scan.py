"""Runs prowler's checks of some services against an account, and writes what they found as JSON.

usage: scan.py REGION SERVICE...

The account is that of the AWS_… variables. prowler's own command is not used: it imports the clients of all clouds.
{"findings": [{check, title, status, resource, arn, tags, text}], "errors": [TEXT]}
"""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import sys
from typing import Any

from prowler.lib.check.utils import recover_checks_from_provider
from prowler.providers.aws.aws_provider import AwsProvider
from prowler.providers.common.models import Audit_Metadata
from prowler.providers.common.provider import Provider

# It asks a service on the internet.
SKIPPED = {"ec2_elastic_ip_shodan"}


class Errors(logging.Handler):
    """prowler only logs that a look-up or a check failed."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: set[str] = set()

    def emit(self, entry: logging.LogRecord) -> None:
        self.texts.add(f"{entry.module}: {entry.getMessage()}")


def tags(value: Any) -> dict[str, str]:
    """prowler has tags as AWS answers them: a list of pairs, or a list with one object."""
    found = {}
    for tag in value if isinstance(value, list) else [value]:
        if not isinstance(tag, dict):
            continue
        if "Key" in tag:
            found[tag["Key"]] = tag.get("Value", "")
        elif "TagKey" in tag:
            found[tag["TagKey"]] = tag.get("TagValue", "")
        else:
            found.update(tag)
    return found


def main(region: str, services: list[str]) -> None:
    errors = Errors()
    logging.getLogger().addHandler(errors)
    provider = AwsProvider(regions={region}, scan_unused_services=True)
    Provider.set_global_provider(provider)
    names = sorted(name for service in services for name, _ in recover_checks_from_provider("aws", service) if name not in SKIPPED)
    provider.audit_metadata = Audit_Metadata(services_scanned=0, expected_checks=names, completed_checks=0, audit_progress=0)
    services_of = {name: path for service in services for name, path in recover_checks_from_provider("aws", service)}
    findings = []
    for name in names:
        service = services_of[name].replace("\\", "/").split("/services/")[1].split("/")[0]
        try:
            check = getattr(importlib.import_module(f"prowler.providers.aws.services.{service}.{name}.{name}"), name)()
            for f in check.execute():
                findings.append({
                    "check": name, "title": check.CheckTitle, "status": f.status, "resource": f.resource_id, "arn": f.resource_arn,
                    "tags": tags(f.resource_tags), "text": f.status_extended,
                })
        except Exception as e:  # one check of many
            errors.texts.add(f"{name}: {type(e).__name__}: {e}")
    json.dump({"findings": findings, "errors": sorted(errors.texts)}, result)


if __name__ == "__main__":
    # prowler prints to standard output.
    result = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        main(sys.argv[1], sys.argv[2:])
