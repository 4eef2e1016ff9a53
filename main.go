// Private EC2 access: a recorded shell on instances in a network without a way
// to the internet, for people whom IAM lets in.
package main

import (
	"os"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

func main() { pulumi.Run(program(os.Getenv("PULUMI_CONFIG"), os.Environ())) }

// program is the recipe for a stack's config, as the engine hands it over, and
// an environment. Everything that decides the stack's shape is known before the
// first resource is registered.
func program(stackConfig string, environ []string) pulumi.RunFunc {
	return func(ctx *pulumi.Context) error {
		config, err := loadConfig(ctx.Project(), stackConfig, environ)
		if err != nil {
			return err
		}
		facts, err := survey(ctx, config)
		if err != nil {
			return err
		}
		r := recipe{ctx: ctx, name: ctx.Project(), config: config, facts: facts}

		place, err := r.network()
		if err != nil {
			return err
		}
		role, err := r.instanceRole()
		if err != nil {
			return err
		}
		records, err := r.records(role)
		if err != nil {
			return err
		}
		policy, err := r.instancePolicy(role, records)
		if err != nil {
			return err
		}
		group, err := r.securityGroup(place)
		if err != nil {
			return err
		}
		endpoints, err := r.endpoints(place, group, records)
		if err != nil {
			return err
		}
		preferences, err := r.sessionPreferences(records, policy, endpoints)
		if err != nil {
			return err
		}
		instances, err := r.instances(place, role, policy, group, endpoints, preferences)
		if err != nil {
			return err
		}
		r.export(place, records, role, group, endpoints, instances, preferences)
		return nil
	}
}
