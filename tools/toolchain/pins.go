package toolchain

// The versions that the recipe is made and tested with. They are exact on purpose: a change of one of them is a change
// of the project, to be made here (and in tools/pins, which pins the same versions for the way through Go modules).
const (
	PulumiVersion    = "v3.259.0"
	AWSPluginVersion = "v6.83.2"
	// AWSProviderVersion is the Terraform provider that AWSPluginVersion is built around.
	AWSProviderVersion = "5.100.0"
)

// pinnedChecksums holds the SHA-256 of release archives, by file name. A value here wins over the checksum file that is
// published beside the archive, so a release that is exchanged later is noticed.
//
// It is empty because the project was written without access to the release server: no value could be checked. Until
// values are entered, the release's own checksum file is what an archive is compared with, which finds a damaged
// download but not an exchanged release.
var pinnedChecksums = map[string]string{}
