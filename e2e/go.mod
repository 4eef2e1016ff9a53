module private-ec2-access/e2e

go 1.25.11

replace private-ec2-access/tools => ../tools

require (
	github.com/santhosh-tekuri/jsonschema/v6 v6.0.3
	github.com/stretchr/testify v1.11.1
	private-ec2-access/tools v0.0.0-00010101000000-000000000000
)

require golang.org/x/text v0.40.0 // indirect

require (
	github.com/davecgh/go-spew v1.1.1 // indirect
	github.com/pmezard/go-difflib v1.0.0 // indirect
	gopkg.in/yaml.v3 v3.0.1
)
