package survey

import (
	"cmp"
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/internals"

	"private-ec2-access/internal/reach"
)

// networkACLs reads the network ACL of each subnet.
//
// The provider's look-up gives their ids and not their entries, so each is then
// read as a resource that the stack does not manage. Such a read shows in no
// count of changes, and a destroy forgets it without a call. The engine stops the
// update when a read fails, so the look-up comes first: it makes the same call to
// AWS, and an account that denies it is told that the entries are not known.
func networkACLs(ctx *pulumi.Context, subnetIDs []string) map[string]reach.Read[reach.ACL] {
	found, known := map[string]reach.Read[reach.ACL]{}, map[string]reach.Read[reach.ACL]{}
	for _, subnet := range subnetIDs {
		answer, err := ec2.GetNetworkAcls(ctx, &ec2.GetNetworkAclsArgs{
			Filters: []ec2.GetNetworkAclsFilter{{Name: "association.subnet-id", Values: []string{subnet}}},
		})
		if err != nil || len(answer.Ids) != 1 {
			found[subnet] = reach.Read[reach.ACL]{Problem: problem(err, "no network ACL of the subnet was found")}
			continue
		}
		id := answer.Ids[0]
		if _, done := known[id]; !done {
			known[id] = networkACL(ctx, id, subnet)
		}
		found[subnet] = known[id]
	}
	return found
}

func networkACL(ctx *pulumi.Context, id, subnet string) reach.Read[reach.ACL] {
	standard, err := ec2.GetNetworkAcls(ctx, &ec2.GetNetworkAclsArgs{
		Filters: []ec2.GetNetworkAclsFilter{{Name: "association.subnet-id", Values: []string{subnet}}, {Name: "default", Values: []string{"true"}}},
	})
	if err != nil {
		return reach.Read[reach.ACL]{Problem: problem(err, "")}
	}
	// The provider has a type of its own for the default one of a VPC.
	var ingress, egress pulumi.Output
	if len(standard.Ids) > 0 {
		var read *ec2.DefaultNetworkAcl
		if read, err = ec2.GetDefaultNetworkAcl(ctx, id, pulumi.ID(id), nil); err == nil {
			ingress, egress = read.Ingress, read.Egress
		}
	} else {
		var read *ec2.NetworkAcl
		if read, err = ec2.GetNetworkAcl(ctx, id, pulumi.ID(id), nil); err == nil {
			ingress, egress = read.Ingress, read.Egress
		}
	}
	if err != nil {
		return reach.Read[reach.ACL]{Problem: problem(err, "")}
	}
	// A read is done in a preview too, so that its result is known there.
	both, err := internals.UnsafeAwaitOutput(ctx.Context(), pulumi.All(ingress, egress))
	if err != nil || !both.Known {
		return reach.Read[reach.ACL]{Problem: problem(err, "the engine did not read it")}
	}
	lists := both.Value.([]any)
	return reach.Read[reach.ACL]{Value: reach.ACL{ID: id, Ingress: aclEntries(lists[0]), Egress: aclEntries(lists[1])}}
}

func aclEntries(list any) (entries []reach.ACLEntry) {
	switch list := list.(type) {
	case []ec2.NetworkAclIngress:
		for _, e := range list {
			entries = append(entries, aclEntry(ec2.NetworkAclEgress(e)))
		}
	case []ec2.NetworkAclEgress:
		for _, e := range list {
			entries = append(entries, aclEntry(e))
		}
	case []ec2.DefaultNetworkAclIngress:
		for _, e := range list {
			entries = append(entries, aclEntry(ec2.NetworkAclEgress(e)))
		}
	case []ec2.DefaultNetworkAclEgress:
		for _, e := range list {
			entries = append(entries, aclEntry(ec2.NetworkAclEgress(e)))
		}
	}
	return entries
}

func aclEntry(e ec2.NetworkAclEgress) reach.ACLEntry {
	return reach.ACLEntry{
		Number: e.RuleNo, Protocol: e.Protocol, From: e.FromPort, To: e.ToPort,
		Range: cmp.Or(value(e.CidrBlock), value(e.Ipv6CidrBlock)), Allow: e.Action == "allow",
	}
}

// problem says why a fact that only checks is not known.
func problem(err error, otherwise string) string {
	if err != nil {
		return fmt.Sprint(err)
	}
	return otherwise
}
