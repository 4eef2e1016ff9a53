package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"private-ec2-access/tools/stack"
	"private-ec2-access/tools/standin"
)

const (
	pulumiName      = "Pulumi"
	terraformName   = "Terraform"
	terraform32Name = "Terraform -parallelism=32"
)

// pulumi runs the program of this checkout. Its stack is called local, because that stack's file has the salt for the
// passphrase, which Pulumi would otherwise write into a file beside Pulumi.yaml; its config and its state are in the folder.
func (b *bench) pulumi(ctx context.Context, folder string, account stack.Running, size int) (*contender, error) {
	var file map[string]any
	text, err := os.ReadFile(filepath.Join(b.root, "Pulumi.local.yaml"))
	if err != nil {
		return nil, err
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		return nil, err
	}
	config, _ := file["config"].(map[string]any)
	instances := map[string]any{}
	for i := range size {
		instances[fmt.Sprintf("i%03d", i)] = map[string]any{}
	}
	delete(config, "instances") // the same key, as the stack's file writes it
	config["private-ec2-access:instances"] = instances
	if text, err = yaml.Marshal(file); err != nil {
		return nil, err
	}
	path := filepath.Join(folder, "Pulumi.bench.yaml")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return nil, err
	}
	state := filepath.Join(folder, "state")
	if err := os.MkdirAll(state, 0o755); err != nil {
		return nil, err
	}
	c := &contender{
		name: pulumiName, program: b.cli.Path, folder: b.root,
		args: []string{"--non-interactive"},
		env:  b.environment(account, "PULUMI_BACKEND_URL=file://"+state, "PULUMI_STACK=local"),
	}
	c.count = c.pulumiResources
	if _, err := c.run(ctx, "stack", "select", "local", "--create"); err != nil {
		return nil, err
	}
	c.steps = map[step][]string{}
	for name, args := range pulumiSteps {
		c.steps[name] = slices.Concat(args, []string{"--config-file=" + path})
	}
	return c, nil
}

func (c *contender) pulumiResources(ctx context.Context) (map[string]int, error) {
	out, err := c.run(ctx, "stack", "export")
	if err != nil {
		return nil, err
	}
	var export struct {
		Deployment struct {
			Resources []struct {
				Type   string `json:"type"`
				Custom bool   `json:"custom"`
			} `json:"resources"`
		} `json:"deployment"`
	}
	if err := json.Unmarshal([]byte(out), &export); err != nil {
		return nil, err
	}
	count := map[string]int{}
	for _, resource := range export.Deployment.Resources {
		if name := standin.TerraformName(resource.Type); resource.Custom && name != "" {
			count[name]++
		}
	}
	return count, nil
}

func (b *bench) terraformDefault(ctx context.Context, folder string, account stack.Running, size int) (*contender, error) {
	return b.terraformWith(ctx, terraformName, folder, account, size)
}

func (b *bench) terraform32(ctx context.Context, folder string, account stack.Running, size int) (*contender, error) {
	return b.terraformWith(ctx, terraform32Name, folder, account, size, "-parallelism=32")
}

func (b *bench) terraformWith(ctx context.Context, name, folder string, account stack.Running, size int, options ...string) (*contender, error) {
	text, err := os.ReadFile(filepath.Join(b.root, "bench", "main.tf"))
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(folder, "main.tf"), text, 0o644); err != nil {
		return nil, err
	}
	c := &contender{
		name: name, program: b.terraform, folder: folder,
		env: b.environment(account, "TF_CLI_CONFIG_FILE="+b.terraformConfig(), fmt.Sprintf("TF_VAR_instances=%d", size),
			"TF_IN_AUTOMATION=true", "CHECKPOINT_DISABLE=true", "TF_INPUT=false", "TF_CLI_ARGS=-no-color"),
	}
	c.count = c.terraformResources
	if _, err := c.run(ctx, "init"); err != nil {
		return nil, err
	}
	c.steps = map[step][]string{}
	for step, args := range terraformSteps {
		c.steps[step] = slices.Concat(args, options)
	}
	return c, nil
}

func (c *contender) terraformResources(ctx context.Context) (map[string]int, error) {
	out, err := c.run(ctx, "state", "list")
	if err != nil {
		return nil, err
	}
	count := map[string]int{}
	for _, address := range strings.Fields(out) {
		if name, _, _ := strings.Cut(address, "."); name != "data" {
			count[name]++
		}
	}
	return count, nil
}
