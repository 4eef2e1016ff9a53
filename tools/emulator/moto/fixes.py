"""The named fixes that the local emulator is started with.

Each fix is one function. Its docstring says what AWS does, what moto does, and why it matters here.
Settings that AWS users need are never dropped to please moto: its answers are corrected instead.
`apply()` makes all of them, once, before the first request. The checks are in ../emulator_test.go.
"""

from __future__ import annotations

import fnmatch
import functools
import json
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import flask
import moto
import moto.backends

import policies

WRITTEN_FOR = "5.2.1"


def security_group_rule_descriptions() -> None:
    """A rule's description is read back, whatever kind of peer the rule names.

    AWS: each rule has one description, also where it names a group or a prefix list.
    moto: keeps it only for rules that name a CIDR block, and takes rules that differ only in their
    description for different ones.
    Matters: the second preview of such a rule shows a change for ever.
    """
    from moto.ec2.models.security_groups import SecurityGroup, SecurityGroupRule

    init = SecurityGroupRule.__init__
    flatten = SecurityGroup._flattened_rules

    @functools.wraps(init)
    def new_init(
        self: Any,
        ec2_backend: Any,
        ip_protocol: str,
        group_id: str,
        from_port: Any,
        to_port: Any,
        ip_range: Any,
        source_group: Any = None,
        prefix_list_id: Any = None,
        **kwargs: Any,
    ) -> None:
        peer = source_group or prefix_list_id or {}
        if "Description" in peer:
            # moto's own place for a description: `ip_range`, which plays no part when rules are
            # compared unless it names a block.
            ip_range = {**(ip_range or {}), "Description": peer["Description"]}
        if source_group:
            source_group = {k: v for k, v in source_group.items() if k != "Description"}
        init(
            self,
            ec2_backend,
            ip_protocol,
            group_id,
            from_port,
            to_port,
            ip_range,
            source_group,
            prefix_list_id,
            **kwargs,
        )

    def flattened(self: Any, rules: list[Any]) -> Any:
        """DescribeSecurityGroups: the same description, on the peer that it belongs to."""
        described = []
        for rule in rules:
            text = rule.description
            if text and (rule.source_group or rule.prefix_list_id):
                rule = _shallow(rule)
                rule.ip_range = {}
                if rule.source_group:
                    rule.source_group = {**rule.source_group, "Description": text}
                else:
                    rule.prefix_list_id = _Described(rule.prefix_list_id, text)
            described.append(rule)
        views = flatten(self, described)
        for view in views:
            for item in view.prefix_list_ids:
                if isinstance(item["PrefixListId"], _Described):
                    item["Description"] = item["PrefixListId"].description
        return views

    SecurityGroupRule.__init__ = new_init  # type: ignore[method-assign]
    SecurityGroup._flattened_rules = flattened  # type: ignore[method-assign]


class _Described(str):
    """A prefix list's id that carries a description through moto's grouping."""

    description: str

    def __new__(cls, value: str, description: str) -> _Described:
        new = super().__new__(cls, value)
        new.description = description
        return new


def _shallow(value: Any) -> Any:
    new = value.__class__.__new__(value.__class__)
    new.__dict__.update(value.__dict__)
    return new


def modify_security_group_rule() -> None:
    """ModifySecurityGroupRules changes every kind of rule, and allows "all protocols" without ports.

    AWS: takes rules that name a prefix list or a group; protocol -1 needs no ports.
    moto: ignores the new prefix list or group and refuses a rule without ports.
    Matters: the provider changes a description or a peer in place by this call.
    """
    from moto.ec2.models.security_groups import SecurityGroupBackend

    original = SecurityGroupBackend.modify_security_group_rules

    def modify(self: Any, group_id: str, rules: dict[str, dict[str, Any]]) -> None:
        for rule in rules.values():
            if rule.get("IpProtocol") == "-1":
                rule.setdefault("FromPort", -1)
                rule.setdefault("ToPort", -1)
        original(self, group_id, rules)
        group = self.get_security_group_by_name_or_id(group_id)
        for rule_id, new in rules.items():
            rule = group.get_rule(rule_id)
            if rule.ip_protocol == "-1":
                rule.from_port = rule.to_port = None
            else:
                rule.from_port, rule.to_port = int(rule.from_port), int(rule.to_port)
            if "PrefixListId" in new:
                rule.prefix_list_id = new["PrefixListId"]
            if "ReferencedGroupId" in new:
                rule.source_group = {
                    **rule.source_group,
                    "GroupId": new["ReferencedGroupId"],
                }
            if "CidrIpv6" in new:
                rule.ip_range["CidrIpv6"] = new["CidrIpv6"]
            if "Description" not in new:
                rule.ip_range.pop("Description", None)

    SecurityGroupBackend.modify_security_group_rules = modify  # type: ignore[method-assign]


def instance_network() -> None:
    """An instance without a public address reads back so, with its security groups.

    AWS: NetworkInterfaces[].Association is absent without a public address. An instance's
    SecurityGroups are those of its first network interface, however they were given.
    moto: answers an empty Association, which SDKs read as "there is one"; lists only groups given
    at the top level; and an interface shows old and new groups after a change.
    Matters: `associatePublicIpAddress: false` comes back as true, and the next preview replaces the
    instance.
    """
    from moto.ec2.models.elastic_network_interfaces import NetworkInterface
    from moto.ec2.models.instances import Instance

    association = NetworkInterface.association.fget  # type: ignore[attr-defined]

    def get_groups(self: Any) -> list[Any]:
        first = getattr(self, "nics", {}).get(0)
        return list(first._group_set) if first else self._launch_groups

    def set_groups(self: Any, groups: list[Any]) -> None:
        self._launch_groups = list(groups or [])
        first = getattr(self, "nics", {}).get(0)
        if first:
            first._group_set = list(self._launch_groups)

    Instance.security_groups = property(get_groups, set_groups)  # type: ignore[assignment]
    NetworkInterface.group_set = property(lambda self: list(self._group_set))  # type: ignore
    NetworkInterface.association = property(lambda self: association(self) or None)  # type: ignore


