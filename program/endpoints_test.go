package program

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"

	"private-ec2-access/config"
	"private-ec2-access/internal/decide"
	"private-ec2-access/internal/settings"
	"private-ec2-access/pulumitest"
	"private-ec2-access/survey"
)

// vpc is an existing VPC with two subnets in two zones and what it has already,
// as the look-ups of the AWS plugin answer.
type vpc struct {
	endpoints []map[string]any
	tables    map[string]string           // by subnet
	rules     map[string][]map[string]any // by security group
	routes    []any
	deployed  []string // the ARNs of what is in the stack's state
}

const (
	subnetA, subnetB = "subnet-0aaaaaaaaaaaaaaaa", "subnet-0bbbbbbbbbbbbbbbb"
	theirs           = "private-ec2-access/other"
	theirGroup       = "sg-0dddddddddddddddd"
)

// inVPC is the config of a stack in it.
var inVPC = map[string]any{"network.vpcId": "vpc-0123456789abcdef0", "network.subnetIds": []any{subnetA, subnetB}, "endpoints.ec2messages": "never"}

// ofAnotherStack has the endpoints of a stack that came first.
func ofAnotherStack() *vpc {
	v := &vpc{
		tables: map[string]string{subnetA: "rtb-1", subnetB: "rtb-1"},
		rules: map[string][]map[string]any{theirGroup: {
			{"ipProtocol": "tcp", "fromPort": 443, "toPort": 443, "cidrIpv4": "10.20.0.0/16"},
			{"ipProtocol": "-1", "referencedSecurityGroupId": theirGroup},
			{"isEgress": true, "ipProtocol": "tcp", "fromPort": 443, "toPort": 443, "referencedSecurityGroupId": theirGroup},
		}},
	}
	for i, service := range []string{"ssm", "ssmmessages", "s3"} {
		e := map[string]any{
			"id": fmt.Sprintf("vpce-%d", i), "arn": fmt.Sprintf("arn:aws:ec2:us-east-2:111122223333:vpc-endpoint/vpce-%d", i), "state": "available",
			"serviceName": "com.amazonaws.us-east-2." + service, "vpcEndpointType": "Interface", "privateDnsEnabled": true,
			"subnetIds": []any{subnetA, subnetB}, "securityGroupIds": []any{theirGroup}, "tags": map[string]any{"private-ec2-access:stack": theirs},
			"policy": `{"Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}`,
		}
		if service == "s3" {
			e["vpcEndpointType"], e["privateDnsEnabled"], e["routeTableIds"], e["prefixListId"] = "Gateway", false, []any{"rtb-1"}, "pl-of-s3"
			e["subnetIds"], e["securityGroupIds"] = nil, nil
		}
		v.endpoints = append(v.endpoints, e)
	}
	return v
}

