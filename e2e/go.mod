module private-ec2-access/e2e

go 1.25.11

replace private-ec2-access/tools => ../tools

require (
	github.com/stretchr/testify v1.11.1
	private-ec2-access/tools v0.0.0-00010101000000-000000000000
)
