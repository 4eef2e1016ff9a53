package standin

import (
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/sig"
	"google.golang.org/protobuf/types/known/structpb"
)

// property says how the other side spells a property. The zero value says: the same.
type property struct {
	// name is the other side's name, "" when it is the same.
	name string
	// shape is what the value becomes on the other side.
	shape shape
	// nested holds the properties of the object, or of the list's objects, that are spelled otherwise.
	nested properties
}

// properties holds the properties that differ between the two sides, by their name on one of them.
type properties map[string]property

type shape int

const (
	_ shape = iota // the same on both sides
	// wrapped: an object here is a list of one there, and null here is an empty list there.
	wrapped
	// unwrapped: a list of at most one here is an object or null there.
	unwrapped
)

// sdkProperties holds, by the SDK's type, the properties that the SDK spells otherwise than the bridge.
//
// The bridge derives names and shapes from the Terraform provider alone; pulumi-aws overrides some. All inputs
// and outputs of all types that the project uses are compared in TestProperties_MatchSDK.
var sdkProperties = map[string]properties{
	"aws:sns/topicSubscription:TopicSubscription":       {"topic": {name: "topicArn"}},
	"aws:ec2/defaultNetworkAcl:DefaultNetworkAcl":       rulesProperties,
	"aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": rulesProperties,
	"aws:ec2/networkAcl:NetworkAcl":                     rulesProperties,
	"aws:ec2/securityGroup:SecurityGroup":               rulesProperties,
	"aws:s3/bucketLifecycleConfigurationV2:BucketLifecycleConfigurationV2": {
		"rules": {nested: properties{
			"abortIncompleteMultipartUpload": {name: "abortIncompleteMultipartUploads", shape: wrapped},
			"expiration":                     {name: "expirations", shape: wrapped},
			"filter": {name: "filters", shape: wrapped, nested: properties{
				"and": {name: "ands", shape: wrapped},
				"tag": {name: "tags", shape: wrapped},
			}},
			"noncurrentVersionExpiration": {name: "noncurrentVersionExpirations", shape: wrapped},
		}},
	},
	// Every one of these is deprecated as an input, but each is an output too.
	"aws:s3/bucketV2:BucketV2": {
		"lifecycleRules": {nested: properties{
			"expirations":                  {name: "expiration", shape: unwrapped},
			"noncurrentVersionExpirations": {name: "noncurrentVersionExpiration", shape: unwrapped},
		}},
		"loggings": {name: "logging", shape: unwrapped},
		"objectLockConfiguration": {nested: properties{
			"rules": {name: "rule", shape: unwrapped, nested: properties{
				"defaultRetentions": {name: "defaultRetention", shape: unwrapped},
			}},
		}},
		"replicationConfigurations": {name: "replicationConfiguration", shape: unwrapped, nested: properties{
			"rules": {nested: properties{
				"destinations": {name: "destination", shape: unwrapped, nested: properties{
					"accessControlTranslations": {name: "accessControlTranslation", shape: unwrapped},
					"metrics":                   {shape: unwrapped},
					"replicationTimes":          {name: "replicationTime", shape: unwrapped},
				}},
				"filters": {name: "filter", shape: unwrapped},
				"sourceSelectionCriterias": {name: "sourceSelectionCriteria", shape: unwrapped, nested: properties{
					"sseKmsEncryptedObjects": {shape: unwrapped},
				}},
			}},
		}},
		"serverSideEncryptionConfigurations": {name: "serverSideEncryptionConfiguration", shape: unwrapped, nested: properties{
			"rules": {name: "rule", shape: unwrapped, nested: properties{
				"applyServerSideEncryptionByDefaults": {name: "applyServerSideEncryptionByDefault", shape: unwrapped},
			}},
		}},
		"versionings": {name: "versioning", shape: unwrapped},
		"websites":    {name: "website", shape: unwrapped},
	},
}

var rulesProperties = properties{
	"egress":  {name: "egresses"},
	"ingress": {name: "ingresses"},
}

// inverted returns the same differences as seen from the other side.
func (ps properties) inverted() properties {
	inverse := properties{}
	for name, p := range ps {
		back := property{nested: p.nested.inverted(), shape: map[shape]shape{wrapped: unwrapped, unwrapped: wrapped}[p.shape]}
		if p.name != "" {
			name, back.name = p.name, name
		}
		inverse[name] = back
	}
	return inverse
}

// otherName returns the other side's name of the property called name here.
func (p property) otherName(name string) string {
	if p.name != "" {
		return p.name
	}
	return name
}

// translate returns the object as the other side spells it. It does not change the object.
func (ps properties) translate(object *structpb.Struct) *structpb.Struct {
	if len(ps) == 0 || object == nil {
		return object
	}
	result := &structpb.Struct{Fields: make(map[string]*structpb.Value, len(object.Fields))}
	for name, value := range object.Fields {
		p := ps[name]
		result.Fields[p.otherName(name)] = p.translate(value)
	}
	return result
}

func (p property) translate(v *structpb.Value) *structpb.Value {
	if object := v.GetStructValue(); object != nil && object.Fields[sig.Key] != nil {
		// A secret or an output wraps the value; what else has a signature is not looked into.
		wrapper := &structpb.Struct{Fields: make(map[string]*structpb.Value, len(object.Fields))}
		for name, field := range object.Fields {
			if name == "value" {
				field = p.translate(field)
			}
			wrapper.Fields[name] = field
		}
		return structpb.NewStructValue(wrapper)
	}
	_, isNull := v.GetKind().(*structpb.Value_NullValue)
	switch object, list := v.GetStructValue(), v.GetListValue(); {
	case p.shape == wrapped && isNull:
		return structpb.NewListValue(&structpb.ListValue{})
	case p.shape == wrapped && object != nil:
		item := structpb.NewStructValue(p.nested.translate(object))
		return structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{item}})
	case p.shape == unwrapped && list != nil && len(list.Values) == 0:
		return structpb.NewNullValue()
	case p.shape == unwrapped && list != nil && len(list.Values) == 1:
		return property{nested: p.nested}.translate(list.Values[0])
	case object != nil:
		return structpb.NewStructValue(p.nested.translate(object))
	case list != nil:
		items := make([]*structpb.Value, len(list.Values))
		for i, item := range list.Values {
			items[i] = property{nested: p.nested}.translate(item)
		}
		return structpb.NewListValue(&structpb.ListValue{Values: items})
	default:
		return v
	}
}

// translatePath returns a path such as rules[0].expiration.days as the other side spells it.
func (ps properties) translatePath(path string) string {
	if len(ps) == 0 {
		return path
	}
	steps, err := resource.ParsePropertyPath(path)
	if err != nil {
		return path // not a path, then nothing to translate in it
	}
	var result resource.PropertyPath
	for i := 0; i < len(steps); i++ {
		name, ok := steps[i].(string)
		p := ps[name]
		if !ok || name == "*" { // an index into the list that the name before named
			result = append(result, steps[i])
			continue
		}
		result = append(result, p.otherName(name))
		if more := i+1 < len(steps); p.shape == wrapped && more {
			result = append(result, 0)
		} else if p.shape == unwrapped && more {
			i++ // the index
		}
		ps = p.nested
	}
	return strings.ReplaceAll(result.String(), `["*"]`, "[*]") // the library reads [*] and writes ["*"]
}

func (ps properties) translatePaths(paths []string) []string {
	var result []string
	for _, path := range paths {
		if other := ps.translatePath(path); !slices.Contains(result, other) {
			result = append(result, other)
		}
	}
	return result
}
