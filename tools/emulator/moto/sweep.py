"""Delete what a killed update left in the local emulator and what is not in the stack's state.

    pulumi stack export | sweep.py PROJECT/STACK

The endpoint, the Region and the key come from the environment, as for every AWS client; an endpoint
that is not on this machine is refused. Standard output is a JSON list of {"kind", "id", "error"} for
everything that was found, in the order of deletion; error is null where it is gone.

What belongs to the stack is known by the tag that the program puts on everything, which goes along
with the call that creates the thing. The exceptions are in their functions. Whatever has its id in
the state stays, and so does everything that a person may have put beside it.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import ClientError

TAG = "private-ec2-access:stack"
# See internal/session/document.go.
MARK = "Session preferences, managed by the Pulumi stack "
ALIVE = ["pending", "running", "stopping", "stopped"]


class Account:
    """The emulator's account, and what one stack created in it."""

    def __init__(self, endpoint: str, owner: str, interrupted: set[str]) -> None:
        self.owner = owner
        self.interrupted = interrupted  # types of the creations that were killed
        # Said to every client, so that no other setting leads elsewhere.
        self.ec2, self.iam, self.kms, self.logs, self.s3, self.ssm = (
            boto3.client(service, endpoint_url=endpoint)
            for service in ("ec2", "iam", "kms", "logs", "s3", "ssm")
        )

    def own(self, call: str, answer: str, *filters: dict[str, Any]) -> list[Any]:
        """What a Describe call of EC2 lists with the stack's tag."""
        tagged = {"Name": f"tag:{TAG}", "Values": [self.owner]}
        return getattr(self.ec2, call)(Filters=[tagged, *filters])[answer]

    def is_own(self, tags: list[dict[str, str]]) -> bool:
        return {"Key": TAG, "Value": self.owner} in tags

    def listed(self, client: Any, call: str, answer: str, **args: Any) -> Iterator[Any]:
        for page in client.get_paginator(call).paginate(**args):
            yield from page[answer]

    # EC2

    def instances(self) -> Iterator[str]:
        # A terminated one is listed for a while, with its tags.
        alive = {"Name": "instance-state-name", "Values": ALIVE}
        for reservation in self.own("describe_instances", "Reservations", alive):
            yield from (i["InstanceId"] for i in reservation["Instances"])

    def delete_instance(self, id: str) -> None:
        self.ec2.terminate_instances(InstanceIds=[id])
        self.ec2.get_waiter("instance_terminated").wait(InstanceIds=[id])

    def endpoints(self) -> Iterator[str]:
        for e in self.own("describe_vpc_endpoints", "VpcEndpoints"):
            if e["State"].lower() not in ("deleting", "deleted"):
                yield e["VpcEndpointId"]

    def delete_endpoint(self, id: str) -> None:
        answer = self.ec2.delete_vpc_endpoints(VpcEndpointIds=[id])
        for failed in answer.get("Unsuccessful", []):
            raise ClientError({"Error": failed["Error"]}, "DeleteVpcEndpoints")

    def rules(self) -> Iterator[str]:
        for r in self.own("describe_security_group_rules", "SecurityGroupRules"):
            yield r["SecurityGroupRuleId"]

    def delete_rule(self, id: str) -> None:
        found = self.ec2.describe_security_group_rules(SecurityGroupRuleIds=[id])
        rule = found["SecurityGroupRules"][0]
        revoke = (
            self.ec2.revoke_security_group_egress
            if rule["IsEgress"]
            else self.ec2.revoke_security_group_ingress
        )
        revoke(GroupId=rule["GroupId"], SecurityGroupRuleIds=[id])

    def groups(self) -> Iterator[str]:
        for g in self.own("describe_security_groups", "SecurityGroups"):
            if g["GroupName"] != "default":  # comes and goes with the VPC
                yield g["GroupId"]

    def delete_group(self, id: str) -> None:
        self.ec2.delete_security_group(GroupId=id)

    def associations(self) -> Iterator[str]:
        # They carry no tags: known by the stack's own table and its own subnet.
        subnets = set(self.subnets())
        for table in self.own("describe_route_tables", "RouteTables"):
            for a in table["Associations"]:
                if a.get("SubnetId") in subnets:
                    yield a["RouteTableAssociationId"]

    def delete_association(self, id: str) -> None:
        self.ec2.disassociate_route_table(AssociationId=id)

    def subnets(self) -> Iterator[str]:
        yield from (s["SubnetId"] for s in self.own("describe_subnets", "Subnets"))

    def delete_subnet(self, id: str) -> None:
        self.ec2.delete_subnet(SubnetId=id)

    def tables(self) -> Iterator[str]:
        for t in self.own("describe_route_tables", "RouteTables"):
            yield t["RouteTableId"]

    def delete_table(self, id: str) -> None:
        self.ec2.delete_route_table(RouteTableId=id)

    def vpcs(self) -> Iterator[str]:
        yield from (v["VpcId"] for v in self.own("describe_vpcs", "Vpcs"))

    def delete_vpc(self, id: str) -> None:
        self.ec2.delete_vpc(VpcId=id)

    # IAM

    def profiles(self) -> Iterator[str]:
        found = self.listed(self.iam, "list_instance_profiles", "InstanceProfiles")
        for name in (p["InstanceProfileName"] for p in found):
            profile = self.iam.get_instance_profile(InstanceProfileName=name)
            if self.is_own(profile["InstanceProfile"].get("Tags", [])):
                yield name

    def delete_profile(self, name: str) -> None:
        profile = self.iam.get_instance_profile(InstanceProfileName=name)
        for role in profile["InstanceProfile"]["Roles"]:
            self.iam.remove_role_from_instance_profile(
                InstanceProfileName=name, RoleName=role["RoleName"]
            )
        self.iam.delete_instance_profile(InstanceProfileName=name)

    def roles(self) -> Iterator[str]:
        for name in (r["RoleName"] for r in self.listed(self.iam, "list_roles", "Roles")):
            if self.is_own(self.iam.list_role_tags(RoleName=name)["Tags"]):
                yield name

    def delete_role(self, name: str) -> None:
        attached = self.listed(
            self.iam, "list_attached_role_policies", "AttachedPolicies", RoleName=name
        )
        for arn in [p["PolicyArn"] for p in attached]:
            self.iam.detach_role_policy(RoleName=name, PolicyArn=arn)
        self.iam.delete_role(RoleName=name)

    def policies(self) -> Iterator[str]:
        found = self.listed(self.iam, "list_policies", "Policies", Scope="Local")
        for arn in (p["Arn"] for p in found):
            if self.is_own(self.iam.list_policy_tags(PolicyArn=arn)["Tags"]):
                yield arn

    def delete_policy(self, arn: str) -> None:
        self.iam.delete_policy(PolicyArn=arn)

    # Systems Manager and S3

    def documents(self) -> Iterator[str]:
        # The program, too, knows its document by the mark in it.
        mine = [{"Key": "Owner", "Values": ["Self"]}]
        found = self.listed(self.ssm, "list_documents", "DocumentIdentifiers", Filters=mine)
        for name in (d["Name"] for d in found):
            content = json.loads(self.ssm.get_document(Name=name, DocumentFormat="JSON")["Content"])
            if content.get("description") == MARK + self.owner:
                yield name

    def delete_document(self, name: str) -> None:
        self.ssm.delete_document(Name=name)

    def buckets(self) -> Iterator[str]:
        # A destroy may have left buckets with records behind on purpose. What a killed creation leaves
        # is different: nothing was configured yet, its policy least of all, and nothing is in it.
        # Its tags come with a second call, so it may have none; then its name and the kill must tell.
        project = re.escape(self.owner.partition("/")[0])
        chosen_by_provider = re.compile(project + r"-logs-\d{18}[0-9a-f]{8}")
        killed = "aws:s3/bucketV2:BucketV2" in self.interrupted
        for name in (b["Name"] for b in self.s3.list_buckets()["Buckets"]):
            if not chosen_by_provider.fullmatch(name):
                continue
            tags = self.optional(lambda: self.s3.get_bucket_tagging(Bucket=name)["TagSet"])
            if not (self.is_own(tags) if tags else killed):
                continue
            if self.optional(lambda: self.s3.get_bucket_policy(Bucket=name)["Policy"]):
                continue
            versions = self.s3.list_object_versions(Bucket=name, MaxKeys=1)
            if "Versions" not in versions and "DeleteMarkers" not in versions:
                yield name

    def optional(self, ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except ClientError as e:
            if e.response["Error"]["Code"].startswith("NoSuch"):
                return None
            raise

    def delete_bucket(self, name: str) -> None:
        self.s3.delete_bucket(Bucket=name)

    # KMS and CloudWatch Logs

    def keys(self) -> Iterator[str]:
        # A destroy may have left a key behind that records are encrypted with, without its alias but with
        # the policy of the program. The policy that AWS gives a new key shows that it was never used.
        for id in (k["KeyId"] for k in self.listed(self.kms, "list_keys", "Keys")):
            about = self.kms.describe_key(KeyId=id)["KeyMetadata"]
            if about["KeyManager"] != "CUSTOMER" or about["KeyState"] == "PendingDeletion":
                continue
            tags = self.kms.list_resource_tags(KeyId=id)["Tags"]
            if {"TagKey": TAG, "TagValue": self.owner} not in tags:
                continue
            if self.kms.list_aliases(KeyId=id)["Aliases"]:
                continue  # the program finds it by its alias, and takes it up
            policy = json.loads(self.kms.get_key_policy(KeyId=id, PolicyName="default")["Policy"])
            if [s.get("Sid") for s in policy["Statement"]] == ["Enable IAM User Permissions"]:
                yield id

    def delete_key(self, id: str) -> None:
        # KMS gives a week at least, in which it can be called off.
        self.kms.schedule_key_deletion(KeyId=id, PendingWindowInDays=7)

    def log_groups(self) -> Iterator[str]:
        # A destroy may have left groups with records behind. What a killed creation leaves has no
        # retention yet, which comes with a second call, and no stream, so no record.
        if "aws:cloudwatch/logGroup:LogGroup" not in self.interrupted:
            return
        for group in self.listed(self.logs, "describe_log_groups", "logGroups"):
            if "retentionInDays" in group:
                continue
            tags = self.logs.list_tags_log_group(logGroupName=group["logGroupName"])["tags"]
            if tags.get(TAG) != self.owner:
                continue
            name = group["logGroupName"]
            if not self.logs.describe_log_streams(logGroupName=name, limit=1)["logStreams"]:
                yield name

    def delete_log_group(self, name: str) -> None:
        self.logs.delete_log_group(logGroupName=name)


def loopback(endpoint: str) -> str:
    host = urlsplit(endpoint).hostname or ""
    try:
        here = ipaddress.ip_address(host).is_loopback
    except ValueError:
        here = host == "localhost"
    if not here:
        sys.exit(f"AWS_ENDPOINT_URL is {endpoint!r}, no address on this machine: nothing was looked at")
    return endpoint


def sweep(endpoint: str, owner: str, state: dict[str, Any]) -> list[dict[str, str | None]]:
    known = {r["id"] for r in state.get("resources") or [] if r.get("custom") and r.get("id")}
    pending = state.get("pending_operations") or []
    interrupted = {p["resource"]["type"] for p in pending if p["type"] == "creating"}
    account = Account(endpoint, owner, interrupted)
    report: list[dict[str, str | None]] = []
    # What uses something goes before it.
    for kind, find, delete in (
        ("instance", account.instances, account.delete_instance),
        ("endpoint", account.endpoints, account.delete_endpoint),
        ("security group rule", account.rules, account.delete_rule),
        ("security group", account.groups, account.delete_group),
        ("route table association", account.associations, account.delete_association),
        ("subnet", account.subnets, account.delete_subnet),
        ("route table", account.tables, account.delete_table),
        ("VPC", account.vpcs, account.delete_vpc),
        ("instance profile", account.profiles, account.delete_profile),
        ("role", account.roles, account.delete_role),
        ("policy", account.policies, account.delete_policy),
        ("document", account.documents, account.delete_document),
        ("bucket", account.buckets, account.delete_bucket),
        ("log group", account.log_groups, account.delete_log_group),
        ("KMS key", account.keys, account.delete_key),
    ):
        for id in [i for i in find() if i not in known]:
            error = None
            try:
                delete(id)
            except Exception as e:  # the others can go all the same
                error = str(e)
            report.append({"kind": kind, "id": id, "error": error})
    return report


if __name__ == "__main__":
    if len(sys.argv) != 2 or "/" not in sys.argv[1]:
        sys.exit(__doc__)
    here = loopback(os.environ.get("AWS_ENDPOINT_URL", ""))
    json.dump(sweep(here, sys.argv[1], json.load(sys.stdin)["deployment"]), sys.stdout)
