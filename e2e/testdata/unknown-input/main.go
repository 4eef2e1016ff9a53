// A program that gives a VPC an input which the provider does not have.
package main

import (
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

func main() {
	pulumi.Run(func(ctx *pulumi.Context) error {
		if _, err := aws.GetRegion(ctx, nil); err != nil { // starts the provider that the SDK names
			return err
		}
		var vpc pulumi.CustomResourceState
		return ctx.RegisterResource("aws:ec2/vpc:Vpc", "misspelt", pulumi.Map{
			"cidrBlok": pulumi.String("10.0.0.0/16"),
		}, &vpc, pulumi.Version("6.83.2"))
	})
}
