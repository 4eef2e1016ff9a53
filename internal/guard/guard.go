// Package guard keeps emulated and real accounts apart. It looks at plain
// values only, so that it can refuse before a single request is sent.
package guard

import (
	"net"
	"net/url"
	"slices"
	"strings"

	"private-ec2-access/internal/mistake"
)

// EmulatorKey is the access key ID of an emulated account. It says that a
// request is meant for the emulator: no key ID of AWS looks like it.
const EmulatorKey = "test"

// Check finds every setting that belongs to the other kind of stack. Config is
// the stack's whole config by full key, environ the process's environment.
func Check(emulated bool, config, environ map[string]string) mistake.List {
	if emulated {
		return checkEmulated(config, environ)
	}
	return checkReal(config, environ)
}

var toLocal = []mistake.Fix{
	{Commands: []string{"make up"}},
	{Text: "before plain pulumi:", Commands: []string{`eval "$(make -s env)"`}},
}

func unset(name string) []mistake.Fix { return mistake.Run("unset " + name) }

func remove(key string) []mistake.Fix { return mistake.Run("pulumi config rm " + key) }

func checkEmulated(config, environ map[string]string) (found mistake.List) {
	endpoint := environ["AWS_ENDPOINT_URL"]
	switch {
	case endpoint == "":
		found.Add(mistake.Mistake{
			Key: "AWS_ENDPOINT_URL", Problem: "the stack is emulated, but no emulator is named, so requests would go to AWS",
			Allowed: "an address of this machine, for example http://127.0.0.1:4566", Fix: toLocal,
		})
	case !isLoopback(endpoint):
		found.Add(mistake.Mistake{
			Key: "AWS_ENDPOINT_URL", Got: endpoint, Problem: "the stack is emulated, but this address is not on this machine",
			Allowed: "an address of this machine, for example http://127.0.0.1:4566", Fix: toLocal,
		})
	}
	if ignored := environ["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"]; strings.EqualFold(ignored, "true") {
		found.Add(mistake.Mistake{
			Key: "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", Got: ignored,
			Problem: "the stack is emulated, but this sends requests to AWS all the same",
			Fix:     unset("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"),
		})
	}
	for _, name := range sorted(environ) {
		if strings.HasPrefix(name, "AWS_ENDPOINT_URL_") && !isLoopback(environ[name]) {
			found.Add(mistake.Mistake{
				Key: name, Got: environ[name], Problem: "the stack is emulated, but this service's address is not on this machine",
				Fix: unset(name),
			})
		}
	}
	// A real key would not be sent, but it would sign what is sent.
	if key := environ["AWS_ACCESS_KEY_ID"]; endpoint != "" && key != EmulatorKey {
		found.Add(mistake.Mistake{
			Key: "AWS_ACCESS_KEY_ID", Got: redacted(key), Problem: "the stack is emulated and must never use a real credential",
			Allowed: EmulatorKey, Fix: toLocal,
		})
	} else if endpoint != "" && environ["AWS_SECRET_ACCESS_KEY"] == "" {
		found.Add(mistake.Mistake{
			Key: "AWS_SECRET_ACCESS_KEY", Problem: "the stack is emulated, and the emulator answers only calls that are signed with its secret key",
			Allowed: "the key that the emulator made when it started", Fix: toLocal,
		})
	}
	if environ["AWS_SESSION_TOKEN"] != "" {
		found.Add(mistake.Mistake{
			Key: "AWS_SESSION_TOKEN", Problem: "the stack is emulated, and this belongs to a real credential", Fix: unset("AWS_SESSION_TOKEN"),
		})
	}
	for _, key := range []string{"aws:accessKey", "aws:secretKey", "aws:token"} {
		if _, set := config[key]; set {
			found.Add(mistake.Mistake{
				Key: key, Problem: "the stack is emulated, and the emulator's keys are only in the environment, because they change each time it starts",
				Fix: remove(key),
			})
		}
	}
	for _, key := range []string{"aws:profile", "aws:endpoints", "aws:assumeRole", "aws:assumeRoles"} {
		if value, set := config[key]; set {
			found.Add(mistake.Mistake{
				Key: key, Got: value, Problem: "the stack is emulated, and this leads to a real account", Fix: remove(key),
			})
		}
	}
	return found
}

func checkReal(config, environ map[string]string) (found mistake.List) {
	for _, name := range sorted(environ) {
		if (name == "AWS_ENDPOINT_URL" || strings.HasPrefix(name, "AWS_ENDPOINT_URL_")) && isLoopback(environ[name]) {
			found.Add(mistake.Mistake{
				Key: name, Got: environ[name], Problem: "the stack is a real account, but this is the address of an emulator",
				Fix: unset(name),
			})
		}
	}
	if key := environ["AWS_ACCESS_KEY_ID"]; key == EmulatorKey {
		found.Add(mistake.Mistake{
			Key: "AWS_ACCESS_KEY_ID", Got: key, Problem: "the stack is a real account, but this is the key of an emulator",
			Fix: unset("AWS_ACCESS_KEY_ID"),
		})
	}
	if key := config["aws:accessKey"]; key == EmulatorKey {
		found.Add(mistake.Mistake{
			Key: "aws:accessKey", Got: key, Problem: "the stack is a real account, but this is the key of an emulator",
			Fix: remove("aws:accessKey"),
		})
	}
	if endpoints := config["aws:endpoints"]; strings.Contains(endpoints, "127.0.0.1") || strings.Contains(endpoints, "localhost") {
		found.Add(mistake.Mistake{
			Key: "aws:endpoints", Got: endpoints, Problem: "the stack is a real account, but this is the address of an emulator",
			Fix: remove("aws:endpoints"),
		})
	}
	for _, key := range []string{"aws:skipCredentialsValidation", "aws:skipRequestingAccountId", "aws:s3UsePathStyle"} {
		if strings.EqualFold(config[key], "true") {
			found.Add(mistake.Mistake{
				Key: key, Got: config[key], Problem: "the stack is a real account, and this is for emulated ones", Fix: remove(key),
			})
		}
	}
	return found
}

func isLoopback(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	host := u.Hostname()
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// redacted shows enough of a key to recognise it by, and not the key.
func redacted(key string) string {
	if len(key) <= 4 {
		return key
	}
	return key[:4] + "…"
}

func sorted(m map[string]string) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