def instance_interface_goes_with_it() -> None:
    """The network interface that a launch made goes when the instance is terminated.

    AWS: DeleteOnTermination is true for an interface that the launch makes, unless it says otherwise.
    moto: takes it for false unless it is said.
    Matters: a destroyed stack leaves interfaces behind, and its subnets could not be deleted on AWS.
    """
    from moto.ec2.models.instances import Instance

    prep_nics = Instance.prep_nics

    def with_default(self: Any, nic_spec: list[dict[str, Any]], *args: Any, **kwargs: Any) -> None:
        kept = {
            int(nic["DeviceIndex"])
            for nic in nic_spec
            if nic.get("NetworkInterfaceId") or nic.get("DeleteOnTermination") is False
        }
        prep_nics(self, nic_spec, *args, **kwargs)
        for index, nic in self.nics.items():
            if index not in kept:
                nic.delete_on_termination = True

    Instance.prep_nics = with_default  # type: ignore[method-assign]


def kms_rotation_period() -> None:
    """A key's rotation period is kept.

    AWS: EnableKeyRotation takes RotationPeriodInDays (90 to 2560, 365 unless given);
    GetKeyRotationStatus answers it, with KeyId and the date of the next rotation.
    moto: answers only whether rotation is on.
    Matters: the second preview of a key with a period shows a change.
    """
    from moto.kms.exceptions import ValidationException
    from moto.kms.responses import KmsResponse

    enable, status = (
        KmsResponse.enable_key_rotation,
        KmsResponse.get_key_rotation_status,
    )

    def key_of(self: Any) -> Any:
        key_id = self.kms_backend.get_key_id(self._get_param("KeyId"))
        return self.kms_backend.keys[key_id]

    def enable_key_rotation(self: Any) -> str:
        days = self._get_param("RotationPeriodInDays") or 365
        if not 90 <= int(days) <= 2560:
            raise ValidationException(
                f"1 validation error detected: Value '{days}' at 'rotationPeriodInDays' failed to "
                "satisfy constraint: Member must be between 90 and 2560"
            )
        answer = enable(self)
        key = key_of(self)
        key.rotation_period, key.rotation_since = int(days), time.time()
        return answer

    def get_key_rotation_status(self: Any) -> str:
        answer = json.loads(status(self))
        key = key_of(self)
        answer["KeyId"] = key.id
        if answer["KeyRotationEnabled"]:
            days = getattr(key, "rotation_period", 365)
            since = getattr(key, "rotation_since", time.time())
            answer["RotationPeriodInDays"] = days
            answer["NextRotationDate"] = since + days * 86400
        return json.dumps(answer)

    KmsResponse.enable_key_rotation = enable_key_rotation  # type: ignore[method-assign]
    KmsResponse.get_key_rotation_status = get_key_rotation_status  # type: ignore[method-assign]


def log_group_key() -> None:
    """The KMS key of an existing log group can be changed and removed.

    AWS: AssociateKmsKey / DisassociateKmsKey take logGroupName (or resourceIdentifier) and answer
    nothing; an absent group is ResourceNotFoundException.
    moto: not implemented.
    Matters: turning encryption of the session log group on or off later.
    """
    from moto.logs.exceptions import (
        InvalidParameterException,
        ResourceNotFoundException,
    )
    from moto.logs.responses import LogsResponse

    def group_of(self: Any) -> Any:
        name = self._get_param("logGroupName")
        identifier = self._get_param("resourceIdentifier")
        if bool(name) == bool(identifier):
            raise InvalidParameterException(
                "Exactly one of the parameters logGroupName and resourceIdentifier must be given."
            )
        if not name:  # arn:aws:logs:REGION:ACCOUNT:log-group:NAME, perhaps with :*
            name = identifier.split(":log-group:")[-1].removesuffix(":*")
        if name not in self.logs_backend.groups:
            raise ResourceNotFoundException("The specified log group does not exist.")
        return self.logs_backend.groups[name]

    def associate_kms_key(self: Any) -> str:
        group = group_of(self)
        group.kms_key_id = self._get_param("kmsKeyId")
        return "{}"

    def disassociate_kms_key(self: Any) -> str:
        group_of(self).kms_key_id = None
        return "{}"

    LogsResponse.associate_kms_key = associate_kms_key  # type: ignore[attr-defined]
    LogsResponse.disassociate_kms_key = disassociate_kms_key  # type: ignore[attr-defined]