func (v *vpc) lookups() lookups {
	return lookups{
		"readStackResourceOutputs": func(map[string]any) (map[string]any, error) {
			resources := map[string]any{}
			for _, arn := range v.deployed {
				resources["urn of "+arn] = map[string]any{"type": "aws:ec2/any:Any", "outputs": map[string]any{"arn": arn}}
			}
			return map[string]any{"outputs": resources}, nil
		},
		"getRouteTable": func(args map[string]any) (map[string]any, error) {
			return map[string]any{"routeTableId": v.tables[fmt.Sprint(args["subnetId"])], "routes": v.routes}, nil
		},
		"getRouteTables": func(args map[string]any) (map[string]any, error) {
			ids := map[string]bool{}
			for _, e := range v.endpoints {
				tables, _ := e["routeTableIds"].([]any)
				for _, id := range tables {
					ids[id.(string)] = true
				}
			}
			var found []any
			for _, id := range slices.Sorted(maps.Keys(ids)) {
				found = append(found, id)
			}
			return map[string]any{"ids": found}, nil
		},
		"getVpcEndpoint": func(args map[string]any) (map[string]any, error) {
			filters := map[string][]any{}
			list, _ := args["filters"].([]any)
			for _, f := range list {
				filters[f.(map[string]any)["name"].(string)] = f.(map[string]any)["values"].([]any)
			}
			var found []map[string]any
			for _, e := range v.endpoints {
				tags, _ := e["tags"].(map[string]any)
				owner := filters["tag:private-ec2-access:stack"]
				if e["serviceName"] == args["serviceName"] && (args["id"] == nil || args["id"] == e["id"]) &&
					(len(filters["vpc-endpoint-type"]) == 0 || slices.Contains(filters["vpc-endpoint-type"], e["vpcEndpointType"])) &&
					(len(owner) == 0 || slices.Contains(owner, tags["private-ec2-access:stack"])) {
					found = append(found, e)
				}
			}
			switch len(found) {
			case 0:
				return nil, errors.New("no matching EC2 VPC Endpoint found")
			case 1:
				return found[0], nil
			}
			return nil, errors.New("multiple EC2 VPC Endpoints matched; use additional constraints to reduce matches to a single EC2 VPC Endpoint")
		},
		"getSubnet": func(args map[string]any) (map[string]any, error) {
			number := map[any]int{subnetA: 0, subnetB: 1}[args["id"]]
			return map[string]any{"id": args["id"], "vpcId": "vpc-0123456789abcdef0", "cidrBlock": fmt.Sprintf("10.20.%d.0/24", number), "availableIpAddressCount": 250, "availabilityZone": fmt.Sprintf("us-east-2%c", 'a'+number)}, nil
		},
		"getSecurityGroupRules": func(args map[string]any) (map[string]any, error) {
			group := args["filters"].([]any)[0].(map[string]any)["values"].([]any)[0].(string)
			var ids []any
			for i := range v.rules[group] {
				ids = append(ids, fmt.Sprintf("%s#%d", group, i))
			}
			return map[string]any{"ids": ids}, nil
		},
		"getSecurityGroupRule": func(args map[string]any) (map[string]any, error) {
			group, at, _ := strings.Cut(args["securityGroupRuleId"].(string), "#")
			var i int
			_, err := fmt.Sscan(at, &i)
			return v.rules[group][i], err
		},
	}
}

func (v *vpc) find(service string) map[string]any {
	for _, e := range v.endpoints {
		if strings.HasSuffix(e["serviceName"].(string), "."+service) {
			return e
		}
	}
	return nil
}

// run gives the endpoints and egress rules that a stack in the VPC registers,
// and what it announces.
func (v *vpc) run(t *testing.T, own map[string]any) (made []string, said string, err error) {
	t.Helper()
	recorder := &pulumitest.Recorder{Answer: ohio.answers(v.lookups())}
	stackConfig := pulumitest.StackConfig(t, pulumitest.Defaults(t, pulumitest.With(local(ohio), pulumitest.With(inVPC, own))))
	resources, err := recorder.Run(t, "private-ec2-access", "test", false, New(stackConfig, pulumitest.LocalEnvironment))
	for _, r := range resources {
		_, name, _ := strings.Cut(r.Name, "private-ec2-access-")
		switch r.Type {
		case "aws:ec2/vpcEndpoint:VpcEndpoint":
			if tables := r.Inputs["routeTableIds"]; tables != nil {
				name += fmt.Sprint(tables)
			}
			made = append(made, name)
		case "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule":
			if block := r.Inputs["cidrIpv4"]; block != nil {
				made = append(made, fmt.Sprintf("HTTPS to %v", block))
			}
		}
	}
	if err != nil {
		return made, "", err
	}
	return made, announced(t, stackConfig, v.lookups()), nil
}

// announced is what the preview says.
func announced(t *testing.T, stackConfig string, replaced lookups) string {
	t.Helper()
	var lines []string
	recorder := &pulumitest.Recorder{Answer: ohio.answers(replaced)}
	_, err := recorder.Run(t, "private-ec2-access", "test", true, func(ctx *pulumi.Context) error {
		c, err := config.Load(ctx.Project(), stackConfig, settings.Literals{}, pulumitest.LocalEnvironment)
		if err != nil {
			return err
		}
		facts, err := survey.Take(ctx, c)
		if err != nil {
			return err
		}
		decisions, err := decide.Decide(c, facts)
		for _, notice := range decisions.Notices {
			lines = append(lines, notice.Text)
		}
		return err
	})
	require.NoError(t, err)
	return strings.Join(lines, "\n")
}

