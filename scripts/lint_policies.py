"""Lints every policy of the program and of the templates in bootstrap/ with parliament.

usage: lint_policies.py FILE...

A JSON file is a golden file of the program's tests. It has what the program registers, so these are the policies as AWS gets
them. Of a template, the policies are as with each condition true. Each statement is linted by
itself, which gives a finding its statement's name. A finding that is right for us is in WAIVERS with its reason; a waiver
that matches nothing is an error.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from typing import Any

import parliament
from cfnlint.decode import cfn_yaml

# The words that stand in the golden files for what differs between accounts and Regions, and the ARNs of the mocks.
WORDS = {
    "arn:PARTITION:": "arn:aws:",
    "aws-patch-manager-REGION-SUFFIX": "aws-patch-manager-us-east-2-552881074",
    "REGION": "us-east-2",
    "ec2.DNS_SUFFIX": "ec2.amazonaws.com",
    "arn-of-private-ec2-access-instance": "arn:aws:iam::111122223333:role/private-ec2-access-instance",
    "arn-of-private-ec2-access-alerts": "arn:aws:sns:us-east-2:111122223333:private-ec2-access-alerts",
}

THE_KEY_ITSELF = 'in a key policy, the resource "*" is the key that the policy belongs to'
NO_TRUST_POLICIES = "a trust policy has no Resource, and parliament does not know trust policies"
DOCUMENT_CHECK = (
    "parliament does not know ssm:SessionDocumentAccessCheck, which the Service Authorization Reference lists for StartSession "
    "(https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssystemsmanager.html)"
)

OF_A_BOUNDARY = "a boundary grants nothing, and most calls of the statement know no resources"
WITHOUT_WILDCARD = "the value is the ARN of one policy, without a wildcard, and AWS's examples compare it so"
# AWS authorizes such a call on each of its resources. Each statement is about those that a tag, or nothing, can be asked of.
SPLIT = [
    "ChangeTagged", "ChangeTaggedKeys", "MakeInsideAnyNetwork", "MakeTagged", "MakeTaggedVPCsEndpointsAndRules", "NameKeys",
    "OfTheVpcOfTheStack", "RunInAnySubnet", "RunTaggedWithoutIMDSv1", "RunWithoutPublicAddress",
]
COMPARED = ["AttachPoliciesWithinTheBoundary", "MakeTaggedRolesWithinTheBoundary", "NeverOutsideTheBoundary", "WritePoliciesWithinTheBoundary"]

# By issue and statement.
WAIVERS = {
    **{("RESOURCE_MISMATCH", sid): "one of several statements about the resources of one call" for sid in SPLIT},
    **{("MISMATCHED_TYPE_BUT_USABLE", sid): WITHOUT_WILDCARD for sid in COMPARED},
    ("RESOURCE_MISMATCH", "ReadImageParameters"): "the parameters that AWS publishes have no account in their ARN",
    ("RESOURCE_STAR", "BeManagedBySystemsManager"): OF_A_BOUNDARY,
    ("RESOURCE_STAR", "LookUp"): OF_A_BOUNDARY,
    ("RESOURCE_STAR", "PoliciesOfThisAccountDecide"): THE_KEY_ITSELF,
    ("RESOURCE_STAR", "ReadNetworkAndInstances"): "the preview reads the attributes of VPCs that the stack did not create; they are not secret",
    ("UNKNOWN_CONDITION_FOR_ACTION", "MakeTaggedVPCsEndpointsAndRules"): "the condition is …IfExists: only the creation of an endpoint has the key",
    ("UNKNOWN_CONDITION_FOR_ACTION", "NeverUseTheKeyOfTheState"): "parliament does not know kms:ResourceAliases, which AWS has for all keys "
    "(https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html)",
    ("RESOURCE_POLICY_PRIVILEGE_ESCALATION", "ManageLogBuckets"): "the statement NeverTouchRecords denies these calls, whatever the bucket's policy allows",
    ("RESOURCE_STAR", "CallersOfThisAccount"): "the policy of an interface endpoint. The condition limits the callers, and their own policies "
    "decide about resources; the agent asks about documents and parameters of AWS, outside the account",
    ("RESOURCE_STAR", "Administer"): THE_KEY_ITSELF,
    ("RESOURCE_STAR", "ReadRecordsWhereIAMAllows"): THE_KEY_ITSELF,
    ("RESOURCE_STAR", "WriteRecords"): THE_KEY_ITSELF,
    ("RESOURCE_STAR", "EncryptLogGroups"): THE_KEY_ITSELF,
    ("RESOURCE_STAR", "EncryptAlerts"): THE_KEY_ITSELF,
    ("RESOURCE_STAR", "EncryptSessionsWhereIAMAllows"): THE_KEY_ITSELF,
    ("RESOURCE_STAR", "PublishToAlertsWhereIAMAllows"): THE_KEY_ITSELF,
    ("RESOURCE_STAR", "ReadHistory"): "CloudTrail trails of the account may be another team's and in another account; only their settings are read",
    ("MISMATCHED_TYPE", "EncryptLogGroups"): "an encryption context is text, and this one is an ARN. AWS's documentation compares it with ArnEquals "
    "(https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html)",
    ("MISMATCHED_TYPE_BUT_USABLE", "NoOtherKey"): "AWS compares this key with StringNotEquals in its own examples; the ARN of a key has no wildcard "
    "(https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html)",
    ("MALFORMED", "EC2HandsTheRoleToInstances"): NO_TRUST_POLICIES,
    ("MALFORMED", "PeopleAssumeTheRole"): NO_TRUST_POLICIES,
    ("UNKNOWN_ACTION", "NoOtherWay"): "parliament's list of actions is older than just-in-time node access",
    ("UNKNOWN_CONDITION_FOR_ACTION", "StartSessionsOnInstancesOfTheStack"): DOCUMENT_CHECK,
    ("UNKNOWN_CONDITION_FOR_ACTION", "StartSessionsOnOtherInstances"): DOCUMENT_CHECK,
    ("UNKNOWN_CONDITION_FOR_ACTION", "UnderTheDocumentsOfTheStack"): DOCUMENT_CHECK,
}


def policies(file: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every policy of a golden file, with the name of its resource."""
    with open(file) as f:
        resources = json.load(f)
    for resource in resources:
        for name, value in (resource.get("inputs") or {}).items():
            if name in ("policy", "assumeRolePolicy"):
                text = json.dumps(value["json"])  # as the tests write a document
                for word, meaning in WORDS.items():
                    text = text.replace(word, meaning)
                yield f"{file}: {resource['type']} {resource['name']}", json.loads(text)