def object_lock_on_used_bucket() -> None:
    """Object lock can be configured on a bucket that holds objects.

    AWS: PutObjectLockConfiguration works on any versioned bucket; objects already there are not
    locked by it, later ones are. The retention is read back as it was given: in days or in years.
    moto: "Bucket needs to be empty"; the unit that was not given is read back as 0.
    Matters: changing the retention of a log bucket that is in use, with a preview that is clean.
    """
    from moto.s3.exceptions import InvalidBucketState
    from moto.s3.models import FakeBucket, S3Backend

    def put_object_lock_configuration(
        self: Any,
        bucket_name: str,
        lock_enabled: bool,
        mode: str | None = None,
        days: int | None = None,
        years: int | None = None,
    ) -> None:
        bucket = self.get_bucket(bucket_name)
        if not bucket.is_versioned:
            raise InvalidBucketState(
                "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration"
            )
        if lock_enabled:
            bucket.object_lock_enabled = True
        bucket.default_lock_mode = mode
        # The parser makes 0 of an absent element; AWS answers only the one that was given.
        bucket.default_lock_days = days or None
        bucket.default_lock_years = years or None

    retention = FakeBucket.default_retention

    def default_retention(self: Any) -> str:
        """An upload's: moto adds both units up, so the absent one has to be a number again."""
        bucket = _shallow(self)
        bucket.default_lock_days = self.default_lock_days or 0
        bucket.default_lock_years = self.default_lock_years or 0
        return str(retention(bucket))

    S3Backend.put_object_lock_configuration = put_object_lock_configuration  # type: ignore
    FakeBucket.default_retention = default_retention  # type: ignore


def ec2_filters() -> None:
    """Filters select as on AWS, and select nothing where nothing matches.

    AWS: a filter with several values selects what matches any of them.
    moto: for attributes with several values (a route table's subnets) wants all of one side;
    does not know the filters vpc-endpoint-id and route.destination-prefix-list-id; crashes on filters
    of DescribeVpcEndpointServices.
    Matters: looking up existing route tables and endpoints in a VPC of the user's.
    """
    from moto.ec2 import utils
    from moto.ec2.models.route_tables import RouteTable
    from moto.ec2.models.vpcs import VPCBackend, VPCEndPoint

    original = utils.is_filter_matching

    def is_filter_matching(obj: Any, name: str, wanted: Any) -> bool:
        value = obj.get_filter_value(name)
        if value is None or wanted is None:
            return False
        if isinstance(value, (str, bool, int, datetime)):
            return original(obj, name, wanted)
        wanted = wanted if isinstance(wanted, list) else [wanted]
        return any(fnmatch.fnmatchcase(str(v), str(w)) for v in value for w in wanted)

    endpoint_value = VPCEndPoint.get_filter_value

    def endpoint_filter_value(
        self: Any, name: str, method_name: str | None = None
    ) -> Any:
        if name == "vpc-endpoint-id":
            return self.id
        return endpoint_value(self, name, method_name)

    table_value = RouteTable.get_filter_value

    def table_filter_value(self: Any, name: str, method_name: str | None = None) -> Any:
        if name == "route.destination-prefix-list-id":
            ids = (route.destination_prefix_list_id for route in self._routes.values())
            return [i for i in ids if i]
        return table_value(self, name, method_name)

    services = VPCBackend._filter_endpoint_services

    def filter_endpoint_services(
        names: list[str], filters: list[dict[str, Any]], all_services: list[Any]
    ) -> Any:
        # moto looks for "Value"; the parameters are parsed as "Values".
        filters = [
            {**f, "Value": f.get("Value") or f.get("Values") or []} for f in filters
        ]
        return services(names, filters, all_services)

    utils.is_filter_matching = is_filter_matching
    RouteTable.get_filter_value = table_filter_value  # type: ignore[method-assign]
    VPCEndPoint.get_filter_value = endpoint_filter_value  # type: ignore[method-assign]
    VPCBackend._filter_endpoint_services = staticmethod(filter_endpoint_services)  # type: ignore


