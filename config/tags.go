package config

import (
	"strings"

	"private-ec2-access/internal/scope"
)

func (v *validator) tag(key, value string) {
	at := "tags." + key
	v.check(!strings.HasPrefix(strings.ToLower(key), "aws:") && len(key) <= 128, at, value, "AWS reserves this key, or it is too long",
		"up to 128 characters that do not begin with aws:", v.rename(at))
	v.check(key != "Name" && key != scope.OwnerTag, at, value, "the program sets this tag itself", "any other key", v.rename(at))
	v.check(len(value) <= 256, at, value, "too long", "up to 256 characters", "")
}
