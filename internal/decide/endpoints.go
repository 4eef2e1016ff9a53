package decide

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"private-ec2-access/internal/endpoint"
	"private-ec2-access/internal/mistake"
	"private-ec2-access/internal/reach"
	"private-ec2-access/internal/settings"
)

// deciding are the interface services that every zone of the network has to
// offer.
func (d *decider) deciding() []endpoint.Service {
	return slices.DeleteFunc(endpoint.Interfaces(), func(s endpoint.Service) bool {
		return !s.Wanted(d.config) || s.OptionalBecause != ""
	})
}

func (d *decider) services() {
	d.UsedEndpoints = map[string]string{}
	for _, service := range endpoint.Interfaces() {
		switch {
		case d.uses(service):
			d.UsedEndpoints[service.Name] = d.facts.Endpoints[service.Name].ID
		case !d.config.Endpoints.Create:
			d.elsewhere(service)
		case d.wants(service):
			d.Services = append(d.Services, service.Name)
		}
	}
	d.gateway()
	d.endpointRanges()
	d.announceUsed()
}

// wants decides whether the stack has an endpoint for a service.
//
// One that not every Region offers is created where the Region offers it. Once
// created it stays until the user turns it off: neither a retired service nor a
// failed look-up takes it away.
func (d *decider) wants(s endpoint.Service) bool {
	switch {
	case !s.Wanted(d.config):
		if s.OptionalBecause != "" {
			d.say(fmt.Sprintf("no endpoint for %s: the stack's config says never", s.Name))
		}
		return false
	case s.WhereOffered == nil || !s.WhereOffered(d.config):
		return true
	}
	fact := d.facts.Services[s.Name]
	name, region := s.ServiceName(d.facts.Scope), d.facts.Scope.Region
	switch {
	case fact.Own.Yes || fact.Offered.Yes:
		return true
	case fact.Offered.No() && fact.Own.No():
		d.say(fmt.Sprintf("no endpoint for %s: %s does not offer the service; %s", s.Name, region, s.OptionalBecause))
	case fact.Offered.No():
		d.fail(fmt.Errorf("finding out whether this stack has an endpoint for %s already: %w", s.Name, fact.Own.Problem))
	default:
		d.fail(fmt.Errorf("finding out whether %s offers %s (an endpoint of this stack was not found either): %w",
			region, name, errors.Join(fact.Offered.Problem, fact.Own.Problem)))
	}
	return false
}

// uses decides whether the stack uses an endpoint of the VPC that is not its
// own. The stack's own stays, whatever else there is.
func (d *decider) uses(s endpoint.Service) bool {
	e, found := d.facts.Endpoints[s.Name]
	key := settings.Member("endpoints.existing", s.Name)
	switch {
	case !found || e.Own:
		return false
	case e.Absent:
		d.refuse(mistake.Mistake{
			Key: key, Got: d.config.Endpoints.Existing[s.Name],
			Problem: "it is not an interface endpoint for " + s.ServiceName(d.facts.Scope) + " in the VPC " + d.config.Network.VpcID,
			Allowed: "the ID of such an endpoint", Fix: mistake.Run(d.unset(key)),
		})
		return true
	case e.Several:
		d.refuse(mistake.Mistake{
			Key: key, Got: "", Problem: "the VPC " + d.config.Network.VpcID + " has several interface endpoints for " + s.Name + ", and only one of them can have private DNS",
			Allowed: "the ID of the one with private DNS, or of any other if none has it",
			Fix: mistake.Do("list them, and name one:",
				"aws ec2 describe-vpc-endpoints --region "+d.facts.Scope.Region+" --filters Name=vpc-id,Values="+d.config.Network.VpcID+
					" Name=service-name,Values="+s.ServiceName(d.facts.Scope)+" --query 'VpcEndpoints[].[VpcEndpointId,PrivateDnsEnabled]' --output text",
				d.set(key, "ENDPOINT")),
		})
		return true
	case !e.PrivateDNS:
		d.say(fmt.Sprintf("the endpoint %s for %s is not used, because its private DNS is off", e.ID, s.Name))
		return false
	}
	d.checkEndpoint(s, e)
	return true
}

