package emulator

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// secret is the tests' own, so that requests can be signed before it is known who answers them.
const secret = "secret-of-the-tests"

// signed is a request with a signature as an SDK makes it.
func signed(t *testing.T, method, address, service, region, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	require.NoError(t, err)
	if service != "s3" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	}
	sign(t, r, aws.Credentials{AccessKeyID: AccessKeyID, SecretAccessKey: secret}, service, region, body)
	return r
}

func sign(t *testing.T, r *http.Request, by aws.Credentials, service, region, body string) {
	t.Helper()
	sum := sha256.Sum256([]byte(body))
	require.NoError(t, v4.NewSigner().SignHTTP(t.Context(), by, r, hex.EncodeToString(sum[:]), service, region, time.Now()))
}

func query(t *testing.T, address, service, form string) *http.Request {
	t.Helper()
	return signed(t, http.MethodPost, address+"/", service, "us-east-2", form)
}

func jsonCall(t *testing.T, address, service, target, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address+"/", strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("X-Amz-Target", target)
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	sign(t, r, aws.Credentials{AccessKeyID: AccessKeyID, SecretAccessKey: secret}, service, "us-east-2", body)
	return r
}

// send returns status, header and body of the answer.
func send(t *testing.T, r *http.Request) (int, http.Header, string) {
	t.Helper()
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, response.Header, string(body)
}

// stub is a front before a handler that stands for moto.
func stub(t *testing.T, moto http.HandlerFunc, rules ...Rule) (*front, string) {
	t.Helper()
	behind := httptest.NewServer(moto)
	t.Cleanup(behind.Close)
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, behind.Listener.Addr().String())
	}
	f := newFront(dial, rules, log.New(io.Discard, "", 0))
	before := httptest.NewServer(f)
	t.Cleanup(before.Close)
	return f, before.URL
}

func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%s %s %s", r.Method, r.URL.RequestURI(), body)
}

func TestReadRequest(t *testing.T) {
	cases := []struct {
		name          string
		request       *http.Request
		service, call string
		params        map[string]string
	}{
		{
			"query protocol", query(t, "http://x", "ec2", "Action=DescribeVpcEndpointServices&ServiceName.1=a&Filter.1.Name=b"),
			"ec2", "DescribeVpcEndpointServices",
			map[string]string{"Action": "DescribeVpcEndpointServices", "ServiceName.1": "a", "Filter.1.Name": "b"},
		},
		{
			"JSON protocol", jsonCall(t, "http://x", "ssm", "AmazonSSM.GetParameters", `{"Names":["a","b"],"WithDecryption":true,"F":[{"K":"v"}]}`),
			"ssm", "GetParameters",
			map[string]string{"Names.1": "a", "Names.2": "b", "WithDecryption": "true", "F.1.K": "v"},
		},
		{
			"JSON protocol, a service whose name has dots",
			jsonCall(t, "http://x", "cloudtrail", "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.GetTrailStatus", `{"Name":"main"}`),
			"cloudtrail", "GetTrailStatus", map[string]string{"Name": "main"},
		},
		{
			"presigned", func() *http.Request {
				r, _ := http.NewRequest(http.MethodGet, "http://x/b/k?X-Amz-Credential=A%2F20260101%2Feu-west-1%2Fs3%2Faws4_request&X-Amz-Expires=9", nil)
				return r
			}(),
			"s3", "GetObject",
			map[string]string{"Bucket": "b", "Key": "k", "X-Amz-Expires": "9", "X-Amz-Credential": "A/20260101/eu-west-1/s3/aws4_request"},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			q, err := readRequest(c.request)
			require.NoError(t, err)
			assert.Equal(t, c.service, q.Service)
			assert.Equal(t, c.call, q.Action)
			assert.Equal(t, c.params, q.Params)
		})
	}
}

