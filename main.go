// Private EC2 access: a recorded shell on instances in a network without an
// internet route, for the people whom IAM allows.
//
// Data flows one way: config → survey → decide → access → components. The recipe
// itself is in access/access.go.
package main

import (
	"os"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-ec2-access/program"
)

func main() { pulumi.Run(program.New(os.Getenv("PULUMI_CONFIG"), os.Environ())) }