// checkEndpoint looks for what keeps this stack's instances from using an
// endpoint.
func (d *decider) checkEndpoint(s endpoint.Service, e Endpoint) {
	name := fmt.Sprintf("the endpoint %s for %s, which the VPC has already, ", e.ID, s.Name)
	modify := "aws ec2 modify-vpc-endpoint --region " + d.facts.Scope.Region + " --vpc-endpoint-id " + e.ID
	switch {
	case !strings.EqualFold(e.State, "available"):
		d.warn(name + "is in the state " + e.State)
	case len(e.SubnetIDs) == 0:
		d.endpointMistake(name+"is in no subnet", mistake.Run(modify+" --add-subnet-ids "+d.config.Network.SubnetIDs[0]))
	}
	d.checkPolicy(name, modify, e, d.calls(s))

	var accept []string
	unsure, zones := false, map[string]bool{}
	for _, id := range e.SubnetIDs {
		zones[d.facts.Subnets[id].Zone] = true
	}
	for _, id := range d.config.Network.SubnetIDs {
		subnet := d.facts.Subnets[id]
		switch reach.AcceptsHTTPS(d.facts.Groups, e.Groups, d.ownGroups(), subnet.CidrBlock) {
		case reach.Missing:
			accept = append(accept, fmt.Sprintf("aws ec2 authorize-security-group-ingress --region %s --group-id %s --protocol tcp --port 443 --cidr %s",
				d.facts.Scope.Region, strings.Join(e.Groups[:min(1, len(e.Groups))], ""), subnet.CidrBlock))
		case reach.Unknown:
			unsure = true
		case reach.OK:
		}
		if len(e.SubnetIDs) > 0 && !zones[subnet.Zone] {
			d.say(name + "has no network interface in " + subnet.Zone + ": calls from there cross to another zone, and fail with it")
		}
	}
	switch {
	case len(accept) > 0:
		d.endpointMistake(name+"does not accept HTTPS from every subnet of this stack: none of the rules of "+strings.Join(e.Groups, ", ")+" covers them",
			[]mistake.Fix{{Commands: accept}})
	case unsure:
		d.warn(name + "may not accept HTTPS from every subnet of this stack: a rule of its security groups covers a part, or names a prefix list. After the update, run make wait")
	}
}

// call is a call that goes through an endpoint.
type call struct{ action, resource string }

// calls are those that this stack's instances make through a service's endpoint.
// A resource that the stack has yet to create has a name that no policy of
// today can name.
func (d *decider) calls(s endpoint.Service) (made []call) {
	const later = "created-later"
	for _, action := range s.Calls {
		made = append(made, call{action, "*"})
	}
	where := d.facts.Scope
	switch s.Name {
	case "logs":
		for _, group := range d.LogGroups {
			made = append(made, call{"logs:PutLogEvents", where.LogGroupARN(group) + ":log-stream:" + later})
		}
	case "kms":
		key := d.config.Session.KMSKeyARN
		if key == "" {
			if key = d.facts.Key.ARN; key == "" {
				key = where.ARN("kms", "key/"+later)
			}
		}
		made = append(made, call{"kms:Decrypt", key})
	case endpoint.S3:
		bucket := d.config.Logging.BucketName
		for _, location := range d.facts.Document.Locations() {
			if bucket == "" && OwnBucket(d.facts.Project, location.Bucket) {
				bucket = location.Bucket
			}
		}
		if bucket == "" {
			bucket = d.facts.Project + "-logs-" + later
		}
		made = append(made, call{"s3:PutObject", where.BucketARN(bucket + "/" + strings.Trim(d.config.Logging.KeyPrefix+"/log", "/"))})
	}
	return made
}

