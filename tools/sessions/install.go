package sessions

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"

	"private-ec2-access/tools/process"
)

const (
	cliPage    = "https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html"
	pluginPage = "https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-install-plugin.html"
)

// system is what decides how a program is installed.
type system struct {
	os, arch string
	// like are the words of ID and ID_LIKE in /etc/os-release.
	like []string
	has  func(program string) bool
}

func thisSystem() system {
	s := system{os: runtime.GOOS, arch: runtime.GOARCH, has: func(p string) bool { _, err := exec.LookPath(p); return err == nil }}
	release, _ := os.ReadFile("/etc/os-release") // only Linux has it
	for _, line := range strings.Split(string(release), "\n") {
		if name, value, _ := strings.Cut(line, "="); name == "ID" || name == "ID_LIKE" {
			s.like = append(s.like, strings.Fields(strings.Trim(value, `"`))...)
		}
	}
	return s
}

func (s system) is(names ...string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return slices.Contains(s.like, n) })
}

// cli is how to get the AWS CLI, after cliPage.
func (s system) cli() string {
	machine := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[s.arch]
	switch {
	case s.os == "darwin" && s.has("brew"):
		return "brew install awscli"
	case s.os == "darwin":
		return `curl "https://awscli.amazonaws.com/AWSCLIV2.pkg" -o AWSCLIV2.pkg && sudo installer -pkg AWSCLIV2.pkg -target /`
	case s.os == "windows":
		return "winget install Amazon.AWSCLI"
	case s.is("amzn", "fedora"):
		return "sudo dnf install awscli2   (on Amazon Linux: awscli-2)"
	case s.is("arch"):
		return "sudo pacman -S aws-cli-v2"
	case s.is("alpine"):
		return "apk add aws-cli"
	case s.has("snap"):
		return "sudo snap install aws-cli --classic"
	case machine != "":
		return `curl "https://awscli.amazonaws.com/awscli-exe-linux-` + machine + `.zip" -o awscliv2.zip && unzip -q awscliv2.zip && sudo ./aws/install`
	}
	return "see the page"
}

// plugin is how to get the Session Manager plugin, after pluginPage.
func (s system) plugin() string {
	const downloads = "https://s3.amazonaws.com/session-manager-downloads/plugin/latest/"
	size := map[string]string{"amd64": "64bit", "arm64": "arm64"}[s.arch]
	switch {
	case s.os == "darwin" && s.has("brew"):
		return "brew install --cask session-manager-plugin"
	case s.os == "darwin":
		folder := map[string]string{"amd64": "mac", "arm64": "mac_arm64"}[s.arch]
		return `curl "` + downloads + folder + `/session-manager-plugin.pkg" -o session-manager-plugin.pkg && sudo installer -pkg session-manager-plugin.pkg -target / && ` +
			"sudo ln -s /usr/local/sessionmanagerplugin/bin/session-manager-plugin /usr/local/bin/session-manager-plugin"
	case s.os == "windows":
		return "winget install Amazon.SessionManagerPlugin"
	case s.is("arch"):
		return "from the AUR: aws-session-manager-plugin"
	case size == "":
		return "see the page"
	case s.is("amzn", "fedora", "rhel", "centos"):
		return "sudo dnf install -y " + downloads + "linux_" + size + "/session-manager-plugin.rpm"
	case s.is("suse", "opensuse", "sles"):
		return "sudo zypper install " + downloads + "linux_" + size + "/session-manager-plugin.rpm"
	case !s.has("dpkg"): // Alpine, for example
		return "see the page"
	}
	return `curl "` + downloads + "ubuntu_" + size + `/session-manager-plugin.deb" -o session-manager-plugin.deb && sudo dpkg -i session-manager-plugin.deb`
}

// howToInstall says how to get the program that is missing, or too old, on this system.
func (r *run) howToInstall(err error) error {
	var missing process.Missing
	if errors.As(err, &missing) && missing.Program == "session-manager-plugin" {
		text := fmt.Sprintf("%v. The AWS CLI needs the Session Manager plugin to open a session.\n  On this system: %s\n  All systems:    %s",
			err, thisSystem().plugin(), pluginPage)
		if r.OfferedPlugin != "" {
			text += "\n  Without installing anything: " + r.OfferedPlugin
		}
		return errors.New(text)
	}
	return fmt.Errorf("%w.\n%s", err, HowToInstallCLI())
}

// HowToInstallCLI says how to get the AWS CLI on this system, and on all systems.
func HowToInstallCLI() string {
	return fmt.Sprintf("  On this system: %s\n  All systems:    %s", thisSystem().cli(), cliPage)
}

// needPlugin fails unless a session can be opened from here.
func (r *run) needPlugin() error {
	if r.Plugin != nil {
		if err := r.Plugin(); err != nil {
			return err
		}
	}
	if _, err := process.LookPath("session-manager-plugin", r.Environ); err != nil {
		return r.howToInstall(err)
	}
	return nil
}
