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
	return c.OwnLogKey() || c.OwnSessionKey() || c.Alerts.OwnTopic()
}

// OwnLogKey reports whether session logs need a key of the stack's own.
func (c *Config) OwnLogKey() bool {
	l := c.Logging
	return l.Encryption == ByKMS && l.KMSKeyARN == "" && (l.BucketName == "" || l.CloudWatch)
}

// OwnSessionKey reports whether session data needs a key of the stack's own.
func (c *Config) OwnSessionKey() bool { return c.Session.Encryption && c.Session.KMSKeyARN == "" }