# What the templates refer to besides their own resources and parameters.
PSEUDO = {
    "AWS::Partition": "aws", "AWS::AccountId": "111122223333", "AWS::Region": "us-east-2", "AWS::URLSuffix": "amazonaws.com", "Key.Arn": "arn:aws:kms:us-east-2:111122223333:key/0123",
    "ExistingRoles": ["arn:aws:iam::111122223333:role/existing"], "ExistingInstances": ["arn:aws:ec2:us-east-2:111122223333:instance/*"],
}
ABSENT = object()


def resolved(node: Any, values: dict[str, Any]) -> Any:
    """A part of a template as CloudFormation resolves it, with each condition true."""
    if isinstance(node, list):
        return [r for r in (resolved(n, values) for n in node) if r is not ABSENT]
    if not isinstance(node, dict):
        return node
    match [*node.items()]:
        case [("Ref", "AWS::NoValue")]:
            return ABSENT
        case [("Ref", name)]:
            return values.get(name, f"arn:aws:iam::111122223333:policy/{name}")
        case [("Fn::GetAtt", name)]:
            return values[".".join(name) if isinstance(name, list) else name]
        case [("Fn::If", [_, yes, _])]:
            return resolved(yes, values)
        case [("Fn::Join", [separator, parts])]:
            return separator.join(resolved(parts, values))
        case [("Fn::Split", [separator, text])]:
            return resolved(text, values).split(separator)
        case [("Fn::Sub", text)]:
            return re.sub(r"\$\{([^}]+)\}", lambda m: values[m[1]], text)
    pairs = ((key, resolved(value, values)) for key, value in node.items())
    return {key: value for key, value in pairs if value is not ABSENT}


def template_policies(file: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every policy of a template but the trust policies, which parliament does not know."""
    template = cfn_yaml.load(file)
    values = {name: str(p.get("Default") or "x") for name, p in template["Parameters"].items()} | {"RolePath": "/", "ParameterPath": "/app/"} | PSEUDO
    for name, resource in template["Resources"].items():
        for key in ("PolicyDocument", "KeyPolicy"):
            if key in resource["Properties"]:
                yield f"{file}: {name}", json.loads(json.dumps(resolved(resource["Properties"][key], values)))


def main(files: list[str]) -> int:
    count, failed, used = 0, False, set()
    for file in files:
        if file.endswith(".yaml"):
            found = template_policies(file)
        else:
            with open(file) as f:
                if not isinstance(json.load(f), list):
                    continue  # no golden file of resources
            found = policies(file)
        for where, policy in found:
            count += 1
            for statement in policy["Statement"]:
                alone = json.dumps({**policy, "Statement": [statement]})
                for finding in parliament.analyze_policy_string(alone).findings:
                    waiver = (finding.issue, statement["Sid"])
                    if waiver in WAIVERS:
                        used.add(waiver)
                        continue
                    failed = True
                    print(f"error: {where}, statement {statement['Sid']}: {finding.issue} {finding.detail}", file=sys.stderr)
    for issue, sid in WAIVERS.keys() - used:
        failed = True
        print(f"error: the waiver of {issue} for the statement {sid} matches nothing. Fix: remove it from scripts/lint_policies.py", file=sys.stderr)
    if count == 0:
        failed = True
        print("error: there is no policy in the files. Fix: name the golden files in program/testdata", file=sys.stderr)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
