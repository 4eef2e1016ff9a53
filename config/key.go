package config

// Key is the KMS key that the stack creates, where it needs one.
type Key struct {
	DeletionWindowInDays int `json:"deletionWindowInDays"`
	RotationPeriodInDays int `json:"rotationPeriodInDays"`
}

func (k Key) validate(v *validator) {
	v.between("key.deletionWindowInDays", k.DeletionWindowInDays, 7, 30, "days")
	v.between("key.rotationPeriodInDays", k.RotationPeriodInDays, 90, 2560, "days")
}

// OwnKey reports whether something is to be encrypted with a key that the stack
// creates.
func (c *Config) OwnKey() bool {
	l := c.Logging
	logs := l.Encryption == ByKMS && l.KMSKeyARN == "" && (l.BucketName == "" || l.CloudWatch)
	return logs || c.Session.Encryption && c.Session.KMSKeyARN == "" || c.Alerts.OwnTopic()
}
