package emulator

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// bodyLimit is how much of a request's body is read for matching and recording. What follows is still
// passed on.
const bodyLimit = 1 << 20

// Request is one call, as the rules see it.
type Request struct {
	Service   string // "ec2", "ssm", "s3": the name in the signature
	Action    string // "DescribeVpcs", "PutObject"; "GET ?name" for an S3 call that is not known
	Region    string
	AccessKey string
	// Params holds what was asked for, flat, as the query protocols spell it: "Name", "ServiceName.1",
	// "Filter.1.Value.1". JSON bodies are spelled likewise. S3 has Bucket, Key and the query.
	Params map[string]string
	// Body is the beginning of the body. Uploads of objects are not read: it is empty for them.
	Body []byte
	HTTP *http.Request
}

// Has tells whether the parameter has the value. A name stands for each element of a list, too:
// "ServiceName" also for "ServiceName.2".
func (r *Request) Has(name, value string) bool {
	for k, v := range r.Params {
		if v == value && (k == name || listElement(k, name)) {
			return true
		}
	}
	return false
}

func listElement(key, name string) bool {
	index, found := strings.CutPrefix(key, name+".")
	if !found {
		return false
	}
	index = strings.TrimPrefix(index, "member.") // iam, sts and sns write Name.member.1
	_, err := strconv.Atoi(index)
	return err == nil
}

// text is what a rule's Contains is looked for in.
func (r *Request) text() string {
	uri := r.HTTP.URL.RequestURI()
	if decoded, err := url.QueryUnescape(uri); err == nil {
		uri = decoded
	}
	body := string(r.Body)
	if decoded, err := url.QueryUnescape(body); err == nil && r.protocol() != protocolJSON {
		body = decoded
	}
	return uri + "\n" + body
}

var credential = regexp.MustCompile(`([^/=\s,]+)/\d{8}/([^/]+)/([^/]+)/aws4_request`)

// readRequest says what a request asks for. The request can still be passed on: what was read of its
// body is put back.
func readRequest(h *http.Request) (*Request, error) {
	r := &Request{HTTP: h, Params: map[string]string{}}
	query := h.URL.Query()
	scope := credential.FindStringSubmatch(h.Header.Get("Authorization"))
	if scope == nil {
		scope = credential.FindStringSubmatch(query.Get("X-Amz-Credential"))
	}
	if scope != nil {
		r.AccessKey, r.Region, r.Service = scope[1], scope[2], scope[3]
	}
	target := h.Header.Get("X-Amz-Target")
	if r.Service == "s3" || r.Service == "" && target == "" && query.Get("Action") == "" && !isForm(h) {
		r.Service = "s3"
		r.readS3(query)
		if r.Action == "PutObject" || r.Action == "UploadPart" {
			return r, nil
		}
	}
	if err := r.readBody(); err != nil {
		return nil, err
	}
	switch {
	case r.Service == "s3":
	case target != "":
		r.Action = target[strings.LastIndex(target, ".")+1:] // some services have dots in the name before it
		var body any
		if json.Unmarshal(r.Body, &body) == nil {
			flatten(r.Params, "", body)
		}
	case strings.HasPrefix(h.URL.Path, "/service/") && h.Header.Get("Smithy-Protocol") != "":
		_, r.Action, _ = strings.Cut(h.URL.Path, "/operation/")
	default:
		form, _ := url.ParseQuery(string(r.Body)) // what cannot be read is not matched
		for _, values := range []url.Values{query, form} {
			for k := range values {
				r.Params[k] = values.Get(k)
			}
		}
		r.Action = cmp.Or(r.Params["Action"], h.Method+" "+h.URL.Path)
	}
	return r, nil
}

func isForm(h *http.Request) bool {
	return strings.HasPrefix(h.Header.Get("Content-Type"), "application/x-www-form-urlencoded")
}

func (r *Request) readBody() error {
	if r.HTTP.Body == nil || r.HTTP.Body == http.NoBody {
		return nil
	}
	begin, err := io.ReadAll(io.LimitReader(r.HTTP.Body, bodyLimit))
	if err != nil {
		return err
	}
	r.Body = begin
	r.HTTP.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(begin), r.HTTP.Body), r.HTTP.Body}
	return nil
}