def vpc_endpoints() -> None:
    """Endpoints end, their private DNS can be changed, and a VPC has each once.

    AWS: a deleted endpoint soon disappears; ModifyVpcEndpoint takes PrivateDnsEnabled, and the route
    tables that it adds to a gateway endpoint get its route, and those that it removes lose it; a gateway
    endpoint has no private DNS. A second interface endpoint with private DNS for a service is refused,
    and so is a gateway endpoint on a route table that has a route to the service already.
    moto: lists deleted endpoints for ever, ignores the change, leaves the routes, calls private DNS of
    gateways on, and accepts both.
    Matters: finding out whether a VPC already has an endpoint for a service.
    """
    from moto.ec2.exceptions import EC2ClientError
    from moto.ec2.models.vpcs import VPCBackend, VPCEndPoint
    from moto.ec2.responses.vpcs import VPCs

    init = VPCEndPoint.__init__
    delete = VPCBackend.delete_vpc_endpoints
    modify = VPCs.modify_vpc_endpoint
    create = VPCBackend.create_vpc_endpoint

    @functools.wraps(create)
    def create_vpc_endpoint(
        self: Any, vpc_id: str, service_name: str, endpoint_type: str | None, *args: Any, **kwargs: Any
    ) -> Any:
        gateway = (endpoint_type or "Gateway").lower() == "gateway"
        tables = kwargs.get("route_table_ids") or (args[1] if len(args) > 1 else [])
        for other in self.vpc_end_points.values():
            if other.vpc_id != vpc_id or other.service_name != service_name:
                continue
            if not gateway and kwargs.get("private_dns_enabled") and other.private_dns_enabled:
                name = ".".join([*reversed(service_name.split(".")[2:]), "amazonaws.com"])
                raise EC2ClientError(
                    "InvalidParameter",
                    "private-dns-enabled cannot be set because there is already a conflicting DNS "
                    f"domain for {name} in the VPC {vpc_id}",
                )
            both = set(tables) & set(other.route_table_ids or [])
            if gateway and both:
                raise EC2ClientError(
                    "RouteAlreadyExists",
                    f"route table {both.pop()} already has a route with destination-prefix-list-id "
                    f"{other.destination_prefix_list_id}",
                )
        return create(self, vpc_id, service_name, endpoint_type, *args, **kwargs)

    @functools.wraps(init)
    def new_init(self: Any, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        if (self.vpc_endpoint_type or "Gateway").lower() == "gateway":
            self.private_dns_enabled = False

    def delete_vpc_endpoints(self: Any, vpce_ids: list[str] | None = None) -> None:
        delete(self, vpce_ids)
        for vpce_id in vpce_ids or []:
            self.vpc_end_points.pop(vpce_id, None)

    def modify_vpc_endpoint(self: Any) -> Any:
        answer = modify(self)
        endpoint = self.ec2_backend.describe_vpc_endpoints(
            [self._get_param("VpcEndpointId")]
        )[0]
        prefixes = endpoint.destination_prefix_list_id
        for table in self._get_param("AddRouteTableIds", []):
            self.ec2_backend.create_route(
                table, None, gateway_id=endpoint.id, destination_prefix_list_id=prefixes
            )
        for table in self._get_param("RemoveRouteTableIds", []):
            self.ec2_backend.delete_route(table, prefixes)
        if self._get_param("PrivateDnsEnabled") is not None:
            endpoint.private_dns_enabled = self._get_bool_param("PrivateDnsEnabled")
        if self._get_bool_param("ResetPolicy"):
            endpoint.policy_document = json.dumps(VPCEndPoint.DEFAULT_POLICY)
        return answer

    VPCEndPoint.__init__ = new_init  # type: ignore[method-assign]
    VPCBackend.create_vpc_endpoint = create_vpc_endpoint  # type: ignore[method-assign]
    VPCBackend.delete_vpc_endpoints = delete_vpc_endpoints  # type: ignore[method-assign]
    VPCs.modify_vpc_endpoint = modify_vpc_endpoint  # type: ignore[method-assign]


def prefix_list_addresses() -> None:
    """A prefix list of AWS's has its addresses.

    AWS: DescribePrefixLists gives the CIDR blocks of each list.
    moto: gives their ids and names only.
    Matters: whether a network ACL lets HTTPS to S3 pass.
    """
    from moto.ec2.models.managed_prefixes import ManagedPrefixList

    ManagedPrefixList.cidrs = property(  # type: ignore[attr-defined]
        lambda self: [e["Cidr"] for e in next(reversed(self.entries.values()), [])]
    )


def endpoint_services() -> None:
    """The list of endpoint services needs no part of moto that is not installed.

    AWS: lists the endpoint services of a Region.
    moto: loads CloudFormation for one entry of the list, and with it packages that nothing else here needs.
    Matters: the program looks the services up at each preview. The entry is moto's plain default instead.
    """
    from moto.ec2.models import vpcs

    vpcs.IMPLEMENTED_ENDPOINT_SERVICES.remove("cloudformation")
    vpcs.COVERED_ENDPOINT_SERVICES.remove("cloudformation")


# The endpoint services whose names begin with cn. in the China Regions, from the table in the AWS CDK
# (aws-ec2/lib/vpc-endpoint.ts). Of s3 it is the interface endpoint only.
CHINA_SERVICES = frozenset(
    """
    application-autoscaling athena autoscaling backup batch cassandra cloudcontrolapi cloudformation
    codedeploy-commands-secure databrew dms ebs ec2 ecr.api ecr.dkr eks elasticache elasticbeanstalk
    elasticfilesystem emr-containers execute-api fsx imagebuilder iot.data kinesis-streams lambda
    license-manager monitoring rds redshift redshift-data s3 sagemaker.api sagemaker.runtime securityhub
    servicecatalog sms sqs states sts synthetics transcribe transcribestreaming transfer xray
    """.split()
)


def other_partitions() -> None:
    """The Regions of China and GovCloud have their own names, and public parameters.

    AWS: in China the names of some endpoint services begin with cn., and domains end in amazonaws.com.cn.
    The parameters of Amazon Linux exist in every Region.
    moto: names services, subnets and security groups as in the partition aws; has no parameters and images
    there, and its Resource Groups Tagging API fails. Here images have the ids of us-east-1.
    Matters: a stack in another partition, with the names that its Region has.
    """
    from moto.ec2.models import amis
    from moto.ec2.models.security_groups import SecurityGroup
    from moto.ec2.models.subnets import Subnet
    from moto.ec2.models.vpcs import VPCBackend
    from moto.ssm import models as ssm

    services = VPCBackend._collect_default_endpoint_services

    def in_china(offer: dict[str, Any]) -> dict[str, Any]:
        def domain(name: str) -> str:
            return name + ".cn"

        offer = dict(offer)
        service = offer["ServiceName"].split(".", 3)[3]
        gateway = offer["ServiceType"][0]["ServiceType"] == "Gateway"
        if service in CHINA_SERVICES and not gateway:
            offer["ServiceName"] = "cn." + offer["ServiceName"]
        offer["BaseEndpointDnsNames"] = [domain(n) for n in offer["BaseEndpointDnsNames"]]
        if "PrivateDnsName" in offer:
            offer["PrivateDnsName"] = domain(offer["PrivateDnsName"])
            offer["PrivateDnsNames"] = [{"PrivateDnsName": offer["PrivateDnsName"]}]
        return offer

    def collect(account_id: str, region: str) -> list[dict[str, Any]]:
        offers = services(account_id, region)
        if not region.startswith("cn-"):
            return offers
        return [in_china(offer) for offer in offers]

    def with_regions(load: Callable[[str, str], Any]) -> Callable[[str, str], Any]:
        def load_resource(package: str, path: str) -> Any:
            folder, _, region = path.removesuffix(".json").rpartition("/")
            if region.startswith(("cn-", "us-gov-")):
                path = f"{folder}/us-east-1.json"
            return load(package, path)

        return load_resource

    # The Resource Groups Tagging API asks these services without looking at where they are offered.
    for service in ("appsync", "quicksight", "ses", "sesv2", "vpclattice"):
        moto.backends.get_backend(service)._additional_regions = [  # type: ignore
            "cn-north-1",
            "cn-northwest-1",
            "us-gov-east-1",
            "us-gov-west-1",
        ]
    def in_own_partition(self: Any) -> str:
        kind = "subnet" if isinstance(self, Subnet) else "security-group"
        backend = self.ec2_backend
        return f"arn:{backend.partition}:ec2:{backend.region_name}:{self.owner_id}:{kind}/{self.id}"

    Subnet.arn = property(in_own_partition)  # type: ignore
    SecurityGroup.arn = property(in_own_partition, lambda self, arn: None)  # type: ignore
    VPCBackend._collect_default_endpoint_services = staticmethod(collect)  # type: ignore
    amis.load_resource = with_regions(amis.load_resource)  # type: ignore
    ssm.load_resource = with_regions(ssm.load_resource)  # type: ignore


# AWS's default for each account and Region, from the API reference of GetServiceSetting.
SERVICE_SETTINGS = {
    "/ssm/appconfig/operational-history": "Enable",
    "/ssm/automation/customer-script-log-destination": "None",
    "/ssm/automation/customer-script-log-group-name": "/aws/ssm/automation/customer-script",
    "/ssm/automation/enable-adaptive-concurrency": "False",
    "/ssm/documents/console/public-sharing-permission": "Enable",
    "/ssm/managed-instance/activation-tier": "standard",
    "/ssm/managed-instance/default-ec2-instance-management-role": "$None",
    "/ssm/opsinsights/opscenter": "Disabled",
    "/ssm/parameter-store/default-parameter-tier": "Standard",
    "/ssm/parameter-store/high-throughput-enabled": "false",
}


def ssm_service_settings() -> None:
    """Service settings can be read, changed and reset.

    AWS: Get/Update/ResetServiceSetting, per account and Region; an unknown setting is
    ServiceSettingNotFound.
    moto: not implemented.
    Matters: Default Host Management Configuration is such a setting.
    """
    from moto.ssm.exceptions import SSMException
    from moto.ssm.responses import SimpleSystemManagerResponse

    def setting_of(self: Any) -> tuple[str, dict[str, Any]]:
        name = self._get_param("SettingId")
        if name.startswith("arn:"):
            name = "/ssm/" + name.split(":servicesetting/ssm/")[-1]
        if name not in SERVICE_SETTINGS:
            raise SSMException("ServiceSettingNotFound", f"Setting {name} not found.")
        changed = self.ssm_backend.__dict__.setdefault("service_settings", {})
        return name, changed

    def answer(self: Any) -> str:
        name, changed = setting_of(self)
        backend = self.ssm_backend
        value, when = changed.get(name, (SERVICE_SETTINGS[name], 0.0))
        return json.dumps(
            {
                "ServiceSetting": {
                    "SettingId": name,
                    "SettingValue": value,
                    "LastModifiedDate": when,
                    "LastModifiedUser": (
                        f"arn:{self.partition}:iam::{backend.account_id}:root"
                        if name in changed
                        else "System"
                    ),
                    "ARN": f"arn:{self.partition}:ssm:{backend.region_name}:{backend.account_id}"
                    f":servicesetting{name}",
                    "Status": "Customized" if name in changed else "Default",
                }
            }
        )

    def get_service_setting(self: Any) -> str:
        return answer(self)

    def update_service_setting(self: Any) -> str:
        name, changed = setting_of(self)
        changed[name] = (self._get_param("SettingValue"), time.time())
        return "{}"

    def reset_service_setting(self: Any) -> str:
        name, changed = setting_of(self)
        changed.pop(name, None)
        return answer(self)

    for method in (get_service_setting, update_service_setting, reset_service_setting):
        setattr(SimpleSystemManagerResponse, method.__name__, method)


def ssm_histories() -> None:
    """The versions of a document, and what Run Command ran on each instance, can be listed.

    AWS: ListDocumentVersions has each version with the time when it was made; ListCommandInvocations has one entry for
    each instance that a command ran on, whichever way the instance was chosen.
    moto: knows all of it, and implements neither call. A command without targets runs on every instance as well.
    Matters: `make audit` reads since when a session document has its settings, and the commands on the instances.
    """
    from moto.core.responses import ActionResult
    from moto.ssm.models import Command
    from moto.ssm.responses import SimpleSystemManagerResponse

    of_targets = Command._get_instance_ids_from_targets

    def instance_ids(self: Any) -> list[str]:
        return of_targets(self) if self.targets else []

    Command._get_instance_ids_from_targets = instance_ids  # type: ignore[method-assign]

    def list_document_versions(self: Any) -> Any:
        documents = self.ssm_backend._get_documents(self._get_param("Name"))
        return ActionResult(
            {
                "DocumentVersions": [
                    {
                        "Name": version.name,
                        "DocumentVersion": number,
                        "CreatedDate": version.created_date,
                        "IsDefaultVersion": number == documents.default_version,
                        "DocumentFormat": version.document_format,
                        "Status": version.status,
                    }
                    for number, version in sorted(
                        documents.versions.items(), key=lambda v: -int(v[0])
                    )
                ]
            }
        )

    def list_command_invocations(self: Any) -> Any:
        wanted, command = self._get_param("InstanceId"), self._get_param("CommandId")
        after = next(
            (
                datetime.fromisoformat(f["value"]).replace(tzinfo=None)
                for f in self._get_param("Filters", [])
                if f["key"] == "InvokedAfter"
            ),
            datetime.min,
        )
        return ActionResult(
            {
                "CommandInvocations": [
                    {
                        "CommandId": c.command_id,
                        "InstanceId": instance,
                        "DocumentName": c.document_name,
                        "RequestedDateTime": c.requested_date_time,
                        "Status": c.status,
                    }
                    for c in reversed(self.ssm_backend._commands)
                    for instance in sorted(c.instance_ids)
                    if wanted in (None, instance)
                    and command in (None, c.command_id)
                    and c.requested_date_time >= after
                ]
            }
        )

    for method in (list_document_versions, list_command_invocations):
        setattr(SimpleSystemManagerResponse, method.__name__, method)


def root_identity() -> None:
    """Who signs with a key that nobody made is the account's root.

    AWS: GetCallerIdentity names the holder of the key, for root arn:aws:iam::ACCOUNT:root with the account's id.
    moto: a user of STS called moto, which cannot exist, for every key that it did not give out.
    Matters: the person on a stack in the local emulator is the owner of their own sessions, which is found by the ARN.
    """
    from moto.sts.models import STSBackend

    identity = STSBackend.get_caller_identity

    @functools.wraps(identity)
    def get_caller_identity(
        self: Any, access_key_id: str, region: str
    ) -> tuple[str, str, str]:
        user_id, arn, account = identity(self, access_key_id, region)
        if arn.endswith(":user/moto"):
            partition = arn.split(":")[1]
            return account, f"arn:{partition}:iam::{account}:root", account
        return user_id, arn, account

    STSBackend.get_caller_identity = get_caller_identity


def bucket_policy_conditions() -> None:
    """Bucket policies are evaluated with their conditions, for every call on an object.

    AWS: a statement applies where principal, action, resource and all conditions match.
    moto: a Deny with a Condition denies always; principals other than "*" count as unknown; HEAD
    counts as an action of its own; a refusal has no error code; a policy may be empty or no JSON.
    Matters: the log bucket's policy refuses plain HTTP and unencrypted objects by such statements;
    with moto's reading no session log could be written.

    Every call to this emulator comes over loopback, which counts as TLS: over a network the same
    call would have to use TLS. An operator that this evaluator does not know fails the call; it is
    not taken for "no match".
    """
    from moto.iam.access_control import PermissionResult
    from moto.s3.exceptions import BucketAccessDeniedError, S3ClientError
    from moto.s3.models import FakeBucket, S3Backend

    def put_bucket_policy(self: Any, bucket_name: str, policy: bytes) -> None:
        try:
            valid = isinstance(json.loads(policy)["Statement"], (dict, list))
        except (ValueError, KeyError, TypeError):
            valid = False
        if not valid:
            raise S3ClientError(
                "MalformedPolicy",
                "The policy is not a JSON object with statements, and S3 keeps the one that the bucket has",
            )
        self.get_bucket(bucket_name).policy = policy

    S3Backend.put_bucket_policy = put_bucket_policy  # type: ignore[method-assign]

    def get_permission(self: Any, action: str, resource: str) -> Any:
        if self.policy is None:
            return PermissionResult.NEUTRAL
        many = flask.request.method == "POST" and "delete" in flask.request.args
        if not many:  # DeleteObjects asks object by object, and names the right action
            action = policies.object_action(flask.request)
        statements = json.loads(self.policy)["Statement"]
        context = policies.request_context(self)
        effects = [
            s["Effect"]
            for s in (statements if isinstance(statements, list) else [statements])
            if policies.applies(s, action, resource, context)
        ]
        if "Deny" in effects:
            if not many:
                raise BucketAccessDeniedError(bucket=self.name)
            return PermissionResult.DENIED
        if "Allow" in effects:
            return PermissionResult.PERMITTED
        return PermissionResult.NEUTRAL

    FakeBucket.get_permission = get_permission  # type: ignore[method-assign]


def subnet_ipv6() -> None:
    """The IPv6 range of a subnet has a state in words, and a subnet with IPv6 only counts no free IPv4 addresses.

    AWS: the state of an associated range is "associated".
    moto: it is "{'State': 'associated'}", and the number of free addresses does not fit into 64 bits.
    Matters: the provider reads a subnet's IPv6 range only if it is associated.
    """
    from moto.ec2.models.subnets import Subnet

    ranges = Subnet.ipv6_cidr_block_association_set.fget
    free = Subnet.available_ip_address_count.fget

    def ipv6_cidr_block_association_set(self: Any) -> Any:
        return [
            {**a, "ipv6CidrBlockState": {"state": "associated"}} for a in ranges(self)
        ]

    Subnet.ipv6_cidr_block_association_set = property(  # type: ignore[assignment]
        ipv6_cidr_block_association_set
    )
    Subnet.available_ip_address_count = property(  # type: ignore[assignment]
        lambda self: 0 if self.ipv6_native else free(self)
    )


def default_dhcp_options() -> None:
    """A new VPC has the default DHCP options of the account, which name Amazon's DNS server.

    AWS: every Region of an account has a default set of DHCP options with AmazonProvidedDNS; a VPC
    has the id "default" in its place only after it was associated with no options.
    moto: a new VPC has the id "default".
    Matters: the preview refuses a VPC whose instances get no DNS server.
    """
    from moto.ec2.models.dhcp_options import DHCPOptionsSetBackend
    from moto.ec2.models.vpcs import VPC

    init = VPC.__init__
    disassociate = DHCPOptionsSetBackend.disassociate_dhcp_options

    def dhcp_options_id(self: Any) -> str:
        if self.dhcp_options:
            return self.dhcp_options.id
        if getattr(self, "without_dhcp_options", False):
            return "default"
        backend = self.ec2_backend
        if getattr(backend, "default_dhcp_options", None) is None:
            backend.default_dhcp_options = backend.create_dhcp_options(
                domain_name_servers=["AmazonProvidedDNS"],
                domain_name=[f"{backend.region_name}.compute.internal"],
            )
        return backend.default_dhcp_options.id

    def disassociate_dhcp_options(self: Any, vpc: Any) -> None:
        disassociate(self, vpc)
        vpc.without_dhcp_options = True

    @functools.wraps(init)
    def new_init(self: Any, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        self.dhcp_options_id  # noqa: B018 - makes the default set, as a new account has it

    VPC.__init__ = new_init  # type: ignore[method-assign]
    VPC.dhcp_options_id = property(dhcp_options_id)  # type: ignore[assignment]
    DHCPOptionsSetBackend.disassociate_dhcp_options = disassociate_dhcp_options  # type: ignore[method-assign]


def vpc_endpoint_refusals() -> None:
    """Endpoints that AWS refuses are refused, with its errors.

    AWS: takes one subnet in each zone, and only zones that offer the service; private DNS needs both
    DNS attributes of the VPC.
    moto: creates them all.
    Matters: a check that the preview lacks would not fail an update.
    """
    from moto.ec2.exceptions import EC2ClientError
    from moto.ec2.models.vpcs import VPCBackend

    create = VPCBackend.create_vpc_endpoint
    modify = VPCBackend.modify_vpc_endpoint

    def zones_of(backend: Any, service: str) -> list[str]:
        offers = backend.describe_vpc_endpoint_services([service], [], 1, None, backend.region_name)
        return next((o["AvailabilityZones"] for o in offers["servicesDetails"]), [])

    def check_subnets(backend: Any, vpc_id: str, service: str, subnet_ids: list[str]) -> None:
        seen: set[str] = set()
        offered = zones_of(backend, service)
        for subnet_id in subnet_ids:
            subnet = backend.get_subnet(subnet_id)
            if subnet.vpc_id != vpc_id:  # the text is not AWS's
                raise EC2ClientError(
                    "InvalidParameter",
                    f"The subnet {subnet_id} does not belong to {vpc_id}",
                )
            if offered and subnet.availability_zone not in offered:
                raise EC2ClientError(
                    "InvalidParameter",
                    f"The VPC endpoint service {service} does not support the availability zone "
                    f"of the subnet: {subnet_id}.",
                )
            if subnet.availability_zone in seen:
                raise EC2ClientError(
                    "DuplicateSubnetsInSameZone",
                    f"Found another VPC endpoint subnet in the availability zone of {subnet_id}. "
                    "VPC endpoint subnets should be in different availability zones supported by "
                    "the VPC endpoint service.",
                )
            seen.add(subnet.availability_zone)

    def check_dns_attributes(backend: Any, vpc_id: str) -> None:
        vpc = backend.get_vpc(vpc_id)
        if not (vpc.enable_dns_support and vpc.enable_dns_hostnames):
            raise EC2ClientError(
                "InvalidParameter",
                "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC "
                f"attributes set to true for {vpc_id}",
            )

    @functools.wraps(create)
    def create_vpc_endpoint(
        self: Any,
        vpc_id: str,
        service_name: str,
        endpoint_type: str | None,
        policy_document: str | None,
        route_table_ids: list[str],
        subnet_ids: list[str] | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        if (endpoint_type or "Gateway").lower() == "interface":
            check_subnets(self, vpc_id, service_name, subnet_ids or [])
            if kwargs.get("private_dns_enabled"):
                check_dns_attributes(self, vpc_id)
        return create(
            self,
            vpc_id,
            service_name,
            endpoint_type,
            policy_document,
            route_table_ids,
            subnet_ids,
            *args,
            **kwargs,
        )

    @functools.wraps(modify)
    def modify_vpc_endpoint(
        self: Any,
        vpc_id: str,
        policy_doc: str,
        add_subnets: list[str] | None,
        remove_subnets: list[str] | None,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        endpoint = self.describe_vpc_endpoints([vpc_id])[0]  # moto's name of the parameter
        if add_subnets:
            left = [s for s in endpoint.subnet_ids or [] if s not in (remove_subnets or [])]
            check_subnets(self, endpoint.vpc_id, endpoint.service_name, left + add_subnets)
        return modify(
            self, vpc_id, policy_doc, add_subnets, remove_subnets, *args, **kwargs
        )

    VPCBackend.create_vpc_endpoint = create_vpc_endpoint  # type: ignore[method-assign]
    VPCBackend.modify_vpc_endpoint = modify_vpc_endpoint  # type: ignore[method-assign]


def instance_type_offerings() -> None:
    """An instance has only a type that its zone offers, and every Region offers some.

    AWS: RunInstances and ModifyInstanceAttribute refuse a type that the zone does not offer.
    moto: takes it; has no list of the offered types for the Regions of China and GovCloud.
    Matters: the preview checks the types of the instances against the zones of the subnets.
    """
    from moto.ec2.exceptions import EC2ClientError
    from moto.ec2.models.instance_types import (
        INSTANCE_TYPE_OFFERINGS,
        InstanceTypeOfferingBackend,
    )
    from moto.ec2.models.instances import InstanceBackend

    run = InstanceBackend.run_instances
    describe = InstanceTypeOfferingBackend.describe_instance_type_offerings

    def describe_instance_type_offerings(
        self: Any, location_type: str | None = None, filters: Any = None
    ) -> Any:
        by_region = INSTANCE_TYPE_OFFERINGS["availability-zone"]
        if location_type != "availability-zone" or self.region_name in by_region:
            return describe(self, location_type, filters)
        types = sorted({o["InstanceType"] for o in by_region["us-east-1"]})
        offers = [
            {
                "InstanceType": name,
                "Location": zone.name,
                "LocationType": "availability-zone",
            }
            for zone in self.describe_availability_zones()
            for name in types
        ]
        return [
            o for o in offers if self.matches_filters(o, filters or {}, location_type)
        ]

    modify = InstanceBackend.modify_instance_attribute

    def offered(self: Any, name: str, subnet_id: str) -> tuple[bool, str]:
        zone = self.get_subnet(subnet_id).availability_zone
        wanted = {"instance-type": [name], "location": [zone]}
        offers = self.describe_instance_type_offerings("availability-zone", wanted)
        return bool(offers), zone

    @functools.wraps(modify)
    def modify_instance_attribute(
        self: Any, instance_id: str, key: str, value: Any
    ) -> Any:
        nics = self.get_instance(instance_id).nics
        if (
            key == "instance_type"
            and nics
            and not offered(self, value, nics[0].subnet.id)[0]
        ):
            raise EC2ClientError(
                "InvalidInstanceAttributeValue",
                f"Invalid value '{value}' for InstanceType.",
            )
        return modify(self, instance_id, key, value)

    @functools.wraps(run)
    def run_instances(self: Any, *args: Any, **kwargs: Any) -> Any:
        name, subnet_id = kwargs.get("instance_type"), kwargs.get("subnet_id")
        for nic in kwargs.get("nics") or []:
            subnet_id = subnet_id or nic.get("SubnetId")
        if name and subnet_id and not kwargs.get("is_instance_type_default"):
            is_offered, zone = offered(self, name, subnet_id)
            if not is_offered:
                raise EC2ClientError(
                    "Unsupported",
                    f"Your requested instance type ({name}) is not supported in your requested "
                    f"Availability Zone ({zone}).",
                )
        return run(self, *args, **kwargs)

    InstanceTypeOfferingBackend.describe_instance_type_offerings = (  # type: ignore[method-assign]
        describe_instance_type_offerings
    )
    InstanceBackend.run_instances = run_instances  # type: ignore[method-assign]
    InstanceBackend.modify_instance_attribute = modify_instance_attribute  # type: ignore[method-assign]


def vcpu_quota() -> None:
    """The quota of vCPUs in On-Demand instances can be read, and is that of an account in use.

    AWS: has a default for each quota, and the value that the account was raised to.
    moto: knows the quotas of VPCs only; has no GetAWSDefaultServiceQuota.
    Matters: the preview compares the instances of a large stack with this quota.
    """
    from moto.servicequotas.models import ServiceQuotasBackend
    from moto.servicequotas.responses import ServiceQuotasResponse

    get = ServiceQuotasBackend.get_service_quota

    def quota(self: Any, service_code: str, quota_code: str, value: int) -> Any:
        if (service_code, quota_code) != ("ec2", "L-1216C47A"):
            return get(self, service_code, quota_code)
        return {
            "ServiceCode": service_code,
            "ServiceName": "Amazon Elastic Compute Cloud (Amazon EC2)",
            "QuotaCode": quota_code,
            "QuotaArn": f"arn:{self.partition}:servicequotas:{self.region_name}:{self.account_id}:ec2/{quota_code}",
            "QuotaName": "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances",
            "Value": float(value),
            "Unit": "None",
            "Adjustable": True,
            "GlobalQuota": False,
        }

    def get_aws_default_service_quota(self: Any) -> str:
        asked = json.loads(self.body)
        found = quota(self.backend, asked["ServiceCode"], asked["QuotaCode"], 5)
        return json.dumps({"Quota": found})

    def get_service_quota(self: Any, service_code: str, quota_code: str) -> Any:
        return quota(self, service_code, quota_code, 1152)

    ServiceQuotasBackend.get_service_quota = get_service_quota  # type: ignore[method-assign]
    ServiceQuotasResponse.get_aws_default_service_quota = (  # type: ignore[attr-defined]
        get_aws_default_service_quota
    )


ALL: Iterable[Callable[[], None]] = (
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
)


def apply() -> None:
    """Make all fixes. Refuses any other version of moto: the fixes reach into its inside."""
    if moto.__version__ != WRITTEN_FOR:
        raise SystemExit(
            f"fixes.py is written for moto {WRITTEN_FOR}, this is moto {moto.__version__}: "
            "install requirements.txt into this Python, or revise the fixes and their tests."
        )
    for fix in ALL:
        fix()
