package config

// Choice is true, false, or auto: the default of the stack's kind.
type Choice string

// Refuse is KeepRecords' fourth choice: a destroy fails before it deletes
// anything.
const Refuse Choice = "refuse"

// Or gives the choice as a boolean, with the default for auto.
func (c Choice) Or(byKind bool) bool {
	if c == "auto" {
		return byKind
	}
	return c == "true"
}