func TestReadRequest_S3_NamesAction(t *testing.T) {
	for shape, action := range map[string]string{
		"GET /":                                    "ListBuckets",
		"GET /?x-id=ListBuckets":                   "ListBuckets",
		"GET /b":                                   "ListObjects",
		"GET /b/?list-type=2&prefix=a%2Fb":         "ListObjectsV2",
		"GET /b?versions&max-keys=1":               "ListObjectVersions",
		"GET /b?uploads":                           "ListMultipartUploads",
		"HEAD /b":                                  "HeadBucket",
		"PUT /b":                                   "CreateBucket",
		"DELETE /b":                                "DeleteBucket",
		"GET /b?policy":                            "GetBucketPolicy",
		"PUT /b?policy=":                           "PutBucketPolicy",
		"DELETE /b?policy":                         "DeleteBucketPolicy",
		"GET /b?policyStatus":                      "GetBucketPolicyStatus",
		"PUT /b?publicAccessBlock":                 "PutPublicAccessBlock",
		"GET /b?object-lock":                       "GetObjectLockConfiguration",
		"PUT /b?lifecycle":                         "PutBucketLifecycleConfiguration",
		"DELETE /b?lifecycle":                      "DeleteBucketLifecycle",
		"POST /b?delete":                           "DeleteObjects",
		"PUT /b/a/k?x-id=PutObject":                "PutObject",
		"PUT /b/k?partNumber=1&uploadId=u":         "UploadPart",
		"POST /b/k?uploads":                        "CreateMultipartUpload",
		"POST /b/k?uploadId=u":                     "CompleteMultipartUpload",
		"DELETE /b/k?uploadId=u":                   "AbortMultipartUpload",
		"GET /b/k?versionId=1":                     "GetObject",
		"HEAD /b/k":                                "HeadObject",
		"GET /b/k?tagging":                         "GetObjectTagging",
		"PUT /b/k?retention":                       "PutObjectRetention",
		"GET /b?intelligent-tiering&x-id=whatever": "GET ?intelligent-tiering",
	} {
		method, address, _ := strings.Cut(shape, " ")
		q, err := readRequest(signed(t, method, "http://x"+address, "s3", "us-east-2", ""))
		require.NoError(t, err)
		assert.Equal(t, action, q.Action, shape)
	}
}

func TestFail_EachProtocol_HasServiceFormat(t *testing.T) {
	_, address := stub(t, echo, Fail("*", "*", 403, "Unauthorized<Operation>", `not "allowed"`))
	cases := map[string]struct {
		request *http.Request
		want    string
	}{
		"ec2": {query(t, address, "ec2", "Action=DescribeVpcs"), "<Response><Errors><Error><Code>Unauthorized&lt;Operation&gt;</Code>"},
		"iam": {query(t, address, "iam", "Action=GetRole"), "<ErrorResponse><Error><Type>Sender</Type><Code>Unauthorized&lt;Operation&gt;</Code>"},
		"s3":  {signed(t, http.MethodGet, address+"/b?policy", "s3", "us-east-2", ""), "<Error><Code>Unauthorized&lt;Operation&gt;</Code>"},
		"ssm": {jsonCall(t, address, "ssm", "AmazonSSM.GetParameter", "{}"), `"message":"not \"allowed\""`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			status, _, body := send(t, c.request)
			assert.Equal(t, 403, status)
			assert.Contains(t, body, c.want)
		})
	}
}

func TestRules_Several_NewestFirst(t *testing.T) {
	f, address := stub(t, echo, Answer("ec2", "DescribeVpcs", 200, "old"))
	describe := func() string {
		_, _, body := send(t, query(t, address, "ec2", "Action=DescribeVpcs&VpcId.1=vpc-1"))
		return body
	}
	assert.Equal(t, "old", describe())

	limited := Answer("ec2", "DescribeVpcs", 200, "once")
	limited.Times = 1
	f.add(limited, nil)
	assert.Equal(t, "once", describe())
	assert.Equal(t, "old", describe())

	other := Answer("ec2", "DescribeVpcs|DescribeSubnets", 200, "other VPC")
	other.Where = map[string]string{"VpcId": "vpc-2"}
	f.add(other, nil)
	assert.Equal(t, "old", describe())

	mine := Answer("ec2", "", 200, "mine")
	mine.Contains = "VpcId.1=vpc-1"
	a := f.add(mine, nil)
	f.add(PassOn("ec2", "*", func(_ *Request, r *Reply) error {
		r.Body = append(r.Body, " changed"...)
		return nil
	}), nil)
	assert.Equal(t, "mine changed", describe())
	f.remove(func(b *added) bool { return a == b })
	assert.Equal(t, "old changed", describe())
}

func TestPassOn_ChangesTheReplyAndListsTheCall(t *testing.T) {
	f, address := stub(t, echo, PassOn("ssm", "GetParameter", func(_ *Request, r *Reply) error {
		r.Status, r.Body = http.StatusAccepted, bytes.ToUpper(r.Body)
		return nil
	}))
	status, header, body := send(t, jsonCall(t, address, "ssm", "AmazonSSM.GetParameter", `{"Name":"p"}`))
	assert.Equal(t, http.StatusAccepted, status)
	assert.Equal(t, `POST / {"NAME":"P"}`, body)
	assert.Equal(t, fmt.Sprint(len(body)), header.Get("Content-Length"))

	calls := f.recorded()
	require.Len(t, calls, 1)
	c := calls[0]
	assert.Equal(t, []any{"ssm", "GetParameter", "us-east-2", AccessKeyID, 202, "p", `{"Name":"p"}`, false},
		[]any{c.Service, c.Action, c.Region, c.AccessKey, c.Status, c.Resource, c.Body, c.Writes()})
	assert.Equal(t, []string{"change ssm:GetParameter"}, c.Rules)
	f.reset()
	assert.Empty(t, f.recorded())
}

