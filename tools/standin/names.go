package standin

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/urn"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
)

//go:embed tokens.txt
var tokensFile string

// served are the lines of tokens.txt after the comment; included are their Terraform names, sorted.
var (
	served   = strings.Split(strings.TrimSpace(tokensFile), "\n")[1:]
	included = terraformNames(served)
)

func terraformNames(tokens []string) (names []string) {
	for _, token := range tokens {
		names = append(names, TerraformName(token))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// modulePrefixes holds the modules of pulumi-aws whose name is no part of the Terraform names in them.
// In every other module Terraform's name begins with the module's: iam/role:Role is aws_iam_role.
var modulePrefixes = map[string]string{
	"index": "",
	"ec2":   "",
}

// terraformExceptions holds the names that the general rule of terraformName gets wrong.
var terraformExceptions = map[string]string{
	"ec2/managedPrefixList":        "aws_ec2_managed_prefix_list",
	"ec2/getManagedPrefixList":     "aws_ec2_managed_prefix_list",
	"ec2/getInstanceType":          "aws_ec2_instance_type",
	"ec2/getInstanceTypeOfferings": "aws_ec2_instance_type_offerings",
	// In pulumi-aws 6 this is a resource of Pulumi's own; the Terraform provider does not have it.
	"s3/bucket": "",
}

// parseToken splits aws:ec2/vpcEndpoint:VpcEndpoint into the module "ec2" and the name "vpcEndpoint".
// It reports false for a token that is not in package aws, such as pulumi:providers:aws.
func parseToken(token string) (module, name string, ok bool) {
	parts := strings.Split(token, ":")
	if len(parts) != 3 || parts[0] != "aws" {
		return "", "", false
	}
	return strings.Cut(parts[1], "/")
}

// TerraformName returns the name that Terraform has for a type of pulumi-aws, or "" where it has none.
func TerraformName(token string) string {
	module, name, ok := parseToken(token)
	if !ok {
		return ""
	}
	return terraformName(module, name)
}

// terraformName returns the name that Terraform has for a resource or function of pulumi-aws, or "" where it has none.
func terraformName(module, name string) string {
	if tf, ok := terraformExceptions[module+"/"+name]; ok {
		return tf
	}
	if rest, ok := strings.CutPrefix(name, "get"); ok {
		name = rest
	}
	if module == "s3" {
		// pulumi-aws 6 calls the resources that Terraform split out of aws_s3_bucket V2.
		name = strings.TrimSuffix(name, "V2")
	}
	prefix, ok := modulePrefixes[module]
	if !ok {
		prefix = module + "_"
	}
	return "aws_" + prefix + snakeCase(name)
}

// bridgeToken translates a token of pulumi-aws into the one under which the bridge serves the same Terraform resource
// or data source: all of them lie in module index and are named after Terraform's name. Tokens of other packages are
// returned as they are. It fails when no line of tokens.txt has the Terraform name.
func bridgeToken(token string) (string, error) {
	module, name, ok := parseToken(token)
	if !ok {
		return token, nil
	}
	tf := terraformName(module, name)
	if tf == "" {
		return "", fmt.Errorf("%s exists only in the official AWS plugin, not in the Terraform AWS provider %s that the "+
			"stand-in uses: use the type with V2 in its name", token, terraformVersion)
	}
	if !slices.Contains(included, tf) {
		return "", fmt.Errorf("the stand-in for the AWS plugin does not serve %s (%s in Terraform): add it to tools/standin/tokens.txt, "+
			"then build and install the stand-in again", token, tf)
	}
	pascal := pascalCase(strings.TrimPrefix(tf, "aws_"))
	if strings.HasPrefix(name, "get") {
		return "aws:index/get" + pascal + ":get" + pascal, nil
	}
	return "aws:index/" + strings.ToLower(pascal[:1]) + pascal[1:] + ":" + pascal, nil
}

// renamedURN gives the resource of a URN another type. Its parents' types mean nothing to the bridge and stay.
func renamedURN(u urn.URN, newType string) string {
	parents := strings.TrimSuffix(strings.TrimSuffix(string(u.QualifiedType()), string(u.Type())), urn.TypeDelimiter)
	return string(urn.New(u.Stack(), u.Project(), tokens.Type(parents), tokens.Type(newType), u.Name()))
}

// snakeCase turns vpcEndpoint into vpc_endpoint.
func snakeCase(camel string) string {
	var b strings.Builder
	for i, r := range camel {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// pascalCase turns vpc_endpoint into VpcEndpoint.
func pascalCase(snake string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(snake, "_") {
		if part != "" {
			b.WriteString(strings.ToUpper(part[:1]) + part[1:])
		}
	}
	return b.String()
}
