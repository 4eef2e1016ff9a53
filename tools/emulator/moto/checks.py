"""One check for each fix in fixes.py, through the real SDK: checks.py URL

The secret key is in the environment. Prints one line per check, {"check": NAME, "error": null or TEXT}.
Run against a plain moto_server, each check fails: that is how it is known to check something. Used by
../emulator_test.go.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

REGION = "us-east-2"
CIDR = "10.20.0.0/16"


class Account:
    def __init__(self, url: str) -> None:
        self.url = url

    def client(self, service: str, region: str = REGION) -> Any:
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=self.url,
            aws_access_key_id="test",
            aws_secret_access_key=os.environ["AWS_SECRET_ACCESS_KEY"],
            config=Config(
                retries={"max_attempts": 0},
                s3={"addressing_style": "path"},
                parameter_validation=False,  # wrong values must reach the server
            ),
        )

    def network(self) -> tuple[str, str, str]:
        """A VPC with one subnet and one security group of its own."""
        ec2 = self.client("ec2")
        vpc = ec2.create_vpc(CidrBlock=CIDR)["Vpc"]["VpcId"]
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.20.1.0/24")["Subnet"]
        group = ec2.create_security_group(
            GroupName=f"own-{vpc}", Description="own", VpcId=vpc
        )
        return vpc, subnet["SubnetId"], group["GroupId"]

    def bucket(self, name: str, **options: Any) -> Any:
        s3 = self.client("s3")
        s3.create_bucket(
            Bucket=name,
            CreateBucketConfiguration={"LocationConstraint": REGION},
            **options,
        )
        return s3


def equal(what: str, got: Any, want: Any) -> None:
    if got != want:
        raise AssertionError(f"{what}: got {got!r}, want {want!r}")


def refused(what: str, code: str, call: Any, **params: Any) -> None:
    try:
        call(**params)
    except ClientError as e:
        equal(f"{what}: error code", e.response["Error"]["Code"], code)
        return
    raise AssertionError(f"{what}: was allowed, want error {code}")


def security_group_rule_descriptions(a: Account) -> None:
    ec2 = a.client("ec2")
    _, _, group = a.network()
    prefix = ec2.describe_managed_prefix_lists()["PrefixLists"][0]["PrefixListId"]
    peers = [
        {"UserIdGroupPairs": [{"GroupId": group, "Description": "from the group"}]},
        {"PrefixListIds": [{"PrefixListId": prefix, "Description": "to the list"}]},
        {"IpRanges": [{"CidrIp": CIDR, "Description": "to the block"}]},
    ]
    tcp = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}
    want = {"from the group", "to the list", "to the block"}
    for peer in peers:
        answer = ec2.authorize_security_group_egress(
            GroupId=group, IpPermissions=[{**tcp, **peer}]
        )
        made = answer["SecurityGroupRules"][0]
        if made.get("Description") not in want:
            raise AssertionError(f"the answer to authorize has no description: {made}")
    by_group = [{"Name": "group-id", "Values": [group]}]
    rules = ec2.describe_security_group_rules(Filters=by_group)["SecurityGroupRules"]
    equal("rules", {r.get("Description") for r in rules} - {None}, want)
    permissions = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]
    found = {
        item.get("Description")
        for p in permissions["IpPermissionsEgress"]
        for kind in ("UserIdGroupPairs", "PrefixListIds", "IpRanges")
        for item in p[kind]
    }
    equal("permissions of the group", found - {None}, want)
    refused(
        "the same rule with another description",
        "InvalidPermission.Duplicate",
        ec2.authorize_security_group_egress,
        GroupId=group,
        IpPermissions=[
            {**tcp, "UserIdGroupPairs": [{"GroupId": group, "Description": "x"}]}
        ],
    )
    ec2.revoke_security_group_egress(
        GroupId=group,
        IpPermissions=[{**tcp, "UserIdGroupPairs": [{"GroupId": group}]}],
    )
    left = ec2.describe_security_group_rules(Filters=by_group)["SecurityGroupRules"]
    equal("rules after revoking one", len(left), len(rules) - 1)


def modify_security_group_rule(a: Account) -> None:
    ec2 = a.client("ec2")
    vpc, _, group = a.network()
    other = ec2.create_security_group(
        GroupName="other", Description="other", VpcId=vpc
    )["GroupId"]
    rule = ec2.authorize_security_group_ingress(
        GroupId=group,
        IpPermissions=[
            {
                "IpProtocol": "-1",
                "UserIdGroupPairs": [{"GroupId": group, "Description": "old"}],
            }
        ],
    )["SecurityGroupRules"][0]["SecurityGroupRuleId"]
    ec2.modify_security_group_rules(
        GroupId=group,
        SecurityGroupRules=[
            {
                "SecurityGroupRuleId": rule,
                "SecurityGroupRule": {
                    "IpProtocol": "-1",
                    "ReferencedGroupId": other,
                    "Description": "new",
                },
            }
        ],
    )
    now = ec2.describe_security_group_rules(SecurityGroupRuleIds=[rule])
    now = now["SecurityGroupRules"][0]
    equal("description", now.get("Description"), "new")
    equal("group", now["ReferencedGroupInfo"]["GroupId"], other)
    equal("ports", (now["FromPort"], now["ToPort"]), (-1, -1))


def instance_interface_goes_with_it(a: Account) -> None:
    ec2 = a.client("ec2")
    _, subnet, group = a.network()
    image = ec2.describe_images()["Images"][0]["ImageId"]
    spec = {"DeviceIndex": 0, "SubnetId": subnet, "Groups": [group]}
    launches: dict[str, tuple[dict[str, Any], int]] = {
        "by network interface": ({"NetworkInterfaces": [spec]}, 0),
        "at the top level": ({"SubnetId": subnet, "SecurityGroupIds": [group]}, 0),
        "kept": ({"NetworkInterfaces": [{**spec, "DeleteOnTermination": False}]}, 1),
    }
    for how, (network, left) in launches.items():
        made = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, **network)
        ec2.terminate_instances(InstanceIds=[made["Instances"][0]["InstanceId"]])
        found = ec2.describe_network_interfaces(
            Filters=[{"Name": "subnet-id", "Values": [subnet]}]
        )["NetworkInterfaces"]
        equal(f"{how}: interfaces left", len(found), left)


def instance_network(a: Account) -> None:
    ec2 = a.client("ec2")
    vpc, subnet, group = a.network()
    image = ec2.describe_images()["Images"][0]["ImageId"]
    launches: dict[str, dict[str, Any]] = {
        "by network interface": {
            "NetworkInterfaces": [
                {
                    "DeviceIndex": 0,
                    "SubnetId": subnet,
                    "Groups": [group],
                    "AssociatePublicIpAddress": False,
                }
            ]
        },
        "at the top level": {"SubnetId": subnet, "SecurityGroupIds": [group]},
    }
    for how, network in launches.items():
        made = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, **network)
        one = made["Instances"][0]["InstanceId"]
        found = ec2.describe_instances(InstanceIds=[one])["Reservations"][0]
        instance = found["Instances"][0]
        first = instance["NetworkInterfaces"][0]
        groups = [g["GroupId"] for g in instance.get("SecurityGroups", [])]
        equal(f"{how}: groups", groups, [group])
        equal(f"{how}: groups there", [g["GroupId"] for g in first["Groups"]], [group])
        equal(f"{how}: association", first.get("Association"), None)
        equal(f"{how}: public address", instance.get("PublicIpAddress"), None)
        equal(f"{how}: subnet", instance["SubnetId"], subnet)
    other = ec2.create_security_group(
        GroupName="other", Description="other", VpcId=vpc
    )["GroupId"]
    ec2.modify_instance_attribute(InstanceId=one, Groups=[other])
    found = ec2.describe_instances(InstanceIds=[one])["Reservations"][0]["Instances"][0]
    equal(
        "groups after a change",
        [g["GroupId"] for g in found["SecurityGroups"]],
        [other],
    )
    there = [g["GroupId"] for g in found["NetworkInterfaces"][0]["Groups"]]
    equal("groups there after a change", there, [other])
    public = ec2.run_instances(
        ImageId=image,
        MinCount=1,
        MaxCount=1,
        NetworkInterfaces=[
            {"DeviceIndex": 0, "SubnetId": subnet, "AssociatePublicIpAddress": True}
        ],
    )["Instances"][0]["InstanceId"]
    found = ec2.describe_instances(InstanceIds=[public])["Reservations"][0]
    first = found["Instances"][0]["NetworkInterfaces"][0]
    if not first.get("Association", {}).get("PublicIp"):
        raise AssertionError(f"a public instance lost its address: {first}")
    by_state = [
        {"Name": "instance-state-name", "Values": ["stopped"]},
        {"Name": "vpc-id", "Values": [vpc]},
    ]
    equal("stopped", ec2.describe_instances(Filters=by_state)["Reservations"], [])


def kms_rotation_period(a: Account) -> None:
    kms = a.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.enable_key_rotation(KeyId=key, RotationPeriodInDays=180)
    status = kms.get_key_rotation_status(KeyId=key)
    equal("days", status.get("RotationPeriodInDays"), 180)
    kms.enable_key_rotation(KeyId=key)
    equal(
        "default", kms.get_key_rotation_status(KeyId=key)["RotationPeriodInDays"], 365
    )
    kms.disable_key_rotation(KeyId=key)
    status = kms.get_key_rotation_status(KeyId=key)
    equal("off", status["KeyRotationEnabled"], False)
    equal("days when off", status.get("RotationPeriodInDays"), None)
    refused(
        "89 days",
        "ValidationException",
        kms.enable_key_rotation,
        KeyId=key,
        RotationPeriodInDays=89,
    )


def log_group_key(a: Account) -> None:
    logs = a.client("logs")
    logs.create_log_group(logGroupName="/sessions")
    key = "arn:aws:kms:us-east-2:123456789012:key/1"
    logs.associate_kms_key(logGroupName="/sessions", kmsKeyId=key)
    equal("key", logs.describe_log_groups()["logGroups"][0].get("kmsKeyId"), key)
    logs.disassociate_kms_key(
        resourceIdentifier="arn:aws:logs:us-east-2:123456789012:log-group:/sessions"
    )
    equal("no key", logs.describe_log_groups()["logGroups"][0].get("kmsKeyId"), None)
    refused(
        "absent group",
        "ResourceNotFoundException",
        logs.associate_kms_key,
        logGroupName="/absent",
        kmsKeyId=key,
    )


def object_lock_on_used_bucket(a: Account) -> None:
    s3 = a.bucket("locked", ObjectLockEnabledForBucket=True)
    s3.put_object(Bucket="locked", Key="one", Body=b"1")
    rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 3}}
    s3.put_object_lock_configuration(
        Bucket="locked",
        ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule},
    )
    config = s3.get_object_lock_configuration(Bucket="locked")
    equal("rule", config["ObjectLockConfiguration"]["Rule"], rule)
    later = s3.put_object(Bucket="locked", Key="two", Body=b"2")["VersionId"]
    for key, locked in ("one", False), ("two", True):
        head = s3.head_object(Bucket="locked", Key=key)
        equal(f"{key} is locked", "ObjectLockRetainUntilDate" in head, locked)
    try:
        s3.delete_object(Bucket="locked", Key="two", VersionId=later)
        raise AssertionError("a locked version went")
    except ClientError as e:
        equal("delete", e.response["Error"]["Code"], "AccessDenied")


def ec2_filters(a: Account) -> None:
    ec2 = a.client("ec2")
    vpc, subnet, _ = a.network()
    more = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.20.{n}.0/24")["Subnet"]["SubnetId"]
        for n in (2, 3)
    ]
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    for one in (subnet, more[0]):
        ec2.associate_route_table(RouteTableId=table, SubnetId=one)

    def tables(**filters: Any) -> list[str]:
        wanted = [
            {"Name": k.replace("__", ".").replace("_", "-"), "Values": v}
            for k, v in filters.items()
        ]
        found = ec2.describe_route_tables(Filters=wanted)["RouteTables"]
        return [t["RouteTableId"] for t in found]

    # One subnet of two that have the table, and one that has not: any match is a match.
    equal("any subnet", tables(association__subnet_id=[subnet, more[1]]), [table])
    equal("no subnet", tables(association__subnet_id=[more[1]]), [])
    main = tables(association__main=["true"], vpc_id=[vpc])
    equal("main tables", (len(main), table in main), (1, False))
    gateway = ec2.create_vpc_endpoint(
        VpcId=vpc,
        ServiceName=f"com.amazonaws.{REGION}.s3",
        VpcEndpointType="Gateway",
        RouteTableIds=[table],
    )["VpcEndpoint"]["VpcEndpointId"]
    lists = ec2.describe_managed_prefix_lists()["PrefixLists"]
    s3 = [p["PrefixListId"] for p in lists if p["PrefixListName"].endswith(".s3")]
    equal("tables to S3", tables(route__destination_prefix_list_id=s3), [table])
    ec2.delete_vpc_endpoints(VpcEndpointIds=[gateway])
    equal("none to S3", tables(route__destination_prefix_list_id=s3), [])

    service = f"com.amazonaws.{REGION}.ssm"
    endpoint = ec2.create_vpc_endpoint(
        VpcId=vpc,
        ServiceName=service,
        VpcEndpointType="Interface",
        SubnetIds=[subnet],
        PrivateDnsEnabled=False,
        TagSpecifications=[
            {"ResourceType": "vpc-endpoint", "Tags": [{"Key": "Owner", "Value": "me"}]}
        ],
    )["VpcEndpoint"]["VpcEndpointId"]

    def endpoints(**filters: Any) -> list[str]:
        wanted = [
            {"Name": k.replace("__", ":").replace("_", "-"), "Values": v}
            for k, v in {"vpc_id": [vpc], **filters}.items()
        ]
        found = ec2.describe_vpc_endpoints(Filters=wanted)["VpcEndpoints"]
        return [e["VpcEndpointId"] for e in found]

    for name, match, other in (
        ("vpc_endpoint_state", "available", "pending"),
        ("service_name", service, "com.amazonaws.us-east-2.ec2"),
        ("vpc_endpoint_type", "Interface", "Gateway"),
        ("vpc_endpoint_id", endpoint, "vpce-0"),
        ("tag__Owner", "me", "you"),
        ("tag_key", "Owner", "Other"),
    ):
        equal(f"endpoints by {name}", endpoints(**{name: [match]}), [endpoint])
        equal(
            f"endpoints by {name}, either",
            endpoints(**{name: [match, other]}),
            [endpoint],
        )
        equal(f"endpoints by another {name}", endpoints(**{name: [other]}), [])
    equal("endpoints by an absent tag", endpoints(tag__Absent=["me"]), [])
    equal("endpoints of another VPC", endpoints(vpc_id=["vpc-0"]), [])
    by_name = [{"Name": "service-name", "Values": [service]}]
    names = ec2.describe_vpc_endpoint_services(Filters=by_name)["ServiceNames"]
    equal("services by name", names, [service])
    tagged = [{"Name": "tag:Absent", "Values": ["x"]}]
    equal("no instance", ec2.describe_instances(Filters=tagged)["Reservations"], [])


def vpc_endpoints(a: Account) -> None:
    ec2 = a.client("ec2")
    vpc, subnet, group = a.network()

    def make(service: str, kind: str, **more: Any) -> str:
        made = ec2.create_vpc_endpoint(
            VpcId=vpc,
            ServiceName=f"com.amazonaws.{REGION}.{service}",
            VpcEndpointType=kind,
            **more,
        )
        return made["VpcEndpoint"]["VpcEndpointId"]

    def private_dns(endpoint: str) -> bool:
        found = ec2.describe_vpc_endpoints(VpcEndpointIds=[endpoint])["VpcEndpoints"]
        return found[0]["PrivateDnsEnabled"]

    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    gateway = make("s3", "Gateway", RouteTableIds=[table])
    equal("private DNS of a gateway", private_dns(gateway), False)
    refused(
        "a second route to S3",
        "RouteAlreadyExists",
        make,
        service="s3",
        kind="Gateway",
        RouteTableIds=[table],
    )
    to_s3 = ec2.describe_vpc_endpoints(VpcEndpointIds=[gateway])["VpcEndpoints"]
    equal("its route tables", to_s3[0]["RouteTableIds"], [table])

    def leads_to_s3() -> bool:
        routes = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["Routes"]
        return any(r.get("GatewayId") == gateway for r in routes)

    ec2.modify_vpc_endpoint(VpcEndpointId=gateway, RemoveRouteTableIds=[table])
    equal("the route of a table that is removed", leads_to_s3(), False)
    ec2.modify_vpc_endpoint(VpcEndpointId=gateway, AddRouteTableIds=[table])
    equal("the route of a table that is added", leads_to_s3(), True)
    one = make("ssm", "Interface", SubnetIds=[subnet], PrivateDnsEnabled=False)
    equal("private DNS", private_dns(one), False)
    ec2.modify_vpc_endpoint(VpcEndpointId=one, PrivateDnsEnabled=True)
    equal("private DNS after the change", private_dns(one), True)
    refused(
        "a second private DNS",
        "InvalidParameter",
        make,
        service="ssm",
        kind="Interface",
        SubnetIds=[subnet],
        PrivateDnsEnabled=True,
    )
    ec2.delete_vpc_endpoints(VpcEndpointIds=[one])
    in_vpc = [{"Name": "vpc-id", "Values": [vpc]}]
    left = ec2.describe_vpc_endpoints(Filters=in_vpc)["VpcEndpoints"]
    equal("endpoints left", [e["VpcEndpointId"] for e in left], [gateway])
    refused(
        "a deleted endpoint",
        "InvalidVpcEndpointId.NotFound",
        ec2.describe_vpc_endpoints,
        VpcEndpointIds=[one],
    )


def prefix_list_addresses(a: Account) -> None:
    ec2 = a.client("ec2")
    for found in ec2.describe_prefix_lists()["PrefixLists"]:
        entries = ec2.get_managed_prefix_list_entries(PrefixListId=found["PrefixListId"])
        wanted = [e["Cidr"] for e in entries["Entries"]]
        equal(found["PrefixListName"], found.get("Cidrs", []), wanted)


def vpc_endpoint_refusals(a: Account) -> None:
    ec2 = a.client("ec2")
    vpc, subnet, _ = a.network()
    zone = ec2.describe_subnets(SubnetIds=[subnet])["Subnets"][0]["AvailabilityZone"]
    twin = ec2.create_subnet(VpcId=vpc, CidrBlock="10.20.2.0/24", AvailabilityZone=zone)
    _, elsewhere, _ = a.network()

    def make(service: str, **more: Any) -> dict[str, Any]:
        name = f"com.amazonaws.{REGION}.{service}"
        return {"VpcId": vpc, "ServiceName": name, **more}

    def interface(**more: Any) -> dict[str, Any]:
        return make("ssm", VpcEndpointType="Interface", **more)

    create = ec2.create_vpc_endpoint
    both = [subnet, twin["Subnet"]["SubnetId"]]
    refused(
        "a zone twice",
        "DuplicateSubnetsInSameZone",
        create,
        **interface(SubnetIds=both, PrivateDnsEnabled=False),
    )
    refused(
        "another VPC",
        "InvalidParameter",
        create,
        **interface(SubnetIds=[elsewhere], PrivateDnsEnabled=False),
    )
    private = interface(SubnetIds=[subnet], PrivateDnsEnabled=True)
    refused("no DNS host names", "InvalidParameter", create, **private)
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    made = create(**private)["VpcEndpoint"]["VpcEndpointId"]
    refused(
        "a zone twice, later",
        "DuplicateSubnetsInSameZone",
        ec2.modify_vpc_endpoint,
        VpcEndpointId=made,
        AddSubnetIds=both[1:],
    )


def subnet_ipv6(a: Account) -> None:
    ec2 = a.client("ec2")
    vpc, subnet, _ = a.network()
    ec2.associate_vpc_cidr_block(VpcId=vpc, AmazonProvidedIpv6CidrBlock=True)
    given = ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["Ipv6CidrBlockAssociationSet"]
    blocks = [
        given[0]["Ipv6CidrBlock"].replace("00::/56", f"{n:02}::/64") for n in (1, 2)
    ]
    ec2.associate_subnet_cidr_block(SubnetId=subnet, Ipv6CidrBlock=blocks[0])
    found = ec2.describe_subnets(SubnetIds=[subnet])["Subnets"][0]
    state = found["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlockState"]
    equal("state of the range", state, {"State": "associated"})
    made = ec2.create_subnet(VpcId=vpc, Ipv6Native=True, Ipv6CidrBlock=blocks[1])
    only = ec2.describe_subnets(SubnetIds=[made["Subnet"]["SubnetId"]])["Subnets"][0]
    equal("free addresses", only["AvailableIpAddressCount"], 0)


def default_dhcp_options(a: Account) -> None:
    ec2 = a.client("ec2")
    vpc, _, _ = a.network()

    def options() -> str:
        return ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["DhcpOptionsId"]

    sets = ec2.describe_dhcp_options(DhcpOptionsIds=[options()])["DhcpOptions"]
    servers = {
        c["Key"]: [v["Value"] for v in c["Values"]]
        for c in sets[0]["DhcpConfigurations"]
    }
    equal("servers", servers["domain-name-servers"], ["AmazonProvidedDNS"])
    other = a.network()[0]
    found = ec2.describe_vpcs(VpcIds=[other])["Vpcs"][0]["DhcpOptionsId"]
    equal("the same set", found, options())
    ec2.associate_dhcp_options(DhcpOptionsId="default", VpcId=vpc)
    equal("no options", options(), "default")


def instance_type_offerings(a: Account) -> None:
    china = a.client("ec2", "cn-north-1").describe_instance_type_offerings(
        LocationType="availability-zone",
        Filters=[{"Name": "instance-type", "Values": ["t3.nano"]}],
    )["InstanceTypeOfferings"]
    equal("in China", "cn-north-1a" in [o["Location"] for o in china], True)
    _, subnet, _ = a.network()
    refused(
        "a type that the zone lacks",
        "Unsupported",
        a.client("ec2").run_instances,
        MinCount=1,
        MaxCount=1,
        SubnetId=subnet,
        InstanceType="x9.nano",
    )
    interface = [{"DeviceIndex": 0, "SubnetId": subnet}]
    refused(
        "a type that the zone of a network interface lacks",
        "Unsupported",
        a.client("ec2").run_instances,
        MinCount=1,
        MaxCount=1,
        NetworkInterfaces=interface,
        InstanceType="x9.nano",
    )
    one = a.client("ec2").run_instances(
        MinCount=1, MaxCount=1, NetworkInterfaces=interface, InstanceType="t3.nano"
    )["Instances"][0]["InstanceId"]
    a.client("ec2").stop_instances(InstanceIds=[one])
    change = a.client("ec2").modify_instance_attribute
    refused(
        "a change to a type that does not exist",
        "InvalidInstanceAttributeValue",
        change,
        InstanceId=one,
        InstanceType={"Value": "t3.nan"},
    )
    change(InstanceId=one, InstanceType={"Value": "t3.micro"})


def vcpu_quota(a: Account) -> None:
    quotas = a.client("service-quotas")
    asked = {"ServiceCode": "ec2", "QuotaCode": "L-1216C47A"}
    default = quotas.get_aws_default_service_quota(**asked)["Quota"]["Value"]
    applied = quotas.get_service_quota(**asked)["Quota"]["Value"]
    equal("default and applied", [default, applied], [5, 1152])


def endpoint_services(a: Account) -> None:
    names = a.client("ec2").describe_vpc_endpoint_services()["ServiceNames"]
    for service in ("cloudformation", "ssm", "s3", "kms", "logs"):
        equal(service, f"com.amazonaws.{REGION}.{service}" in names, True)


def other_partitions(a: Account) -> None:
    china = a.client("ec2", "cn-north-1")
    offers = china.describe_vpc_endpoint_services()["ServiceDetails"]
    names = [(o["ServiceName"], o["ServiceType"][0]["ServiceType"]) for o in offers]
    for name, kind in [
        ("com.amazonaws.cn-north-1.ssm", "Interface"),
        ("com.amazonaws.cn-north-1.s3", "Gateway"),
        ("cn.com.amazonaws.cn-north-1.s3", "Interface"),
        ("cn.com.amazonaws.cn-north-1.sts", "Interface"),
    ]:
        equal(name, (name, kind) in names, True)
    private = [o["PrivateDnsName"] for o in offers if o["ServiceName"].endswith(".ssm")]
    equal("private DNS", private, ["ssm.cn-north-1.amazonaws.com.cn"])
    for region, partition in [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")]:
        name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"
        parameter = a.client("ssm", region).get_parameter(Name=name)["Parameter"]
        images = a.client("ec2", region).describe_images(ImageIds=[parameter["Value"]])
        equal(region, images["Images"][0]["Architecture"], "arm64")
        equal("partition", parameter["ARN"].split(":")[1], partition)
        a.client("resourcegroupstaggingapi", region).get_resources()
        ec2 = a.client("ec2", region)
        for arn in [
            ec2.describe_subnets()["Subnets"][0]["SubnetArn"],
            ec2.describe_security_groups()["SecurityGroups"][0]["SecurityGroupArn"],
        ]:
            equal(arn, arn.split(":")[1], partition)


def ssm_service_settings(a: Account) -> None:
    ssm = a.client("ssm")
    name = "/ssm/managed-instance/default-ec2-instance-management-role"

    def value(client: Any) -> tuple[str, str]:
        setting = client.get_service_setting(SettingId=name)["ServiceSetting"]
        return setting["SettingValue"], setting["Status"]

    equal("default", value(ssm), ("$None", "Default"))
    ssm.update_service_setting(SettingId=name, SettingValue="service-role/x")
    equal("changed", value(ssm), ("service-role/x", "Customized"))
    equal("another Region", value(a.client("ssm", "eu-west-1")), ("$None", "Default"))
    arn = ssm.get_service_setting(SettingId=name)["ServiceSetting"]["ARN"]
    ssm.reset_service_setting(SettingId=arn)
    equal("reset", value(ssm), ("$None", "Default"))
    refused(
        "an unknown setting",
        "ServiceSettingNotFound",
        ssm.get_service_setting,
        SettingId="/ssm/absent",
    )


def ssm_histories(a: Account) -> None:
    ssm = a.client("ssm")
    content = {"schemaVersion": "1.0", "sessionType": "Standard_Stream", "inputs": {}}
    ssm.create_document(
        Name="versions", Content=json.dumps(content), DocumentType="Session"
    )
    content["description"] = "second"
    ssm.update_document(
        Name="versions", Content=json.dumps(content), DocumentVersion="$LATEST"
    )
    versions = ssm.list_document_versions(Name="versions")["DocumentVersions"]
    equal(
        "versions",
        [(v["DocumentVersion"], v["IsDefaultVersion"]) for v in versions],
        [("2", False), ("1", True)],
    )
    equal("times", versions[0]["CreatedDate"] >= versions[1]["CreatedDate"], True)
    refused("versions", "InvalidDocument", ssm.list_document_versions, Name="absent")

    before = ssm.list_command_invocations()["CommandInvocations"]
    sent = ssm.send_command(
        InstanceIds=["i-00000000000000001", "i-00000000000000002"],
        DocumentName="AWS-RunShellScript",
        Parameters={"commands": ["id"]},
    )["Command"]
    for what, filters, want in (
        ("all", {}, ["i-00000000000000001", "i-00000000000000002"]),
        ("one", {"InstanceId": "i-00000000000000002"}, ["i-00000000000000002"]),
        ("later", {"Filters": [{"key": "InvokedAfter", "value": "2999-01-01T00:00:00Z"}]}, []),
    ):
        answer = ssm.list_command_invocations(**filters)["CommandInvocations"]
        new = [c for c in answer if c not in before]
        equal(what, [c["InstanceId"] for c in new], want)
        equal(what, {c["CommandId"] for c in new} <= {sent["CommandId"]}, True)


def root_identity(a: Account) -> None:
    answer = a.client("sts").get_caller_identity()
    equal("who", answer["Arn"], "arn:aws:iam::123456789012:root")
    equal("the id of root", answer["UserId"], answer["Account"])


def bucket_policy_conditions(a: Account) -> None:
    s3 = a.bucket("guarded")
    role = "arn:aws:iam::123456789012:role/reader"
    objects = "arn:aws:s3:::guarded/*"
    sse = "s3:x-amz-server-side-encryption"

    def deny(action: str, condition: dict[str, Any], **more: Any) -> dict[str, Any]:
        return {
            "Effect": "Deny",
            "Principal": "*",
            "Action": action,
            "Resource": objects,
            "Condition": condition,
            **more,
        }

    def policy(*statements: dict[str, Any]) -> None:
        document = {"Version": "2012-10-17", "Statement": list(statements)}
        s3.put_bucket_policy(Bucket="guarded", Policy=json.dumps(document))
        read = json.loads(s3.get_bucket_policy(Bucket="guarded")["Policy"])
        equal("policy read back", read, document)

    put = {"Bucket": "guarded", "Key": "logs/one", "Body": b"1"}
    kms = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "alias/logs"}
    not_kms = deny("s3:PutObject", {"StringNotEquals": {sse: "aws:kms"}})
    s3.put_object(**put)

    policy(deny("s3:*", {"Bool": {"aws:SecureTransport": "false"}}), not_kms)
    s3.put_object(**put, **kms)
    equal("body", s3.get_object(Bucket="guarded", Key="logs/one")["Body"].read(), b"1")
    s3.head_object(Bucket="guarded", Key="logs/one")
    refused("not encrypted", "AccessDenied", s3.put_object, **put)
    refused(
        "other encryption",
        "AccessDenied",
        s3.put_object,
        **put,
        ServerSideEncryption="AES256",
    )
    upload = s3.create_multipart_upload(Bucket="guarded", Key="big", **kms)["UploadId"]
    part = {"Bucket": "guarded", "Key": "big", "UploadId": upload}
    tag = s3.upload_part(**part, PartNumber=1, Body=b"x")["ETag"]
    s3.complete_multipart_upload(
        **part, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": tag}]}
    )

    get = {"Bucket": "guarded", "Key": "logs/one"}
    root = "arn:aws:iam::123456789012:root"
    # (condition of a Deny on GetObject, whether it matches a call by the account's root)
    cases: list[tuple[dict[str, Any], bool]] = [
        ({"Bool": {"aws:SecureTransport": "true"}}, True),
        ({"Bool": {"aws:SecureTransport": True}}, True),
        ({"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}, True),
        ({"Bool": {"aws:MultiFactorAuthPresent": "false"}}, False),
        ({"Null": {"aws:SourceVpce": "true"}}, True),
        ({"Null": {"aws:SourceVpce": "false"}}, False),
        ({"StringEquals": {"aws:SourceVpce": "vpce-1"}}, False),
        ({"StringNotEquals": {"aws:SourceVpce": "vpce-1"}}, True),
        ({"StringNotEqualsIfExists": {"aws:SourceVpce": "vpce-1"}}, True),
        ({"StringEqualsIfExists": {"aws:SourceVpce": "vpce-1"}}, True),
        ({"StringEquals": {"aws:PrincipalAccount": ["1", "123456789012"]}}, True),
        ({"StringEquals": {"aws:PrincipalAccount": "${aws:ResourceAccount}"}}, True),
        ({"StringNotEquals": {"aws:PrincipalAccount": ["1", "123456789012"]}}, False),
        ({"StringLike": {"aws:PrincipalArn": "arn:aws:iam::*:root"}}, True),
        ({"StringNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:root"}}, False),
        ({"ArnEquals": {"aws:PrincipalArn": root}}, True),
        ({"ArnLike": {"aws:PrincipalArn": role}}, False),
        ({"ArnNotLike": {"aws:PrincipalArn": [role, root]}}, False),
        ({"ArnNotEquals": {"aws:PrincipalArn": role}}, True),
        ({"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}, True),
        ({"NotIpAddress": {"aws:SourceIp": ["10.0.0.0/8", "127.0.0.1"]}}, False),
        ({"NumericLessThan": {"s3:TlsVersion": "1.2"}}, False),
        ({"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}, True),
        ({"ForAnyValue:StringEquals": {"aws:Absent": "x"}}, False),
        ({"ForAllValues:StringEquals": {"aws:Absent": "x"}}, True),
        (
            {
                "Bool": {"aws:SecureTransport": "true"},
                "StringEquals": {"aws:RequestedRegion": "eu-west-1"},
            },
            False,
        ),
    ]
    for condition, matches in cases:
        policy(deny("s3:GetObject", condition))
        if matches:
            refused(f"Deny with {condition}", "AccessDenied", s3.get_object, **get)
        else:
            s3.get_object(**get)
    always = {"Bool": {"aws:SecureTransport": "true"}}
    policy(deny("s3:GetObject", always, Principal={"AWS": role}))
    s3.get_object(**get)
    policy(deny("s3:GetObject", always, Resource="arn:aws:s3:::guarded/other/*"))
    s3.get_object(**get)
    policy(deny("s3:DeleteObject*", always))
    s3.get_object(**get)
    refused("delete", "AccessDenied", s3.delete_object, **get)
    many = s3.delete_objects(
        Bucket="guarded", Delete={"Objects": [{"Key": "logs/one"}]}
    )
    equal("delete many", many["Errors"][0]["Code"], "AccessDenied")
    policy(deny("s3:GetObject", {"BinaryEquals": {"aws:x": "eA=="}}))
    refused("unknown operator", "NotImplementedByEmulator", s3.get_object, **get)
    for text in ("", "no JSON", "[]", '{"Version": "2012-10-17"}'):
        refused(text, "MalformedPolicy", s3.put_bucket_policy, Bucket="guarded", Policy=text)


def absent_document(a: Account) -> None:
    ssm = a.client("ssm")
    for call in (ssm.get_document, ssm.describe_document):
        refused("absent document", "InvalidDocument", call, Name="absent")


def not_implemented(a: Account) -> None:
    """Unimplemented calls are a clear error in the service's own form (made by the front)."""
    code = "NotImplementedByEmulator"
    refused("JSON", code, a.client("ssm").list_nodes)
    refused("EC2", code, a.client("ec2").describe_fast_launch_images)
    refused("query", code, a.client("iam").list_organizations_features)


CHECKS = (
    security_group_rule_descriptions,
    modify_security_group_rule,
    instance_network,
    instance_interface_goes_with_it,
    kms_rotation_period,
    log_group_key,
    object_lock_on_used_bucket,
    ec2_filters,
    vpc_endpoints,
    vpc_endpoint_refusals,
    prefix_list_addresses,
    subnet_ipv6,
    default_dhcp_options,
    instance_type_offerings,
    vcpu_quota,
    endpoint_services,
    other_partitions,
    ssm_service_settings,
    ssm_histories,
    root_identity,
    bucket_policy_conditions,
    absent_document,
    not_implemented,
)


def main() -> None:
    account = Account(sys.argv[1])
    for check in CHECKS:
        error = None
        try:
            check(account)
        except Exception as e:
            where = traceback.extract_tb(e.__traceback__)[1]
            error = f"{e} (checks.py:{where.lineno})"
        print(json.dumps({"check": check.__name__, "error": error}), flush=True)


if __name__ == "__main__":
    main()