func TestFront_UnimplementedCall_NotRetried(t *testing.T) {
	for name, moto := range map[string]http.HandlerFunc{
		"said by serve.py": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Emulator-Error", "NotImplementedByEmulator")
			w.WriteHeader(501)
			fmt.Fprint(w, `{"error":"NotImplementedError: no such action"}`)
		},
		"a page": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.WriteHeader(500)
			fmt.Fprint(w, "<!doctype html>\n<title>500</title>")
		},
	} {
		t.Run(name, func(t *testing.T) {
			f, address := stub(t, moto)
			status, header, body := send(t, jsonCall(t, address, "ssm", "AmazonSSM.ListNodes", "{}"))
			assert.Equal(t, http.StatusNotImplemented, status)
			assert.Equal(t, "application/x-amz-json-1.1", header.Get("Content-Type"))
			assert.Contains(t, body, `"__type":"NotImplementedByEmulator"`)
			assert.Contains(t, body, "ssm:ListNodes")
			assert.Equal(t, "NotImplementedByEmulator", f.recorded()[0].ErrorCode)
		})
	}
}

func TestDelay_Call_AnsweredLater(t *testing.T) {
	f, address := stub(t, echo)
	f.add(Rule{Service: "ec2", Action: "CreateVpc", Delay: 150 * time.Millisecond}, nil)
	start := time.Now()
	_, _, body := send(t, query(t, address, "ec2", "Action=CreateVpc"))
	assert.Contains(t, body, "Action=CreateVpc")
	assert.GreaterOrEqual(t, time.Since(start), 150*time.Millisecond)
}

func TestFront_Upload_Unchanged(t *testing.T) {
	f, address := stub(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Size", fmt.Sprint(len(body)))
		w.Header().Set("X-Length", fmt.Sprint(r.ContentLength))
		w.Header().Set("X-Path", r.URL.EscapedPath())
	})
	const size = 3 << 20
	r := signed(t, http.MethodPut, address+"/b/a%2Fb%20c//d", "s3", "us-east-2", strings.Repeat("x", size))
	r.Header.Set("Content-Encoding", "aws-chunked")
	r.Header.Set("Expect", "100-continue")
	_, header, _ := send(t, r)
	assert.Equal(t, fmt.Sprint(size), header.Get("X-Size"))
	assert.Equal(t, fmt.Sprint(size), header.Get("X-Length"))
	assert.Equal(t, "/b/a%2Fb%20c//d", header.Get("X-Path"))

	// Unknown length: Transfer-Encoding chunked.
	r = signed(t, http.MethodPut, address+"/b/k", "s3", "us-east-2", "")
	r.Body, r.ContentLength = io.NopCloser(io.LimitReader(endless{}, size)), -1
	_, header, _ = send(t, r)
	assert.Equal(t, fmt.Sprint(size), header.Get("X-Size"))
	assert.Empty(t, f.recorded()[1].Body)

	// Other bodies beyond the limit still arrive whole.
	r = query(t, address, "sns", "Action=Publish&Message="+strings.Repeat("y", size))
	_, header, _ = send(t, r)
	assert.Equal(t, fmt.Sprint(size+len("Action=Publish&Message=")), header.Get("X-Size"))
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'z'
	}
	return len(p), nil
}

func TestFront_HeadReply_KeepsLength(t *testing.T) {
	_, address := stub(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1234")
		if strings.HasSuffix(r.URL.Path, "absent") {
			w.WriteHeader(http.StatusNotFound)
		}
	})
	for key, status := range map[string]int{"one": 200, "absent": 404} {
		got, header, _ := send(t, signed(t, http.MethodHead, address+"/b/"+key, "s3", "us-east-2", ""))
		assert.Equal(t, status, got)
		assert.Equal(t, "1234", header.Get("Content-Length"))
	}
}

