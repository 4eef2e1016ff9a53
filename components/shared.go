// Package components holds the parts of the recipe as Pulumi component
// resources, one a file. A component reads no config and asks AWS nothing; it
// gets plain Go values for what decides its shape and Inputs for the rest.
package components

import (
	"fmt"
	"maps"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Labels are put on everything that can carry tags.
type Labels struct {
	Prefix string            // the readable Name begins with it
	Tags   map[string]string // on every resource
}

// For gives the tags of one resource, with its readable Name.
func (l Labels) For(part string) pulumi.StringMap {
	tags := maps.Clone(l.Tags)
	if tags == nil {
		tags = map[string]string{}
	}
	tags["Name"] = l.Prefix + "-" + part
	return pulumi.ToStringMap(tags)
}

// With adds tags to those of every resource; one of the same key replaces it.
func (l Labels) With(tags map[string]string) Labels {
	if len(tags) == 0 {
		return l
	}
	all := maps.Clone(l.Tags)
	maps.Copy(all, tags)
	return Labels{Prefix: l.Prefix, Tags: all}
}

// optional is no input at all for an empty value, so that AWS's default holds.
func optional(value string) pulumi.StringPtrInput {
	if value == "" {
		return nil
	}
	return pulumi.String(value)
}

// Ready lists what has to be there before a component can be relied on. To
// depend on the component itself is not enough: the SDK learns of its children
// while they register, and waits for those that it knows by then.
type Ready []pulumi.Resource

// token names a component's type.
func token(kind string) string { return "private-ec2-access:index:" + kind }

// keeping decides how session logs, and what protects or encrypts them, leave a
// stack: kept as they are, or not at all.
func keeping(keepRecords, refuseDestroy bool) pulumi.ResourceOption {
	return pulumi.Composite(pulumi.RetainOnDelete(keepRecords), pulumi.Protect(refuseDestroy))
}

// failed says which child of which component could not be registered.
func failed(component, child string, err error) error {
	return fmt.Errorf("%s: %s: %w", component, child, err)
}
