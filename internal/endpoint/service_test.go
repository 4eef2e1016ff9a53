package endpoint_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"private-ec2-access/internal/endpoint"
	"private-ec2-access/internal/scope"
)

func TestServiceName_ChinaPrefix_InChinaRegionsOnly(t *testing.T) {
	t.Parallel()
	ohio := scope.Scope{Partition: "aws", Region: "us-east-2"}
	beijing := scope.Scope{Partition: "aws-cn", Region: "cn-north-1"}
	plain, prefixed := endpoint.Service{Name: "ssm"}, endpoint.Service{Name: "sts", ChinaPrefix: true}
	require.Equal(t, "com.amazonaws.us-east-2.ssm", plain.ServiceName(ohio))
	require.Equal(t, "com.amazonaws.cn-north-1.ssm", plain.ServiceName(beijing))
	require.Equal(t, "com.amazonaws.us-east-2.sts", prefixed.ServiceName(ohio))
	require.Equal(t, "cn.com.amazonaws.cn-north-1.sts", prefixed.ServiceName(beijing))
}
