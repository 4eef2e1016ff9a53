package stack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"private-ec2-access/tools/process"
	"private-ec2-access/tools/sessions"
)

// provider is what the stack's files say to the AWS provider under aws:, as far as it decides who the engine is and how it
// reaches AWS. Commands that use the AWS CLI follow it, or refuse.
type provider struct {
	file     string
	settings map[string]any // by the key without aws:
	// environments: the file imports environments of Pulumi ESC.
	environments bool
	// variables are those of the environments, by name.
	variables map[string]string
}

// provider reads the settings. A stack's own file wins over Pulumi.yaml.
func (s *Stack) provider() (provider, error) {
	p := provider{file: filepath.Base(s.File()), settings: map[string]any{}}
	var project, own struct {
		Config      map[string]any `yaml:"config"`
		Environment any            `yaml:"environment"`
	}
	if err := readYAML(filepath.Join(s.Root, "Pulumi.yaml"), &project); err != nil {
		return p, err
	}
	if err := readYAML(s.File(), &own); err != nil {
		return p, err
	}
	p.environments = own.Environment != nil
	for key, value := range project.Config {
		if name, found := strings.CutPrefix(key, "aws:"); found {
			p.settings[name] = projectValue(value)
		}
	}
	for key, value := range own.Config {
		if name, found := strings.CutPrefix(key, "aws:"); found {
			p.settings[name] = value
		}
	}
	return p, nil
}

// setting is a row of what `pulumi config` prints: a setting of the provider, or a variable of the AWS CLI and SDKs.
var setting = regexp.MustCompile(`(?m)^(aws:|AWS_)(\S+) +(\S.*)$`)

// open adds the settings and variables of Pulumi ESC, which only Pulumi can read. It needs a login.
func (p *provider) open(pulumiConfig func() (string, error)) error {
	text, err := pulumiConfig()
	if err != nil {
		return fmt.Errorf("the environments that %s imports from Pulumi ESC could not be opened, and the credentials may be in them: %w", p.file, err)
	}
	p.variables = map[string]string{}
	for _, row := range setting.FindAllStringSubmatch(text, -1) {
		if row[1] == "aws:" {
			p.settings[row[2]] = row[3] // the stack's file and Pulumi.yaml have been considered
		} else {
			p.variables[row[1]+row[2]] = row[3]
		}
	}
	return nil
}

// text returns a setting that is a text; a list or an object is written as JSON by `pulumi config set` without --path.
func (p provider) text(key string) string {
	switch value := p.settings[key].(type) {
	case nil, map[string]any, []any:
		return ""
	default:
		return fmt.Sprint(value)
	}
}

// list returns a setting that is a list.
func (p provider) list(key string) (texts []string, err error) {
	value := p.settings[key]
	if text, isText := value.(string); isText {
		if err := json.Unmarshal([]byte(text), &value); err != nil {
			return nil, p.unreadable(key)
		}
	}
	items, isList := value.([]any)
	if !isList && value != nil {
		return nil, p.unreadable(key)
	}
	for _, item := range items {
		texts = append(texts, fmt.Sprint(item))
	}
	return texts, nil
}

// object returns a setting that is an object; nil if there is none.
func (p provider) object(key string) (map[string]any, error) {
	value := p.settings[key]
	if text, isText := value.(string); isText {
		if err := json.Unmarshal([]byte(text), &value); err != nil {
			return nil, p.unreadable(key)
		}
	}
	object, isObject := value.(map[string]any)
	if _, secret := object["secure"]; secret || value != nil && !isObject {
		return nil, p.unreadable(key)
	}
	return object, nil
}

func (p provider) unreadable(key string) error {
	return fmt.Errorf("aws:%s in %s: only Pulumi can read this value, so this command cannot be the identity that Pulumi is. Nothing was done.\n"+
		"  Fix: put the identity into a profile of your AWS configuration, and its name into aws:profile", key, p.file)
}

// Variables of the AWS CLI and SDKs that say who they are.
var (
	keyVariables     = []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
	otherIdentities  = []string{"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME", "AWS_WEB_IDENTITY_TOKEN_FILE"}
	providerVariable = map[string][]string{
		"region": {"AWS_REGION", "AWS_DEFAULT_REGION"}, "customCaBundle": {"AWS_CA_BUNDLE"},
		"httpProxy": {"HTTP_PROXY", "http_proxy"}, "httpsProxy": {"HTTPS_PROXY", "https_proxy"}, "noProxy": {"NO_PROXY", "no_proxy"},
		"useFipsEndpoint": {"AWS_USE_FIPS_ENDPOINT"}, "useDualstackEndpoint": {"AWS_USE_DUALSTACK_ENDPOINT"},
		"ec2MetadataServiceEndpoint": {"AWS_EC2_METADATA_SERVICE_ENDPOINT"}, "skipMetadataApiCheck": {"AWS_EC2_METADATA_DISABLED"},
	}
)

