package standin

import (
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/sig"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/structpb"
)

const lifecycleType = "aws:s3/bucketLifecycleConfigurationV2:BucketLifecycleConfigurationV2"

func object(t *testing.T, fields map[string]any) *structpb.Struct {
	t.Helper()
	result, err := structpb.NewStruct(fields)
	require.NoError(t, err)
	return result
}

type (
	m = map[string]any
	l = []any
)

func TestTranslate_RoundTrip_Unchanged(t *testing.T) {
	secret := func(value any) m { return m{sig.Key: sig.Secret, "value": value} }
	for name, tc := range map[string]struct {
		typ         string
		sdk, bridge m
	}{
		"objects become lists of one, at any depth": {
			typ: lifecycleType,
			sdk: m{"bucket": "b", "rules": l{m{"id": "r", "expiration": m{"days": 30.0},
				"filter": m{"prefix": "logs/", "tag": m{"key": "k"}}}}},
			bridge: m{"bucket": "b", "rules": l{m{"id": "r", "expirations": l{m{"days": 30.0}},
				"filters": l{m{"prefix": "logs/", "tags": l{m{"key": "k"}}}}}}},
		},
		"null is an empty list": {
			typ:    lifecycleType,
			sdk:    m{"rules": l{m{"filter": nil}}},
			bridge: m{"rules": l{m{"filters": l{}}}},
		},
		"an unknown value stays": {
			typ:    lifecycleType,
			sdk:    m{"rules": l{m{"filter": "04da6b54-80e4-46f7-96ec-b56ff0331ba9"}}},
			bridge: m{"rules": l{m{"filters": "04da6b54-80e4-46f7-96ec-b56ff0331ba9"}}},
		},
		"a secret stays secret": {
			typ:    lifecycleType,
			sdk:    m{"rules": secret(l{m{"filter": secret(m{"prefix": "p"})}})},
			bridge: m{"rules": secret(l{m{"filters": secret(l{m{"prefix": "p"}})}})},
		},
		"lists of one become objects": {
			typ:    "aws:s3/bucketV2:BucketV2",
			sdk:    m{"versionings": l{m{"enabled": true}}, "websites": l{}},
			bridge: m{"versioning": m{"enabled": true}, "website": nil},
		},
		"names alone": {
			typ:    "aws:ec2/securityGroup:SecurityGroup",
			sdk:    m{"ingress": l{m{"fromPort": 1.0}}, "egress": l{}},
			bridge: m{"ingresses": l{m{"fromPort": 1.0}}, "egresses": l{}},
		},
		"a type without differences": {
			typ:    "aws:ec2/vpc:Vpc",
			sdk:    m{"cidrBlock": "10.0.0.0/16", "tags": m{"ingress": "x"}},
			bridge: m{"cidrBlock": "10.0.0.0/16", "tags": m{"ingress": "x"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			table := sdkProperties[tc.typ]
			require.Equal(t, tc.bridge, table.translate(object(t, tc.sdk)).AsMap())
			require.Equal(t, tc.sdk, table.inverted().translate(object(t, tc.bridge)).AsMap())
		})
	}
}

func TestTranslate_ListTooLong_Kept(t *testing.T) {
	// The provider then says what is wrong; to pick one item would be to drop the others.
	two := m{"versionings": l{m{"enabled": true}, m{"enabled": false}}}
	require.Equal(t, m{"versioning": two["versionings"]},
		sdkProperties["aws:s3/bucketV2:BucketV2"].translate(object(t, two)).AsMap())
}

func TestTranslate_Nil_Nil(t *testing.T) {
	require.Nil(t, sdkProperties[lifecycleType].translate(nil))
}

func TestTranslatePath(t *testing.T) {
	for _, tc := range []struct{ typ, sdk, bridge string }{
		{lifecycleType, "bucket", "bucket"},
		{lifecycleType, "rules[0].expiration.days", "rules[0].expirations[0].days"},
		{lifecycleType, "rules[1].filter.tag.key", "rules[1].filters[0].tags[0].key"},
		{"aws:s3/bucketV2:BucketV2", "versionings[0].enabled", "versioning.enabled"},
		{"aws:ec2/securityGroup:SecurityGroup", "ingress[2].fromPort", "ingresses[2].fromPort"},
		{"aws:ec2/vpc:Vpc", `tags["a.b"]`, `tags["a.b"]`},
	} {
		table := sdkProperties[tc.typ]
		require.Equal(t, tc.bridge, table.translatePath(tc.sdk))
		require.Equal(t, tc.sdk, table.inverted().translatePath(tc.bridge))
	}
	toSDK := sdkProperties[lifecycleType].inverted()
	require.Equal(t, "rules[0].filter", toSDK.translatePath("rules[0].filters[0]"))
	require.Equal(t, []string{"rules[0].filter"}, toSDK.translatePaths([]string{"rules[0].filters", "rules[0].filters[0]"}))
	require.Equal(t, "rules[*].expirations", sdkProperties[lifecycleType].translatePath("rules[*].expiration"))
}