// What the VPC has is used, and only the rest is created.
//
// It does not prove that AWS refuses a second endpoint; only a real account, or
// the emulator's rules after AWS's documentation, does.
func TestEndpoints_Existing_UsedInsteadOfCreated(t *testing.T) {
	t.Parallel()
	ranges := []string{"HTTPS to 10.20.0.0/24", "HTTPS to 10.20.1.0/24"}
	const ownSSM = "arn:aws:ec2:us-east-2:111122223333:vpc-endpoint/vpce-0"
	for name, c := range map[string]struct {
		change func(*vpc)
		own    map[string]any
		made   []string
		said   []string
		silent string
	}{
		"all of another stack": {
			func(*vpc) {}, nil, ranges,
			[]string{"s3 vpce-2 (of the stack private-ec2-access/other), ssm vpce-0 (of the stack private-ec2-access/other)"}, "gets a route to S3",
		},
		"one of nobody": {
			func(v *vpc) { v.endpoints = v.endpoints[:1]; delete(v.endpoints[0], "tags") }, nil,
			slices.Concat(ranges, []string{"s3[rtb-1]", "ssmmessages"}), []string{"already: ssm vpce-0. If they"}, "stack private",
		},
		"one without private DNS": {
			func(v *vpc) { v.find("ssm")["privateDnsEnabled"] = false }, nil,
			slices.Concat(ranges, []string{"ssm"}), []string{"vpce-0 for ssm is not used, because its private DNS is off"}, "ssm vpce-0 (",
		},
		"a gateway on one of two route tables": {
			func(v *vpc) { v.tables[subnetB] = "rtb-2" }, nil,
			slices.Concat(ranges, []string{"s3[rtb-2]"}), []string{"the route table rtb-2 gets a route to S3"}, "the route table rtb-1 gets",
		},
		"two gateways": {
			func(v *vpc) {
				v.tables[subnetB] = "rtb-2"
				second := maps.Clone(v.find("s3"))
				second["routeTableIds"] = []any{"rtb-3"}
				v.endpoints = append(v.endpoints, second)
			}, nil,
			slices.Concat(ranges, []string{"s3[rtb-2]"}), []string{"the route tables rtb-1 lead to S3 already. There are several gateway endpoints"}, "the route table rtb-1 gets",
		},
		"the stack's own by its state, with another owner's tag": {
			func(v *vpc) { v.deployed = []string{ownSSM} }, nil,
			slices.Concat(ranges, []string{"ssm"}), nil, "ssm vpce-0",
		},
		"the stack's own by its tag, of an update that was killed": {
			func(v *vpc) {
				for _, e := range v.endpoints {
					e["tags"] = map[string]any{"private-ec2-access:stack": "private-ec2-access/test"}
				}
			}, nil,
			[]string{"s3[rtb-1]", "ssm", "ssmmessages"}, []string{"rtb-1 gets a route"}, "has already",
		},
		"the stack's own beside one without private DNS": {
			func(v *vpc) {
				for _, service := range []string{"ssm", "s3"} {
					own := maps.Clone(v.find(service))
					own["id"], own["tags"] = "vpce-own", map[string]any{"private-ec2-access:stack": "private-ec2-access/test"}
					if service == "s3" {
						own["routeTableIds"] = []any{"rtb-2"}
					}
					v.endpoints = append(v.endpoints, own)
				}
				v.find("ssm")["privateDnsEnabled"] = false
				v.tables[subnetB] = "rtb-2"
			}, nil,
			slices.Concat(ranges, []string{"s3[rtb-2]", "ssm"}), nil, "ssm vpce-",
		},
		"one of several, named": {
			func(v *vpc) {
				second := maps.Clone(v.find("ssm"))
				second["id"], second["privateDnsEnabled"] = "vpce-0123456789abcdef0", true
				v.find("ssm")["privateDnsEnabled"] = false
				v.endpoints = append(v.endpoints, second)
			}, map[string]any{"endpoints.existing": map[string]any{"ssm": "vpce-0123456789abcdef0"}},
			ranges, []string{"ssm vpce-0123456789abcdef0"}, "private DNS is off",
		},
		"of a central VPC": {
			func(v *vpc) {
				v.endpoints = nil
				v.routes = []any{map[string]any{"cidrBlock": "10.0.0.0/8", "transitGatewayId": "tgw-1"}}
			}, map[string]any{"endpoints.create": false, "endpoints.cidrBlocks": []any{"10.99.0.0/16"}},
			[]string{"HTTPS to 10.99.0.0/16"}, []string{"no endpoint for ssm in the VPC: ssm.us-east-2.amazonaws.com has to resolve to an address in 10.99.0.0/16", "rtb-1 has no route to a gateway endpoint for S3"}, "has already",
		},
		"none to be created, all there": {
			func(*vpc) {}, map[string]any{"endpoints.create": false}, ranges, []string{"ssmmessages vpce-1"}, "has to resolve",
		},
		"the stack's own, given up": {
			func(v *vpc) { v.deployed = []string{ownSSM} }, map[string]any{"endpoints.create": false, "endpoints.cidrBlocks": []any{"10.20.0.0/16"}},
			slices.Concat([]string{"HTTPS to 10.20.0.0/16"}, ranges), []string{"this update deletes the endpoint vpce-0 for ssm (endpoints.create)"}, "ssm vpce-0 (",
		},
		"pending": {
			func(v *vpc) { v.find("ssm")["state"] = "pendingAcceptance" }, nil, ranges, []string{"vpce-0 for ssm, which the VPC has already, is in the state pendingAcceptance"}, "gets",
		},
		"in one of two zones": {
			func(v *vpc) { v.find("ssm")["subnetIds"] = []any{subnetA} }, nil, ranges, []string{"has no network interface in us-east-2b"}, "in us-east-2a",
		},
		"found wanting after the stack was deployed": {
			func(v *vpc) {
				v.rules[theirGroup] = nil
				v.deployed = []string{"arn:aws:ec2:us-east-2:111122223333:security-group/sg-0eeeeeeeeeeeeeeee"}
			}, nil, ranges,
			[]string{"vpce-0 for ssm, which the VPC has already, does not accept HTTPS from every subnet", "aws ec2 authorize-security-group-ingress --region us-east-2 --group-id " + theirGroup + " --protocol tcp --port 443 --cidr 10.20.1.0/24"}, "gets",
		},
		"open to the stack's own group alone": {
			func(v *vpc) {
				v.rules[theirGroup] = []map[string]any{{"ipProtocol": "tcp", "fromPort": 443, "toPort": 443, "referencedSecurityGroupId": "111122223333/sg-0eeeeeeeeeeeeeeee"}}
				v.deployed = []string{"arn:aws:ec2:us-east-2:111122223333:security-group/sg-0eeeeeeeeeeeeeeee"}
			}, nil, ranges, nil, "does not accept",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := ofAnotherStack()
			c.change(v)
			made, said, err := v.run(t, c.own)
			require.NoError(t, err)
			require.ElementsMatch(t, c.made, made)
			for _, want := range c.said {
				require.Contains(t, said, want)
			}
			require.NotContains(t, said, c.silent)
		})
	}
}

