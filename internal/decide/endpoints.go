package decide

import (
	"errors"
	"fmt"
	"slices"

	"private-ec2-access/internal/endpoint"
)

// deciding are the interface services that every zone of the network has to
// offer.
func (d *decider) deciding() []endpoint.Service {
	return slices.DeleteFunc(endpoint.Interfaces(), func(s endpoint.Service) bool {
		return !s.Wanted(d.config) || s.OptionalBecause != ""
	})
}

func (d *decider) services() {
	for _, service := range endpoint.Interfaces() {
		if d.wants(service) {
			d.Services = append(d.Services, service.Name)
		}
	}
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
