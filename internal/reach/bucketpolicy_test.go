package reach_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"private-ec2-access/internal/reach"
)

// A Deny is certain only where nothing that is yet to be created can decide
// about it.
func TestUpload_Refusal_ByStatement(t *testing.T) {
	t.Parallel()
	first := reach.Upload{Account: "111122223333", ObjectARN: "arn:aws:s3:::logs/sessions/log", Role: "arn:aws:iam::111122223333:role/private-ec2-access-instance-"}
	inVPC, central := first, first
	inVPC.Vpc, inVPC.Endpoint = "vpc-1", "vpce-1"
	central.Elsewhere = true
	const all = `"Sid":"s","Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::logs/*"`
	condition := func(text string) string { return `{"Statement":[{` + all + `,"Condition":` + text + `}]}` }
	for name, c := range map[string]struct {
		upload reach.Upload
		policy string
		want   reach.Status
	}{
		"no statement":            {first, `{"Statement":[]}`, reach.OK},
		"an Allow":                {first, `{"Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}}`, reach.OK},
		"everything":              {first, `{"Statement":{` + all + `}}`, reach.Missing},
		"not JSON":                {first, `?`, reach.Unknown},
		"reads":                   {first, `{"Statement":{"Effect":"Deny","Principal":"*","Action":"s3:Get*","Resource":"*"}}`, reach.OK},
		"all but reads":           {first, `{"Statement":{"Effect":"Deny","Principal":"*","NotAction":"s3:Get*","Resource":"*"}}`, reach.Missing},
		"another prefix":          {first, `{"Statement":{"Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::logs/other/*"}}`, reach.OK},
		"all but another prefix":  {first, `{"Statement":{"Effect":"Deny","Principal":"*","Action":"s3:PutObject","NotResource":"arn:aws:s3:::logs/other/*"}}`, reach.Missing},
		"all but this prefix":     {first, `{"Statement":{"Effect":"Deny","Principal":"*","Action":"s3:PutObject","NotResource":"arn:aws:s3:::logs/sessions/*"}}`, reach.OK},
		"the account":             {first, `{"Statement":{"Effect":"Deny","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"s3:PutObject","Resource":"*"}}`, reach.Missing},
		"another account":         {first, `{"Statement":{"Effect":"Deny","Principal":{"AWS":["444455556666"]},"Action":"s3:PutObject","Resource":"*"}}`, reach.OK},
		"a role of this name":     {first, `{"Statement":{"Effect":"Deny","Principal":{"AWS":"arn:aws:iam::111122223333:role/private-ec2-access-instance-1"},"Action":"*","Resource":"*"}}`, reach.Unknown},
		"all but another account": {first, `{"Statement":{"Effect":"Deny","NotPrincipal":{"AWS":"arn:aws:iam::444455556666:root"},"Action":"*","Resource":"*"}}`, reach.Missing},
		"all but a role":          {first, `{"Statement":{"Effect":"Deny","NotPrincipal":{"AWS":"arn:aws:iam::111122223333:role/x"},"Action":"*","Resource":"*"}}`, reach.Unknown},

		"without TLS":                    {first, condition(`{"Bool":{"aws:SecureTransport":"false"}}`), reach.OK},
		"with TLS":                       {first, condition(`{"Bool":{"aws:SecureTransport":true}}`), reach.Missing},
		"another endpoint, new":          {first, condition(`{"StringNotEquals":{"aws:SourceVpce":"vpce-9"}}`), reach.Missing},
		"another endpoint":               {inVPC, condition(`{"StringNotEquals":{"aws:SourceVpce":["vpce-9"]}}`), reach.Missing},
		"this endpoint":                  {inVPC, condition(`{"StringNotEquals":{"aws:SourceVpce":["vpce-9","vpce-1"]}}`), reach.OK},
		"any endpoint":                   {first, condition(`{"StringNotLike":{"aws:SourceVpce":"vpce-*"}}`), reach.Unknown},
		"any endpoint, known":            {inVPC, condition(`{"StringNotLike":{"aws:SourceVpce":"vpce-*"}}`), reach.OK},
		"no endpoint":                    {first, condition(`{"Null":{"aws:SourceVpce":"true"}}`), reach.OK},
		"an endpoint":                    {first, condition(`{"Null":{"aws:SourceVpce":"false"}}`), reach.Missing},
		"another endpoint, central":      {central, condition(`{"StringNotEquals":{"aws:SourceVpce":"vpce-9"}}`), reach.Unknown},
		"another VPC":                    {inVPC, condition(`{"StringNotEqualsIfExists":{"aws:SourceVpc":"vpc-9"}}`), reach.Missing},
		"this VPC":                       {inVPC, condition(`{"StringNotEquals":{"aws:SourceVpc":"vpc-1"}}`), reach.OK},
		"only from the office":           {first, condition(`{"NotIpAddress":{"aws:SourceIp":"203.0.113.0/24"}}`), reach.Missing},
		"not from the office":            {first, condition(`{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}`), reach.OK},
		"office or VPC":                  {inVPC, condition(`{"NotIpAddress":{"aws:SourceIp":"203.0.113.0/24"},"StringNotEquals":{"aws:SourceVpc":"vpc-1"}}`), reach.OK},
		"another organisation":           {first, condition(`{"StringNotEquals":{"aws:PrincipalOrgID":"o-1"}}`), reach.Unknown},
		"another principal's account":    {first, condition(`{"StringNotEquals":{"aws:PrincipalAccount":"444455556666"}}`), reach.Missing},
		"this account":                   {first, condition(`{"StringNotEquals":{"aws:PrincipalAccount":"111122223333"}}`), reach.OK},
		"only one other role":            {first, condition(`{"ArnNotEquals":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/writer"}}`), reach.Missing},
		"only roles of this name":        {first, condition(`{"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/private-ec2-access-instance-*"}}`), reach.Unknown},
		"only a role of this name":       {first, condition(`{"StringNotLike":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/private-*"}}`), reach.Unknown},
		"without encryption":             {first, condition(`{"Null":{"s3:x-amz-server-side-encryption":"true"}}`), reach.Unknown},
		"unknown, and certainly not":     {first, condition(`{"StringNotEquals":{"aws:PrincipalOrgID":"o-1"},"Bool":{"aws:SecureTransport":"false"}}`), reach.OK},
		"unknown, and otherwise certain": {first, condition(`{"StringNotEquals":{"aws:PrincipalOrgID":"o-1","aws:SourceVpce":"vpce-9"}}`), reach.Unknown},
		"sets of values":                 {first, condition(`{"ForAllValues:StringNotEquals":{"aws:SourceVpce":"vpce-9"}}`), reach.Unknown},
	} {
		got, _ := c.upload.Refusal(c.policy)
		require.Equal(t, c.want, got, name)
	}
	_, sid := first.Refusal(`{"Statement":{` + all + `}}`)
	require.Equal(t, "s", sid)
}