func (d *decider) checkPolicy(name, modify string, e Endpoint, calls []call) {
	var denied, unsure []string
	for _, c := range calls {
		switch e.AllowsOn(d.facts.Scope.AccountID, c.action, c.resource) {
		case reach.Missing:
			denied = append(denied, c.action)
		case reach.Unknown:
			unsure = append(unsure, c.action)
		case reach.OK:
		}
	}
	switch {
	case len(denied) > 0:
		fix := mistake.Do("allow full access, which is the default of AWS:", modify+" --reset-policy")
		if e.Owner != "" {
			project, stack, _ := strings.Cut(e.Owner, "/")
			fix = mistake.Do("let the stack "+e.Owner+" allow full access, and update it; in the folder of its project:",
				settings.SetCommand(project, "endpoints.policies", "full")+" --stack "+stack)
		}
		d.endpointMistake(name+"does not let "+strings.Join(slices.Compact(denied), ", ")+" of this stack through: its policy does not allow it", fix)
	case len(unsure) > 0:
		d.warn(name + "may not let " + strings.Join(slices.Compact(unsure), ", ") + " through: conditions of its policy decide. After the update, run make wait and make verify")
	}
}

// endpointMistake refuses a new stack. One that is deployed has lost what it had,
// and an update must still be possible.
func (d *decider) endpointMistake(problem string, fix []mistake.Fix) {
	m := mistake.Mistake{
		Key: "network.vpcId", Got: d.config.Network.VpcID, Problem: problem,
		Allowed: "a VPC whose endpoints this stack's instances can use", Fix: fix,
	}
	if len(d.facts.Deployed.ARNs) == 0 {
		d.refuse(m)
		return
	}
	var commands []string
	for _, f := range fix {
		commands = append(commands, f.Commands...)
	}
	d.warn(problem + ". Fix:\n    " + strings.Join(commands, "\n    "))
}

// ownGroups are the security groups that the stack has.
func (d *decider) ownGroups() (ids []string) {
	for _, arn := range d.facts.Deployed.ARNs {
		if _, id, ok := strings.Cut(arn, ":security-group/"); ok {
			ids = append(ids, id)
		}
	}
	return ids
}

// endpointsRead reports whether the endpoints of the VPC were looked for. They are not in a VPC that is refused: one that was
// not found, or without DNS.
func (d *decider) endpointsRead() bool {
	n := d.facts.Network
	return n == nil || n.Found && n.MissingAttributes() == nil
}

// elsewhere is for a service without an endpoint that this stack may create or
// use: its name has to lead to an endpoint outside of the VPC.
func (d *decider) elsewhere(s endpoint.Service) {
	if !s.Wanted(d.config) || !d.endpointsRead() {
		return
	}
	if e := d.facts.Endpoints[s.Name]; e.Own {
		d.warn(fmt.Sprintf("this update deletes the endpoint %s for %s (endpoints.create): every instance in the VPC that uses it is cut off, unless the name leads elsewhere by then", e.ID, s.Name))
	}
	if s.OptionalBecause != "" {
		return
	}
	blocks := d.config.Endpoints.CidrBlocks
	if len(blocks) == 0 {
		has, fix := "has no endpoint for ", mistake.Run(d.set("endpoints.cidrBlocks[0]", "CIDR_BLOCK"))
		if n := d.facts.Network; n != nil && n.OwnerID != "" && n.OwnerID != d.facts.Scope.AccountID { // only its owner can create endpoints in it, and sees them
			has = "has no endpoint that this account sees for "
		} else {
			fix = append(fix, mistake.Fix{Text: "create endpoints in this VPC:", Commands: []string{d.unset("endpoints.create")}})
		}
		d.refuse(mistake.Mistake{
			Key: "endpoints.cidrBlocks", Got: "[]",
			Problem: "the VPC " + d.config.Network.VpcID + " " + has + s.Name + ", and without the addresses of one elsewhere the security group lets no HTTPS out to it",
			Allowed: "the CIDR blocks that the endpoints of the central VPC are in",
			Fix:     fix,
		})
		return
	}
	d.say(fmt.Sprintf("no endpoint for %s in the VPC: %s has to resolve to an address in %s there. The preview cannot check that; after the update, run make wait",
		s.Name, s.Name+"."+d.facts.Scope.Region+"."+d.facts.Scope.DNSSuffix, strings.Join(blocks, ", ")))
}

