package sessions

import (
	"context"
	"slices"
	"strings"

	"private-ec2-access/internal/scope"
)

// Neighbour is an instance in a VPC. Stack is the stack of this program that made it, as PROJECT/STACK; empty: none.
type Neighbour struct{ ID, Name, Stack string }

func (n Neighbour) String() string {
	if n.Name == "" {
		return n.ID
	}
	return n.Name + " (" + n.ID + ")"
}

// Neighbours lists the instances in a VPC that a stack, as PROJECT/STACK, neither made nor lists in its outputs. They reach
// AWS through the VPC's endpoints: each one whose name the VPC's resolver answers, and those in subnets with the gateway
// endpoint's route.
func Neighbours(ctx context.Context, environ []string, region, vpc, stack string, own []string) ([]Neighbour, error) {
	c := newClient(environ, region)
	in := inVPC(vpc)
	in["Filters"] = append(in["Filters"].([]input), input{"Name": "instance-state-name", "Values": []string{"pending", "running", "stopping", "stopped"}})
	var answer reservations
	if err := c.call(ctx, &answer, "ec2", "describe-instances", in); err != nil {
		return nil, err
	}
	var found []Neighbour
	for _, i := range answer.instances() {
		n := Neighbour{ID: i.InstanceID}
		for _, tag := range i.Tags {
			switch tag.Key {
			case "Name":
				n.Name = tag.Value
			case scope.OwnerTag:
				n.Stack = tag.Value
			}
		}
		if n.Stack != stack && !slices.Contains(own, n.ID) {
			found = append(found, n)
		}
	}
	slices.SortFunc(found, func(a, b Neighbour) int { return strings.Compare(a.Stack+a.Name+a.ID, b.Stack+b.Name+b.ID) })
	return found, nil
}
