package survey

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestRegionError_NoSuchRegion_IsAMistakeWithAFix(t *testing.T) {
	err := regionError("us-east-22", errors.New("rpc error: invocation of aws:index/getRegion:getRegion returned an error: invalid AWS Region: us-east-22"))
	assert.EqualError(t, err, "1 mistake in the stack's config; nothing was changed:\n"+
		"  1. aws:region: AWS has no such Region (got us-east-22)\n"+
		"     Allowed: a Region of AWS, for example us-east-2\n"+
		"     Fix:\n       pulumi config set aws:region REGION")
	assert.EqualError(t, regionError("us-east-2", errors.New("no route")), "finding the stack's Region: no route")
}