// gateway decides which route tables get the stack's own route to S3: those that
// have none through another endpoint.
func (d *decider) gateway() {
	n := d.facts.Network
	if n == nil || !d.endpointsRead() {
		return
	}
	var others []string
	for _, table := range n.RouteTableIDs {
		switch {
		case slices.Contains(d.facts.S3Tables, table):
			others = append(others, table)
		case d.config.Endpoints.Create:
			d.GatewayTables = append(d.GatewayTables, table)
		default:
			where := "outside of the VPC"
			if len(d.config.Endpoints.CidrBlocks) > 0 {
				where = "in " + strings.Join(d.config.Endpoints.CidrBlocks, ", ")
			}
			d.warn("the route table " + table + " has no route to a gateway endpoint for S3. Without it, session logs get there only if the names of S3 lead to an endpoint " + where)
		}
	}
	if d.facts.OwnGateway && !d.config.Endpoints.Create {
		d.warn("this update deletes the stack's gateway endpoint for S3 (endpoints.create), and with it the routes of every subnet on its route tables")
	}
	if len(others) == 0 {
		return
	}
	service, _ := endpoint.Find(endpoint.S3)
	e, known := d.facts.Endpoints[endpoint.S3]
	if !known {
		d.say("the route tables " + strings.Join(others, ", ") + " lead to S3 already. There are several gateway endpoints, so whether their policies let session logs through is not known: after the update, run make verify")
		return
	}
	if len(d.GatewayTables) == 0 {
		d.UsedEndpoints[endpoint.S3] = e.ID
	}
	d.checkPolicy(fmt.Sprintf("the gateway endpoint %s for S3, which is on %s already, ", e.ID, strings.Join(others, ", ")),
		"aws ec2 modify-vpc-endpoint --region "+d.facts.Scope.Region+" --vpc-endpoint-id "+e.ID, e, d.calls(service))
}

// endpointRanges are where endpoints outside of the stack's security group are.
// The group lets HTTPS out to these addresses rather than to the endpoints'
// groups: AWS refuses to delete a group that a rule of another group names, so
// the destroy of one stack would wait for the other.
func (d *decider) endpointRanges() {
	ranges := map[string]bool{}
	for service := range d.UsedEndpoints {
		for _, id := range d.facts.Endpoints[service].SubnetIDs {
			ranges[d.facts.Subnets[id].CidrBlock] = true
		}
	}
	for _, block := range d.config.Endpoints.CidrBlocks {
		ranges[block] = true
		if d.facts.Network == nil {
			continue
		}
		for _, table := range d.facts.Network.RouteTables {
			if _, ok := table.RouteTo(block); !ok {
				d.refuse(mistake.Mistake{
					Key: "endpoints.cidrBlocks", Got: block,
					Problem: fmt.Sprintf("the route table %s of the subnet %s has no route there", table.RouteTableID, table.SubnetID),
					Allowed: "CIDR blocks that a route covers as a whole",
					Fix: mistake.Run("aws ec2 create-route --region " + d.facts.Scope.Region + " --route-table-id " + table.RouteTableID +
						" --destination-cidr-block " + block + " --transit-gateway-id TRANSIT_GATEWAY"),
				})
			}
		}
	}
	delete(ranges, "")
	d.EndpointRanges = slices.Sorted(maps.Keys(ranges))
}

func (d *decider) announceUsed() {
	if len(d.UsedEndpoints) == 0 {
		return
	}
	var used []string
	for _, service := range slices.Sorted(maps.Keys(d.UsedEndpoints)) {
		text := service + " " + d.UsedEndpoints[service]
		if owner := d.facts.Endpoints[service].Owner; owner != "" {
			text += " (of the stack " + owner + ")"
		}
		used = append(used, text)
	}
	until := "until the next update, which creates endpoints of its own"
	if !d.config.Endpoints.Create {
		until = "until there are others"
	}
	d.say("this stack uses endpoints that the VPC has already: " + strings.Join(used, ", ") + ". If they are deleted, its instances are cut off " + until)
}