// flatten spells a JSON body as the query protocols would: lists count from 1.
func flatten(into map[string]string, name string, value any) {
	join := func(k string) string {
		if name == "" {
			return k
		}
		return name + "." + k
	}
	switch v := value.(type) {
	case map[string]any:
		for k, one := range v {
			flatten(into, join(k), one)
		}
	case []any:
		for i, one := range v {
			flatten(into, join(strconv.Itoa(i+1)), one)
		}
	case string:
		into[name] = v
	case nil:
	default:
		text, err := json.Marshal(v)
		if err == nil {
			into[name] = string(text)
		}
	}
}

// S3 names the part of a bucket or object that is meant by a query parameter without a value.
var (
	bucketParts = map[string]string{
		"accelerate": "BucketAccelerateConfiguration", "acl": "BucketAcl", "cors": "BucketCors",
		"encryption": "BucketEncryption", "lifecycle": "BucketLifecycleConfiguration",
		"location": "BucketLocation", "logging": "BucketLogging", "notification": "BucketNotificationConfiguration",
		"object-lock": "ObjectLockConfiguration", "ownershipControls": "BucketOwnershipControls",
		"policy": "BucketPolicy", "policyStatus": "BucketPolicyStatus", "publicAccessBlock": "PublicAccessBlock",
		"replication": "BucketReplication", "requestPayment": "BucketRequestPayment", "tagging": "BucketTagging",
		"versioning": "BucketVersioning", "website": "BucketWebsite",
	}
	objectParts = map[string]string{
		"acl": "ObjectAcl", "attributes": "ObjectAttributes", "legal-hold": "ObjectLegalHold",
		"retention": "ObjectRetention", "tagging": "ObjectTagging",
	}
	// Whole names, where verb and part do not make one.
	s3Names = map[string]string{
		"GET ":                       "ListBuckets",
		"GET bucket":                 "ListObjects",
		"GET bucket list-type":       "ListObjectsV2",
		"GET bucket versions":        "ListObjectVersions",
		"GET bucket uploads":         "ListMultipartUploads",
		"HEAD bucket":                "HeadBucket",
		"PUT bucket":                 "CreateBucket",
		"DELETE bucket":              "DeleteBucket",
		"DELETE bucket lifecycle":    "DeleteBucketLifecycle",
		"POST bucket delete":         "DeleteObjects",
		"GET object":                 "GetObject",
		"GET object uploadId":        "ListParts",
		"HEAD object":                "HeadObject",
		"PUT object":                 "PutObject",
		"PUT object uploadId":        "UploadPart",
		"POST object uploads":        "CreateMultipartUpload",
		"POST object uploadId":       "CompleteMultipartUpload",
		"POST object restore":        "RestoreObject",
		"POST object select":         "SelectObjectContent",
		"DELETE object":              "DeleteObject",
		"DELETE object uploadId":     "AbortMultipartUpload",
		"PUT object x-amz-copy":      "CopyObject",
		"PUT object x-amz-copy part": "UploadPartCopy",
	}
	s3Verbs = map[string]string{http.MethodGet: "Get", http.MethodPut: "Put", http.MethodDelete: "Delete"}
	// Parameters that only say how, so that they do not make another action.
	s3Options = regexp.MustCompile(`^(x-id|versionId|partNumber|prefix|delimiter|marker|max-.*|encoding-type|fetch-owner|` +
		`start-after|continuation-token|key-marker|version-id-marker|upload-id-marker|bucket-region|response-.*|(?i:x-amz-.*))$`)
)

func (r *Request) readS3(query url.Values) {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.HTTP.URL.Path, "/"), "/")
	kind, parts := "", map[string]string{}
	if bucket != "" {
		kind, parts = "bucket", bucketParts
		r.Params["Bucket"] = bucket
	}
	if key != "" {
		kind, parts = "object", objectParts
		r.Params["Key"] = key
	}
	part := ""
	for k := range query {
		r.Params[k] = query.Get(k)
		if !s3Options.MatchString(k) && (part == "" || k < part) {
			part = k
		}
	}
	method := r.HTTP.Method
	if r.HTTP.Header.Get("X-Amz-Copy-Source") != "" {
		switch part {
		case "":
			part = "x-amz-copy"
		case "uploadId":
			part = "x-amz-copy part"
		}
	}
	shape := strings.TrimSuffix(method+" "+kind+" "+part, " ")
	if kind == "" {
		shape = method + " " + part
	}
	switch {
	case s3Names[shape] != "":
		r.Action = s3Names[shape]
	case parts[part] != "" && s3Verbs[method] != "":
		r.Action = s3Verbs[method] + parts[part]
	default:
		r.Action = strings.TrimSpace(method + " ?" + part)
	}
}