func TestFront_ExpectContinue_AnsweredBeforeBody(t *testing.T) {
	_, address := stub(t, echo)
	connection, err := net.Dial("tcp", strings.TrimPrefix(address, "http://"))
	require.NoError(t, err)
	defer connection.Close()
	require.NoError(t, connection.SetDeadline(time.Now().Add(30*time.Second)))
	fmt.Fprint(connection, "PUT /b/k HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
	reader := bufio.NewReader(connection)
	line, err := reader.ReadString('\n')
	require.NoError(t, err)
	assert.Equal(t, "HTTP/1.1 100 Continue\r\n", line)
	_, err = reader.ReadString('\n')
	require.NoError(t, err)
	fmt.Fprint(connection, "abc")
	line, err = reader.ReadString('\n')
	require.NoError(t, err)
	assert.Equal(t, "HTTP/1.1 200 OK\r\n", line)
}

func TestRules_OverHTTP_AddedAndRemoved(t *testing.T) {
	_, address := stub(t, echo, Record("ec2", "*", "from the start"))
	admin := func(method, path, body string) (int, string) {
		r, err := http.NewRequestWithContext(t.Context(), method, address+AdminPath+path, strings.NewReader(body))
		require.NoError(t, err)
		status, _, text := send(t, r)
		return status, text
	}
	describe := func() string {
		_, _, body := send(t, query(t, address, "ec2", "Action=DescribeVpcs&VpcId.1=vpc-1"))
		return body
	}
	status, text := admin("POST", "rules", `{"service":"ec2","action":"DescribeVpcs","where":{"VpcId":"vpc-1"},
		"fail":{"status":403,"code":"UnauthorizedOperation","message":"no"}}`)
	require.Equal(t, 200, status, text)
	var made RuleSpec
	require.NoError(t, json.Unmarshal([]byte(text), &made))
	assert.Contains(t, describe(), "<Code>UnauthorizedOperation</Code>")

	_, text = admin("GET", "rules", "")
	var specs []RuleSpec
	require.NoError(t, json.Unmarshal([]byte(text), &specs))
	require.Len(t, specs, 2)
	assert.Equal(t, made.ID, specs[0].ID)
	assert.Equal(t, "from the start", specs[1].Name)

	_, text = admin("GET", "calls?service=ec2&action=DescribeVpcs", "")
	var calls []Call
	require.NoError(t, json.Unmarshal([]byte(text), &calls))
	require.Len(t, calls, 1)
	assert.Equal(t, "UnauthorizedOperation", calls[0].ErrorCode)
	admin("DELETE", "calls", "")
	_, text = admin("GET", "calls", "")
	assert.JSONEq(t, "[]", text)

	_, _ = admin("DELETE", "rules/"+fmt.Sprint(made.ID), "")
	assert.Contains(t, describe(), "Action=DescribeVpcs")
	_, _ = admin("POST", "rules", `{"service":"ec2","answer":{"status":200,"body":"x"}}`)
	assert.Equal(t, "x", describe())
	_, _ = admin("DELETE", "rules", "")
	assert.Contains(t, describe(), "Action=DescribeVpcs")
	_, text = admin("GET", "rules", "")
	assert.Contains(t, text, "from the start")

	for spec, want := range map[string]string{
		`{"services":"ec2"}`: "unknown field",
		`{"delay":"soon"}`:   `\"soon\" is not a duration`,
		`{"fail":{"status":200,"code":"x","message":""}}`:                            "status of 400 or more",
		`{"answer":{"status":200},"withoutService":"ec2messages"}`:                   "says 2 things",
		`{"answer":{"status":200},"setParameter":{"name":"a","value":"b"},"name":1}`: "not a rule",
	} {
		status, text = admin("POST", "rules", spec)
		assert.Equal(t, 400, status, spec)
		assert.Contains(t, text, want)
	}
	status, text = admin("DELETE", "rules/77", "")
	assert.Equal(t, 404, status)
	assert.Contains(t, text, `\"77\"`)
	status, text = admin("PUT", "nothing", "")
	assert.Equal(t, 404, status)
	assert.Contains(t, text, "calls, rules, fork, stop and health")
	status, _ = admin("GET", "health", "")
	assert.Equal(t, 200, status)
	status, text = admin("POST", "stop", "")
	assert.Equal(t, 409, status, text)
}

func TestSetParameter(t *testing.T) {
	_, address := stub(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"Parameters":[{"Name":"/other","Value":"1"}],"InvalidParameters":["/aws/x","/absent"]}`)
	}, SetParameter("/aws/x", "ami-2"))
	_, _, body := send(t, jsonCall(t, address, "ssm", "AmazonSSM.GetParameter", `{"Name":"/aws/x"}`))
	assert.Contains(t, body, `"Value":"ami-2"`)
	assert.Contains(t, body, `"ARN":"arn:aws:ssm:us-east-2::parameter/aws/x"`)
	_, _, body = send(t, jsonCall(t, address, "ssm", "AmazonSSM.GetParameters", `{"Names":["/other","/aws/x","/absent"]}`))
	assert.Contains(t, body, `"Value":"ami-2"`)
	assert.Contains(t, body, `"Name":"/other"`)
	assert.Contains(t, body, `"InvalidParameters":["/absent"]`)
	_, _, body = send(t, jsonCall(t, address, "ssm", "AmazonSSM.GetParameter", `{"Name":"/aws/y"}`))
	assert.NotContains(t, body, "ami-2")
}
