// Command stack is what the Makefile calls: it prepares tools, emulator and environment, and runs Pulumi on a stack.
package main

import (
	"os"

	"private-ec2-access/tools/stack"
)

func main() { os.Exit(stack.Main(os.Args[1:])) }