// environment returns what makes the AWS CLI the identity that the engine has before it assumes a role.
func (p provider) environment(caller []string) (*Environment, error) {
	e := &Environment{}
	variable := func(name string) string { return process.Variable(caller, name) }
	// Where several variables are set, the SDK of the engine and the AWS CLI do not choose alike.
	e.unset = append(e.unset, "AWS_SECURITY_TOKEN")
	if variable("AWS_PROFILE") != "" {
		e.unset = append(e.unset, "AWS_DEFAULT_PROFILE")
	}
	for name, alias := range map[string]string{"AWS_ACCESS_KEY_ID": "AWS_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY": "AWS_SECRET_KEY"} {
		if value := variable(alias); value != "" && variable(name) == "" {
			e.set(name, value)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(providerVariable)) {
		if value := p.text(key); value != "" {
			for _, name := range providerVariable[key] {
				e.set(name, value)
			}
		}
	}
	for key, name := range map[string]string{"sharedConfigFiles": "AWS_CONFIG_FILE", "sharedCredentialsFiles": "AWS_SHARED_CREDENTIALS_FILE"} {
		files, err := p.list(key)
		switch {
		case err != nil:
			return nil, err
		case len(files) == 1:
			e.set(name, files[0])
		case len(files) > 1:
			return nil, p.unreadable(key)
		}
	}
	for _, key := range []string{"accessKey", "secretKey", "token", "profile"} {
		if value, set := p.settings[key]; set && value != nil && p.text(key) == "" {
			return nil, p.unreadable(key) // a secret
		}
	}
	web, err := p.object("assumeRoleWithWebIdentity")
	if err != nil {
		return nil, err
	}
	switch {
	case p.text("accessKey") != "":
		e.unset = append(append(e.unset, otherIdentities...), keyVariables...)
		for key, name := range map[string]string{"accessKey": "AWS_ACCESS_KEY_ID", "secretKey": "AWS_SECRET_ACCESS_KEY", "token": "AWS_SESSION_TOKEN"} {
			if value := p.text(key); value != "" {
				e.set(name, value)
			}
		}
	case p.text("profile") != "":
		e.unset = append(append(e.unset, otherIdentities...), keyVariables...)
		e.set("AWS_PROFILE", p.text("profile"))
	}
	if web != nil {
		file, _ := web["webIdentityTokenFile"].(string)
		role, _ := web["roleArn"].(string)
		for key := range web {
			if !slices.Contains([]string{"webIdentityTokenFile", "roleArn", "sessionName"}, key) || file == "" || role == "" {
				return nil, p.unreadable("assumeRoleWithWebIdentity")
			}
		}
		e.unset = append(append(e.unset, otherIdentities...), keyVariables...)
		e.set("AWS_ROLE_ARN", role)
		e.set("AWS_WEB_IDENTITY_TOKEN_FILE", file)
		if name, _ := web["sessionName"].(string); name != "" {
			e.set("AWS_ROLE_SESSION_NAME", name)
		}
	}
	return e, nil
}

// role returns the role that the engine assumes, or nil.
func (p provider) role() (*sessions.Role, error) {
	object, err := p.object("assumeRole")
	if err != nil || object == nil {
		return nil, err
	}
	var role sessions.Role
	if text, err := json.Marshal(object); err != nil || json.Unmarshal(text, &role) != nil || role.ARN == "" {
		return nil, p.unreadable("assumeRole")
	}
	return &role, nil
}

// from names the settings that the identity comes from, for messages.
func (p provider) from() string {
	var keys []string
	for _, key := range []string{"accessKey", "profile", "assumeRole", "assumeRoleWithWebIdentity"} {
		if p.settings[key] != nil {
			keys = append(keys, "aws:"+key)
		}
	}
	if len(p.variables) > 0 {
		keys = append(keys, slices.Sorted(maps.Keys(p.variables))...)
	}
	if keys == nil {
		return ""
	}
	in := p.file
	if p.environments {
		in += " and its environments of Pulumi ESC"
	}
	return " (" + strings.Join(keys, ", ") + " in " + in + ")"
}

// signedIn is who the commands about a stack on an AWS account are.
type signedIn struct {
	sessions.Identity
	// environ is the environment of the AWS CLI.
	environ []string
	// text says who that is, and where.
	text string
}

// awsEnviron is the environment of the AWS CLI.
func (a *app) awsEnviron() []string {
	if a.me != nil {
		return a.me.environ
	}
	return a.env.Apply(a.environ)
}

// signIn makes the AWS CLI the identity of the engine, and fails if there is none, or if it is in a wrong account. It takes
// about a second, so that nobody waits for the engine, which tries five times and prints what its plugin says.
func (a *app) signIn() error {
	if a.stack.Emulated || a.me != nil {
		return nil // the environment of an emulated stack has the emulator's keys
	}
	p, err := a.stack.provider()
	if err != nil {
		return err
	}
	caller := a.environ
	if p.environments {
		if err := a.loggedIn(); err != nil {
			return err
		}
		if err := p.open(a.openConfig); err != nil {
			return a.nothingDone(err)
		}
		caller = (&Environment{names: slices.Sorted(maps.Keys(p.variables)), values: p.variables}).Apply(caller)
		a.stack.Region = p.text("region")
	}
	own, err := p.environment(caller)
	if err != nil {
		return err
	}
	me := &signedIn{environ: own.Apply(a.env.Apply(caller))}
	region := a.stack.Region
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION"} {
		if region == "" {
			region = process.Variable(caller, name)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if me.Identity, err = sessions.Caller(ctx, me.environ, region); errors.As(err, new(process.Missing)) {
		a.say("Note: the AWS CLI is not installed, so this command cannot check which account your credentials are for. To install it:\n%s", sessions.HowToInstallCLI())
		return nil
	} else if err != nil {
		return a.nothingDone(err)
	}
	role, err := p.role()
	if err != nil {
		return err
	}
	if role != nil {
		if role.SessionName == "" {
			// The engine makes up another name for each run. Whose sessions are whose depends on it, so it must stay the same here.
			role.SessionName = me.Name()
		}
		var variables map[string]string
		if variables, me.Identity, err = sessions.AssumeRole(ctx, me.environ, region, *role); err != nil {
			return a.nothingDone(err)
		}
		assumed := &Environment{unset: otherIdentities}
		for _, name := range keyVariables {
			assumed.set(name, variables[name])
		}
		me.environ = assumed.Apply(me.environ)
	}
	me.text = fmt.Sprintf("account %s, Region %s, as %s%s", me.Account, region, me.ARN, p.from())
	if err := p.checkAccount(a.stack.Name, me.Identity); err != nil {
		return err
	}
	a.me = me
	return nil
}

// openConfig returns the config and the environment variables that the engine gets, with those of Pulumi ESC.
func (a *app) openConfig() (string, error) {
	var out, said strings.Builder
	if err := a.pulumi(call{args: []string{"config", "--open", "--show-secrets", "--stack", a.stack.Name}, stdout: &out, stderr: &said}); err != nil {
		text := strings.TrimPrefix(strings.TrimSpace(said.String()), "error: ")
		if strings.Contains(text, "no stack named") {
			text += "\n  Fix: pulumi stack init " + a.stack.Name
		}
		return "", errors.New(text)
	}
	return out.String(), nil
}

func (a *app) nothingDone(err error) error {
	return fmt.Errorf("the stack %s: %w\n  Nothing was done", a.stack.Name, err)
}

// checkAccount does what the provider does with its settings allowedAccountIds and forbiddenAccountIds.
func (p provider) checkAccount(stack string, me sessions.Identity) error {
	allowed, err := p.list("allowedAccountIds")
	if err != nil {
		return err
	}
	forbidden, err := p.list("forbiddenAccountIds")
	if err != nil {
		return err
	}
	switch {
	case len(allowed) > 0 && !slices.Contains(allowed, me.Account):
		return fmt.Errorf("the stack %s may only be in the account %s (aws:allowedAccountIds in %s), and you are signed in to %s, as %s%s. Nothing was done.\n"+
			"  Fix: sign in to the account %[2]s", stack, strings.Join(allowed, ", "), p.file, me.Account, me.ARN, p.from())
	case slices.Contains(forbidden, me.Account):
		return fmt.Errorf("the stack %s must not be in the account %s (aws:forbiddenAccountIds in %s), which you are signed in to, as %s%s. Nothing was done.\n"+
			"  Fix: sign in to another account", stack, me.Account, p.file, me.ARN, p.from())
	}
	return nil
}

// announce says where a command is about to change something, and as whom.
func (a *app) announce() {
	if a.me != nil {
		a.say("The stack %s: %s.", a.stack.Name, a.me.text)
	}
}
