package toolchain

// The versions that the recipe is made and tested with. They are exact on purpose: a change of one of them is a change
// of the project, to be made here (and in tools/pins, which pins the same versions for the way through Go modules).
const (
	PulumiVersion    = "v3.259.0"
	AWSPluginVersion = "v6.83.2"
	// AWSProviderVersion is the Terraform provider that AWSPluginVersion is built around.
	AWSProviderVersion = "5.100.0"
)

// pinnedChecksums holds the SHA-256 of release archives, by file name. Only what is named here is downloaded, and only if
// it is what is named here; everything else is built from Go modules, whose hashes are in go.sum. A new version needs new
// values: a test fails until they are here.
//
// Those of the Pulumi CLI are from the formula that Pulumi publishes for Homebrew (github.com/pulumi/homebrew-tap). Nobody
// publishes those of the AWS plugin apart from the plugin itself, so its stand-in is built.
var pinnedChecksums = map[string]string{
	"pulumi-v3.259.0-darwin-arm64.tar.gz": "57c27f179e527e2cf9f62b841a448af72a020e44b2fb4ee0d9bd85556c00c864",
	"pulumi-v3.259.0-darwin-x64.tar.gz":   "eaca4c3b8277bfa3ab061fa3b270d1c66358a0b2e613da8c5587a04b7226c534",
	"pulumi-v3.259.0-linux-arm64.tar.gz":  "edc8327463a72160bb36cf82cf5062da9c8a244290a706d9980988e7bf486853",
	"pulumi-v3.259.0-linux-x64.tar.gz":    "94ba357acac23d01474084c4b00098dc0f7bc70ce13f34c777459254a5f718e5",
}

// providerHashes are the hashes of the Terraform AWS provider AWSProviderVersion, one for each platform, as `terraform init`
// writes them to .terraform.lock.hcl after it has verified HashiCorp's signature.
var providerHashes = []string{
	"h1:+X3t1uVrM0z4K/lAYUV1SYmO7UBd9/Y4XC11zI9wcQQ=",
	"h1:95JvzqH8cVlNqTBgqfg5UfMZXT2a8K+vygOQ9afj4mQ=",
	"h1:FAfHhUISfZ2hS9itjVfBi71TltLVAHS2ZnQXlldUva0=",
	"h1:FZ4tAR+rsfmMatrfK9BrB6k+EhvolUNR67pSlc8bacs=",
	"h1:H3mU/7URhP0uCRGK8jeQRKxx2XFzEqLiOq/L2Bbiaxs=",
	"h1:Ijt7pOlB7Tr7maGQIqtsLFbl7pSMIj06TVdkoSBcYOw=",
	"h1:MLOPC8C1bKpbqPgtdkn26PSI/zYJZQc35vTLF4GNkXc=",
	"h1:edXOJWE4ORX8Fm+dpVpICzMZJat4AX0VRCAy/xkcOc0=",
	"h1:hVDEfiQis2sEFhiqQUL2MFc3YGyA3NNnk/vNz2J1nfI=",
	"h1:hd45qFU5cFuJMpFGdUniU9mVIr5LYVWP1uMeunBpYYs=",
	"h1:jAEZ9zxrrwIdsPm0ycSiAX0HqnssEN7VdA6B8FC9NqI=",
	"h1:lcDxx0Nx+ifFqTBpxz8Un27O0s+I7UNJAr/rUpSqlig=",
	"h1:qvzqmkxybGRKK4ttHbp4+lvYMOwoDsZKNIT1nRyCEK8=",
	"h1:wOhTPz6apLBuF7/FYZuCoXRK/MLgrNprZ3vXmq83g5k=",
}
