package config

import (
	"fmt"
	"regexp"
	"strconv"

	"private-ec2-access/internal/session"
	"private-ec2-access/internal/settings"
)

// Session is the session preferences document.
type Session struct {
	DocumentName       string       `json:"documentName"`
	Adopt              bool         `json:"adopt"`
	IdleSessionTimeout int          `json:"idleSessionTimeout"`
	MaxSessionDuration int          `json:"maxSessionDuration"`
	Encryption         bool         `json:"encryption"`
	KMSKeyARN          string       `json:"kmsKeyArn"`
	RunAsEnabled       bool         `json:"runAsEnabled"`
	RunAsDefaultUser   string       `json:"runAsDefaultUser"`
	ShellProfile       ShellProfile `json:"shellProfile"`
	Reason             string       `json:"reason"` // optional or ReasonRequired
}

// ShellProfile are the commands that run when a session starts.
type ShellProfile struct {
	Linux   string `json:"linux"`
	Windows string `json:"windows"`
}

// ReasonRequired makes `make connect` refuse to start a session without a reason.
const ReasonRequired = "required"

// Preferences are the settings of the session document. Bucket and key are
// empty where the stack creates them. Owner is the stack as PROJECT/STACK.
func (c *Config) Preferences(owner string) session.Preferences {
	s, l := c.Session, c.Logging
	return session.Preferences{
		S3BucketName:       l.BucketName,
		S3KeyPrefix:        l.KeyPrefix,
		LogGroupName:       l.LogGroup(owner),
		LogGroupEncrypted:  l.Encryption == ByKMS,
		Streaming:          l.Streaming,
		KMSKeyID:           s.KMSKeyARN,
		RunAsEnabled:       s.RunAsEnabled,
		RunAsDefaultUser:   s.RunAsDefaultUser,
		IdleSessionTimeout: s.IdleSessionTimeout,
		MaxSessionDuration: s.MaxSessionDuration,
		ShellProfileLinux:  s.ShellProfile.Linux,
		ShellProfileWin:    s.ShellProfile.Windows,
	}
}

var (
	userName     = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,31}$`)
	documentName = regexp.MustCompile(`^[a-zA-Z0-9_.-]{3,128}$`)
	// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_CreateDocument.html
	reservedName = regexp.MustCompile(`^(?i:aws|amazon|amzn)`)
)

// A session document may have 64 KiB, and AWS names no limit for a shell
// profile, so these are the program's own
// (https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_CreateDocument.html).
const (
	maxShellProfile  = 16 << 10 // of one
	maxShellProfiles = 60 << 10 // of both, as JSON
)

func (s Session) validate(v *validator, c *Config) {
	v.check(documentName.MatchString(s.DocumentName) && !reservedName.MatchString(s.DocumentName), "session.documentName", s.DocumentName,
		"not a name of a Systems Manager document", "3 to 128 letters, digits, and any of _.-, not beginning with aws, amazon or amzn")
	v.between("session.idleSessionTimeout", s.IdleSessionTimeout, 1, 60, "minutes")
	v.between("session.maxSessionDuration", s.MaxSessionDuration, 0, 1440, "minutes; 0 sets no limit")
	if below, above, doubtful := doubtfulDuration(s.MaxSessionDuration); doubtful {
		v.check(false, "session.maxSessionDuration", strconv.Itoa(s.MaxSessionDuration),
			"the pattern in AWS's API reference does not match this value, so AWS may refuse the document or ignore the limit",
			fmt.Sprintf("%d or %d are the nearest safe values", below, above))
	}
	v.check(s.MaxSessionDuration <= 0 || s.IdleSessionTimeout <= s.MaxSessionDuration,
		"session.idleSessionTimeout", strconv.Itoa(s.IdleSessionTimeout),
		"longer than the session itself may last (session.maxSessionDuration)",
		fmt.Sprintf("1 to %d minutes", min(60, s.MaxSessionDuration)))
	v.check(!s.Adopt || c.KeepRecords != "false", "keepRecords", string(c.KeepRecords),
		"the session document is adopted (session.adopt) and stays after a destroy, so the bucket that it names has to stay as well",
		"auto, true or refuse, with session.adopt")
	v.oneOf("session.reason", s.Reason, "optional", ReasonRequired)
	v.keyARN("session.kmsKeyArn", s.KMSKeyARN)
	v.check(s.KMSKeyARN == "" || s.Encryption, "session.kmsKeyArn", s.KMSKeyARN,
		"a key is named, but session encryption is off (session.encryption is false)",
		"empty", v.set("session.encryption", "true"), v.remove("session.kmsKeyArn"))
	s.validateRunAs(v)
	for _, profile := range []struct{ system, commands string }{{"linux", s.ShellProfile.Linux}, {"windows", s.ShellProfile.Windows}} {
		v.check(len(profile.commands) <= maxShellProfile, "session.shellProfile."+profile.system,
			fmt.Sprintf("%d bytes", len(profile.commands)), "too long for a session document",
			fmt.Sprintf("up to %d bytes in UTF-8", maxShellProfile))
	}
	inDocument := len(settings.Show(s.ShellProfile))
	v.check(inDocument <= maxShellProfiles || max(len(s.ShellProfile.Linux), len(s.ShellProfile.Windows)) > maxShellProfile, "session.shellProfile",
		fmt.Sprintf("%d bytes", inDocument), "too long for a session document, because JSON escapes some characters",
		fmt.Sprintf("up to %d bytes as JSON", maxShellProfiles), v.set("session.shellProfile.linux", "VALUE"), v.set("session.shellProfile.windows", "VALUE"))
}

func (s Session) validateRunAs(v *validator) {
	const key = "session.runAsDefaultUser"
	v.check(s.RunAsDefaultUser == "" || s.RunAsEnabled, key, s.RunAsDefaultUser,
		"a user is named, but Run As is off (session.runAsEnabled is false)",
		"empty", v.set("session.runAsEnabled", "true"), v.remove(key))
	v.check(s.RunAsDefaultUser != "root", key, s.RunAsDefaultUser, "Session Manager starts no session as root",
		"the name of another user of the instances")
	v.check(s.RunAsDefaultUser == "" || s.RunAsDefaultUser == "root" || userName.MatchString(s.RunAsDefaultUser), key, s.RunAsDefaultUser,
		"not a name of a user", "up to 32 letters, digits and any of _.-, a letter or _ first")
}

// doubtfulDuration reports the values of maxSessionDuration that the pattern of
// AWS's API leaves out, apparently by a slip, with the nearest that it has
// (https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_Session.html).
func doubtfulDuration(minutes int) (below, above int, doubtful bool) {
	if minutes < 1000 || minutes >= 1400 || minutes%100 < 40 {
		return 0, 0, false
	}
	hundred := minutes - minutes%100
	return hundred + 39, hundred + 100, true
}
