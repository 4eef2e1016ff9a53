package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"private-ec2-access/internal/scope"
	"private-ec2-access/internal/settings"
)

// The same tags go to resources of six services, so each limit here is the
// strictest of theirs:
//
//   - EC2: keys up to 127 characters and values up to 256
//     (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Tag.html).
//   - IAM: these characters; keys of a role that differ only in case are one key;
//     neither keys nor values begin with aws:; 50 tags
//     (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html#id_tags_rules).
//   - Systems Manager: these characters
//     (https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_Tag.html).
//   - CloudWatch Logs: these characters, 50 tags
//     (https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html).
//   - KMS: letters, digits, blanks and these characters, 50 tags
//     (https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/allocation-tag-restrictions.html).
//   - S3: the same for a bucket
//     (https://docs.aws.amazon.com/AmazonS3/latest/userguide/CostAllocTagging.html).
//
// AWS counts characters, not bytes: a Korean syllable is one.
const (
	maxTags     = 50
	maxTagKey   = 127
	maxTagValue = 256
)

// tagText matches what every one of the services allows in a key or a value.
var tagText = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$`)

const tagCharacters = "letters and digits of any script, spaces and any of _.:/=+-@"

// programTags are the keys that the program sets itself, on every resource.
var programTags = []string{"Name", scope.OwnerTag}

// instanceTags are those on an instance.
var instanceTags = append(slices.Clone(programTags), scope.FleetTag)

// validateTags checks the tags and those that the provider adds to them
// (aws:defaultTags, as JSON), which IAM gets in one list.
func (c *Config) validateTags(v *validator, defaultTags string) {
	var byProvider struct {
		Tags map[string]string `json:"tags"`
	}
	_ = json.Unmarshal([]byte(defaultTags), &byProvider) // the provider judges it

	taken := map[string]string{} // by the key in lower case
	for _, key := range programTags {
		taken[strings.ToLower(key)] = key
	}
	for _, key := range slices.Sorted(maps.Keys(c.Tags)) {
		v.tag("tags", key, c.Tags[key], taken)
	}
	for _, key := range slices.Sorted(maps.Keys(byProvider.Tags)) {
		lower := strings.ToLower(key)
		v.check(taken[lower] == "" || taken[lower] == key, settings.Member("aws:defaultTags.tags", key), byProvider.Tags[key],
			"IAM treats it as the same key as "+taken[lower], "a key that differs in more than upper and lower case",
			v.removeOf("aws", settings.Member("defaultTags.tags", key)))
		if taken[lower] == "" {
			taken[lower] = key
		}
	}
	v.check(len(taken) <= maxTags, "tags", fmt.Sprint(len(taken)-len(programTags)),
		"too many tags for one resource", fmt.Sprintf("up to %d, because the program adds %s", maxTags-len(programTags), strings.Join(programTags, " and ")),
		v.set("tags", "'{…}'"))
}

func (v *validator) tag(object, key, value string, taken map[string]string) {
	at, lower := settings.Member(object, key), strings.ToLower(key)
	rename := v.rename(object, key, "VALUE")
	other := taken[lower]
	switch {
	case key == "":
		v.check(false, at, value, "the key of the tag is empty", fmt.Sprintf("1 to %d characters", maxTagKey), rename)
	case !utf8.ValidString(key) || utf8.RuneCountInString(key) > maxTagKey:
		v.check(false, at, value, fmt.Sprintf("the key has %d characters", utf8.RuneCountInString(key)), fmt.Sprintf("1 to %d characters", maxTagKey), rename)
	case !tagText.MatchString(key):
		v.check(false, at, value, "the key has a character that not every AWS service allows", tagCharacters, rename)
	case strings.HasPrefix(lower, "aws:"):
		v.check(false, at, value, "AWS reserves keys that begin with aws:", "any other key", rename)
	case slices.Contains(instanceTags, other) && other == key:
		v.check(false, at, value, "the program sets this tag itself", "any other key", rename)
	case other != "":
		v.check(false, at, value, "IAM treats it as the same key as "+other, "a key that differs in more than upper and lower case", rename)
	default:
		taken[lower] = key
	}
	length := utf8.RuneCountInString(value)
	v.check(length <= maxTagValue, at, fmt.Sprintf("%d characters", length), "the value is too long", fmt.Sprintf("up to %d characters", maxTagValue))
	v.check(tagText.MatchString(value), at, value, "the value has a character that not every AWS service allows", tagCharacters)
	v.check(!strings.HasPrefix(strings.ToLower(value), "aws:"), at, value, "AWS reserves values that begin with aws:", "any other value")
}