// An endpoint that a new stack could not use stops the preview, with the command
// that fixes it.
func TestEndpoints_ExistingUnusable_Refused(t *testing.T) {
	t.Parallel()
	const narrow = `{"Statement":[{"Effect":"Allow","Principal":"*","Action":%q,"Resource":%q}]}`
	for name, c := range map[string]struct {
		change func(*vpc)
		own    map[string]any
		want   []string
	}{
		"no rule for the stack's subnets": {
			func(v *vpc) { v.rules[theirGroup][0]["cidrIpv4"] = "10.20.1.0/24" }, nil,
			[]string{"does not accept HTTPS from every subnet", "--group-id " + theirGroup + " --protocol tcp --port 443 --cidr 10.20.0.0/24"},
		},
		"another port":  {func(v *vpc) { v.rules[theirGroup][0]["toPort"], v.rules[theirGroup][0]["fromPort"] = 80, 80 }, nil, []string{"does not accept HTTPS"}},
		"in no subnet":  {func(v *vpc) { v.find("ssm")["subnetIds"] = nil }, nil, []string{"is in no subnet", "--add-subnet-ids " + subnetA}},
		"narrow policy": {func(v *vpc) { v.find("ssm")["policy"] = fmt.Sprintf(narrow, "ssm:GetParameter", "*") }, nil, []string{"does not let ssm:UpdateInstanceInformation of this stack through", "let the stack private-ec2-access/other allow full access, and update it; in the folder of its project:\n       pulumi config set --path 'private-ec2-access:endpoints.policies' full --stack other"}},
		"narrow policy of nobody": {
			func(v *vpc) {
				v.find("ssm")["policy"] = fmt.Sprintf(narrow, "ssm:GetParameter", "*")
				delete(v.find("ssm"), "tags")
			}, nil, []string{"aws ec2 modify-vpc-endpoint --region us-east-2 --vpc-endpoint-id vpce-0 --reset-policy"},
		},
		"gateway that lets only the other stack's bucket through": {
			func(v *vpc) {
				v.find("s3")["policy"] = fmt.Sprintf(narrow, "s3:PutObject", "arn:aws:s3:::private-ec2-access-logs-1/*")
			}, nil,
			[]string{"the gateway endpoint vpce-2 for S3, which is on rtb-1 already, does not let s3:PutObject of this stack through"},
		},
		"logs endpoint that lets only the other stack's log group through": {
			func(v *vpc) {
				logs := maps.Clone(v.find("ssm"))
				logs["id"], logs["serviceName"] = "vpce-logs", "com.amazonaws.us-east-2.logs"
				logs["policy"] = fmt.Sprintf(narrow, "logs:PutLogEvents", "arn:aws:logs:us-east-2:111122223333:log-group:/private-ec2-access/other/sessions:*")
				v.endpoints = append(v.endpoints, logs)
			}, map[string]any{"logging.cloudWatch": true}, []string{"does not let logs:PutLogEvents of this stack through"},
		},
		"several, none named": {
			func(v *vpc) { v.endpoints = append(v.endpoints, maps.Clone(v.find("ssm"))) }, nil,
			[]string{"endpoints.existing.ssm", "has several interface endpoints for ssm", "aws ec2 describe-vpc-endpoints --region us-east-2 --filters Name=vpc-id,Values=vpc-0123456789abcdef0"},
		},
		"named, and not there": {
			func(*vpc) {}, map[string]any{"endpoints.existing": map[string]any{"ssm": "vpce-0123456789abcdef0"}},
			[]string{"it is not an interface endpoint for com.amazonaws.us-east-2.ssm in the VPC vpc-0123456789abcdef0"},
		},
		"none, and none to be created": {
			func(v *vpc) { v.endpoints = nil }, map[string]any{"endpoints.create": false},
			[]string{"endpoints.cidrBlocks: the VPC vpc-0123456789abcdef0 has no endpoint for ssm"},
		},
		"elsewhere, and no route there": {
			func(v *vpc) {
				v.endpoints, v.routes = nil, []any{map[string]any{"cidrBlock": "10.99.1.0/24", "transitGatewayId": "tgw-1"}}
			}, map[string]any{"endpoints.create": false, "endpoints.cidrBlocks": []any{"10.99.0.0/16"}},
			[]string{"the route table rtb-1 of the subnet " + subnetA + " has no route there (got 10.99.0.0/16)"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := ofAnotherStack()
			c.change(v)
			made, _, err := v.run(t, c.own)
			require.Error(t, err)
			require.Empty(t, made)
			for _, want := range c.want {
				require.ErrorContains(t, err, want)
			}
		})
	}
}

// Not one of the look-ups behind these decisions may fail in silence.
func TestEndpoints_FailedLookUp_IsAnError(t *testing.T) {
	t.Parallel()
	for _, lookup := range []string{"getVpcEndpoint", "getSubnet", "getSecurityGroupRules", "getSecurityGroupRule", "getRouteTables"} {
		v := ofAnotherStack()
		if lookup == "getRouteTables" {
			v.endpoints = append(v.endpoints, maps.Clone(v.find("s3")))
		}
		failing := joined(v.lookups(), lookups{lookup: func(map[string]any) (map[string]any, error) {
			return nil, errors.New("UnauthorizedOperation: You are not authorized to perform this operation.")
		}})
		_, err := run(t, inVPC, failing)
		require.ErrorContains(t, err, "UnauthorizedOperation", lookup)
	}
}
