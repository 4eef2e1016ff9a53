// Package environment decides what of the caller's environment variables reaches the programs that are run.
package environment

import (
	"regexp"
	"strings"
)

// kept are the variables that Clean keeps: who the user is, the terminal, the language, folders, the network, and where packages
// come from. In PATTERN*, the asterisk stands for any characters.
var kept = patterns(
	"PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "TZ", "XDG_*",
	"TERM", "TERMINFO", "TERMINFO_DIRS", "COLORTERM", "NO_COLOR", "COLUMNS", "LINES", "LANG", "LC_*",
	"PAGER", "LESS", "EDITOR", "VISUAL",
	// Windows, whose names have no case.
	"SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "TEMP", "TMP", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "PROGRAMDATA", "PROGRAMFILES*",

	"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
	"SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO", "NETRC",

	"GOPROXY", "GONOPROXY", "GOSUMDB", "GONOSUMDB", "GOPRIVATE", "GOINSECURE", "GOAUTH", "GOVCS",
	"GOPATH", "GOROOT", "GOCACHE", "GOMODCACHE", "GOTMPDIR", "GOENV", "GOTOOLCHAIN", "GOMAXPROCS",
	"PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX", "PIP_TRUSTED_HOST", "PIP_PROXY", "PIP_CERT", "PIP_CLIENT_CERT",
	"PIP_CACHE_DIR", "PIP_CONFIG_FILE", "PIP_DEFAULT_TIMEOUT", "PIP_RETRIES", "PIP_KEYRING_PROVIDER",
	"NPM_CONFIG_REGISTRY", "NPM_CONFIG_*_PROXY", "NPM_CONFIG_PROXY", "NPM_CONFIG_NOPROXY", "NPM_CONFIG_CAFILE", "NPM_CONFIG_CA", "NPM_CONFIG_CACHE", "NPM_CONFIG_USERCONFIG",

	"SSH_AUTH_SOCK", "GIT_SSH_COMMAND", "GIT_CONFIG_GLOBAL",
	// Version managers, and libraries that a program needs in order to start.
	"PYENV_ROOT", "PYENV_VERSION", "ASDF_*", "MISE_*", "NIX_SSL_CERT_FILE", "LD_LIBRARY_PATH",

	"PRIVATE_EC2_ACCESS_*", "TF_PLUGIN_CACHE_DIR",
)

// Clean returns the part of an environment that no program uses to change what it does: neither options of Go, Python, pip, Pulumi
// and the AWS CLI, nor anybody's credentials. Where packages come from is kept.
func Clean(environ []string) []string {
	var clean []string
	for _, entry := range environ {
		if name, _, _ := strings.Cut(entry, "="); kept.MatchString(name) {
			clean = append(clean, entry)
		}
	}
	return clean
}

// GoBuild is added to the environment of each go build. A go.work in a folder above the project would replace the pinned versions,
// and the commit of a checkout that belongs to another user cannot be read.
var GoBuild = []string{"GOWORK=off", "GOFLAGS=-buildvcs=false"}

// ForAWS returns an environment without the settings that change the form of what the AWS CLI prints or make it ask. Who it is
// and which endpoints it uses stays.
func ForAWS(environ []string) []string {
	clean := make([]string, 0, len(environ)+3)
	for _, entry := range environ {
		if name, _, _ := strings.Cut(entry, "="); !formOfAWS.MatchString(name) {
			clean = append(clean, entry)
		}
	}
	// Its own pager would wait for a key in the middle of a script. Python would encode what it prints as the terminal's language asks.
	return append(clean, "AWS_PAGER=", "PYTHONIOENCODING=utf-8", "PYTHONUTF8=1")
}

var formOfAWS = patterns(
	"AWS_CLI_AUTO_PROMPT", "AWS_CLI_ERROR_FORMAT", "AWS_CLI_FILE_ENCODING", "AWS_CLI_HISTORY_FILE", "AWS_CLI_OUTPUT_ENCODING", "AWS_DEFAULT_OUTPUT", "AWS_OUTPUT",
	"AWS_PAGER", "AWS_DATA_PATH", "AWS_RETRY_MODE", "AWS_MAX_ATTEMPTS", "AWS_DEFAULTS_MODE",
	"PYTHONIOENCODING", "PYTHONUTF8", "PYTHONINSPECT", "PYTHONVERBOSE", "PYTHONDEBUG", "PYTHONSTARTUP", "PYTHONOPTIMIZE", "PYTHONWARNINGS",
	"PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "PYTHONPROFILEIMPORTTIME", "PYTHONDEVMODE", "PYTHONTRACEMALLOC", "PYTHONFAULTHANDLER", "PYTHONMALLOCSTATS",
)

func patterns(names ...string) *regexp.Regexp {
	text := regexp.QuoteMeta(strings.Join(names, "|"))
	text = strings.ReplaceAll(strings.ReplaceAll(text, `\|`, "|"), `\*`, ".*")
	return regexp.MustCompile("^(?i:" + text + ")$")
}
