package account

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/resourcegroupstaggingapi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// LogBuckets lists, by name and sorted, the log buckets that a stack ever made
// in its Region and that still exist, by the tag that they carry
// (https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_GetResources.html).
func LogBuckets(ctx *pulumi.Context, owner string) ([]string, error) {
	found, err := resourcegroupstaggingapi.GetResources(ctx, &resourcegroupstaggingapi.GetResourcesArgs{
		ResourceTypeFilters: []string{"s3"},
		TagFilters:          []resourcegroupstaggingapi.GetResourcesTagFilter{{Key: OwnerTag, Values: []string{owner}}},
	})
	if err != nil {
		return nil, fmt.Errorf("looking for the log buckets of the stack %s: %w", owner, err)
	}
	var names []string
	for _, resource := range found.ResourceTagMappingLists {
		if _, name, ok := strings.Cut(resource.ResourceArn, ":::"); ok { // a bucket's ARN has neither Region nor account
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}
