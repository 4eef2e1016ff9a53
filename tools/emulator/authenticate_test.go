//go:build unix

package emulator

import (
	"context"
	"encoding/xml"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func root(secret string) aws.Credentials {
	return aws.Credentials{AccessKeyID: AccessKeyID, SecretAccessKey: secret}
}

// What a web page can make a browser send, with every header that tells it from a program's call left out but one. A page
// that fails here could change the session document, and so run a command in the next session.
func TestEmulator_WebPage_Refused(t *testing.T) {
	e := start(t)
	port := e.URL()[strings.LastIndex(e.URL(), ":")+1:]
	for name, change := range map[string]func(r *http.Request){
		"of another site":               func(r *http.Request) { r.Header.Set("Origin", "https://example.com") },
		"of a file":                     func(r *http.Request) { r.Header.Set("Origin", "null") },
		"of this machine":               func(r *http.Request) { r.Header.Set("Origin", e.URL()) },
		"an image":                      func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"a name that resolves here":     func(r *http.Request) { r.Host = "rebound.example.com:" + port },
		"a name below localhost":        func(r *http.Request) { r.Host = "page.localhost:" + port },
		"an address of another machine": func(r *http.Request) { r.Host = "192.0.2.1:" + port },
		"without a host":                func(r *http.Request) { r.Host = ":" + port },
	} {
		for _, path := range []string{"/", "/moto-api/reset", AdminPath + "calls", "/_session/any", "/bucket/key"} {
			for _, method := range []string{http.MethodOptions, http.MethodGet, http.MethodPost} {
				r, err := http.NewRequestWithContext(t.Context(), method, e.URL()+path, nil)
				require.NoError(t, err)
				change(r)
				sign(t, r, root(secret), "ssm", "us-east-2", "")
				status, header, body := send(t, r)
				assert.Equal(t, http.StatusForbidden, status, "%s: %s %s: %s", name, method, path, body)
				for header := range header {
					assert.NotContains(t, header, "Access-Control")
				}
			}
		}
	}
	for _, host := range []string{"127.0.0.1:" + port, "localhost:" + port, "[::1]:" + port, "127.0.0.1"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, e.URL(), strings.NewReader("Action=GetCallerIdentity&Version=2011-06-15"))
		require.NoError(t, err)
		r.Host = host
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		sign(t, r, root(secret), "sts", "us-east-2", "Action=GetCallerIdentity&Version=2011-06-15")
		status, header, body := send(t, r)
		assert.Equal(t, http.StatusOK, status, "%s: %s", host, body)
		assert.Empty(t, header.Get("Access-Control-Allow-Origin"))
	}
}

// Another user of the machine reaches the port, and knows everything but the secret.
func TestEmulator_CallerWithoutSecret_Refused(t *testing.T) {
	e := start(t)
	call := func(change func(r *http.Request)) (int, string) {
		r := jsonCall(t, e.URL(), "ssm", "AmazonSSM.DescribeDocument", `{"Name":"absent"}`)
		change(r)
		status, _, body := send(t, r)
		return status, body
	}
	replace := func(old, with string) func(r *http.Request) {
		return func(r *http.Request) {
			before := r.Header.Get("Authorization")
			r.Header.Set("Authorization", strings.Replace(before, old, with, 1))
			require.NotEqual(t, before, r.Header.Get("Authorization"))
		}
	}
	resign := func(by aws.Credentials, at time.Time) func(r *http.Request) {
		return func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader("{}")), 2
			require.NoError(t, v4.NewSigner().SignHTTP(t.Context(), by, r, "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a", "ssm", "us-east-2", at))
		}
	}
	status, body := call(func(*http.Request) {})
	require.Equal(t, http.StatusBadRequest, status)
	require.Contains(t, body, "InvalidDocument", "the call itself is answered")
	_, body = call(resign(root(secret), time.Now().Add(-10*time.Minute)))
	require.NotContains(t, body, "Signature", "a clock may differ a little")

	for name, c := range map[string]struct {
		change func(r *http.Request)
		code   string
	}{
		"no signature":           {func(r *http.Request) { r.Header.Del("Authorization") }, "MissingAuthenticationToken"},
		"another scheme":         {func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+secret) }, "MissingAuthenticationToken"},
		"the old secret key":     {resign(root("test"), time.Now()), "SignatureDoesNotMatch"},
		"an empty secret key":    {resign(root(""), time.Now()), "SignatureDoesNotMatch"},
		"a guessed signature":    {replace("Signature=", "Signature="+strings.Repeat("0", 64)+"&"), "MissingAuthenticationToken"},
		"another access key":     {replace("Credential=test/", "Credential=AKIAIOSFODNN7EXAMPLE/"), "InvalidClientTokenId"},
		"moto's own key":         {resign(aws.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEXAMPLEKEY"}, time.Now()), "InvalidClientTokenId"},
		"another service":        {replace("/ssm/", "/iam/"), "SignatureDoesNotMatch"},
		"another Region":         {replace("/us-east-2/", "/eu-west-1/"), "SignatureDoesNotMatch"},
		"a target left unsigned": {replace(";x-amz-target", ""), "AccessDenied"},
		"a changed target": {func(r *http.Request) {
			resign(root(secret), time.Now())(r)
			r.Header.Set("X-Amz-Target", "AmazonSSM.ListDocuments")
		}, "SignatureDoesNotMatch"},
		"a changed body":        {func(r *http.Request) { r.Body, r.ContentLength = io.NopCloser(strings.NewReader("{}")), 2 }, "SignatureDoesNotMatch"},
		"a changed query":       {func(r *http.Request) { r.URL.RawQuery = "Action=x" }, "SignatureDoesNotMatch"},
		"a changed path":        {func(r *http.Request) { r.URL.Path = "/moto-api/reset" }, "SignatureDoesNotMatch"},
		"an old signature":      {resign(root(secret), time.Now().Add(-16*time.Minute)), "RequestExpired"},
		"a signature to come":   {resign(root(secret), time.Now().Add(16*time.Minute)), "RequestExpired"},
		"a date out of scope":   {func(r *http.Request) { r.Header.Set("X-Amz-Date", "20200101T000000Z") }, "IncompleteSignature"},
		"a scope that is short": {replace("/aws4_request", ""), "IncompleteSignature"},
	} {
		status, body := call(c.change)
		assert.GreaterOrEqual(t, status, 400, name)
		assert.Contains(t, body, c.code, name)
	}

	// The account was not reset, and nobody reads its calls or rules.
	createVPC(t, e)
	for _, path := range []string{"/moto-api/reset", "/moto-api/reset-auth", "/moto-api/data.json", "/moto-api/"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, e.URL()+path, nil)
		require.NoError(t, err)
		status, _, _ := send(t, r)
		assert.Equal(t, http.StatusForbidden, status, path)
		status, _, body := send(t, signed(t, http.MethodPost, e.URL()+path, "s3", "us-east-2", ""))
		assert.Equal(t, http.StatusNotImplemented, status, path)
		assert.Contains(t, body, "the API of moto itself is off")
	}
	assert.Equal(t, 1, countVPCs(t, e))
	// The secret opens no way to what the front alone asks moto, such as the secrets of other keys.
	for _, path := range []string{"/_moto/key?id=AKIAXXXXXXXXXXXXXXXX", "/_moto/fork", "/_moto/stop"} {
		status, _, _ := send(t, signed(t, http.MethodPost, e.URL()+path, "s3", "us-east-2", ""))
		assert.Equal(t, http.StatusNotFound, status, path)
	}
	for _, authorization := range []string{"", "Bearer", "Bearer ", "Bearer test", "Basic " + secret} {
		for _, path := range []string{"calls", "rules", "fork", "stop", "health", "sessions", "agents/i-1"} {
			for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
				r, err := http.NewRequestWithContext(t.Context(), method, e.URL()+AdminPath+path, nil)
				require.NoError(t, err)
				r.Header.Set("Authorization", authorization)
				status, _, body := send(t, r)
				assert.Equal(t, http.StatusUnauthorized, status, "%s %s %q: %s", method, path, authorization, body)
				assert.NotContains(t, body, e.Secret())
			}
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, e.URL()+AdminPath+"health", nil)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+e.Secret())
	status, _, _ = send(t, r)
	assert.Equal(t, http.StatusOK, status)
}

func TestEmulator_Secret_NewAtEachStart(t *testing.T) {
	var started []*Emulator
	for range 2 {
		e, err := Start(t.Context(), Options{Python: interpreter(t), Dir: t.TempDir()})
		require.NoError(t, err)
		defer e.Stop()
		started = append(started, e)
	}
	one, other := started[0], started[1]
	assert.Greater(t, len(one.Secret()), 20)
	assert.NotEqual(t, one.Secret(), other.Secret())
	ask := func(e *Emulator) (int, string) {
		const form = "Action=DescribeVpcs&Version=2016-11-15"
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, e.URL()+"/", strings.NewReader(form))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		sign(t, r, root(other.Secret()), "ec2", "us-east-2", form)
		status, _, body := send(t, r)
		return status, body
	}
	status, body := ask(other)
	require.Equal(t, http.StatusOK, status, body)
	status, body = ask(one)
	assert.Equal(t, http.StatusForbidden, status)
	assert.Contains(t, body, "SignatureDoesNotMatch")
	assert.Contains(t, body, "make -s env", "it says what to do")
}

// moto itself checks nothing. Nobody but the user gets to its socket, and it has no port.
func TestMoto_Socket_OnlyUserEnters(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	e := start(t)
	c, err := e.Fork(t.Context())
	require.NoError(t, err)
	sockets, err := filepath.Glob(os.Getenv("TMPDIR") + "/moto-*/socket")
	require.NoError(t, err)
	require.Len(t, sockets, 2)
	for _, path := range sockets {
		folder, err := os.Stat(filepath.Dir(path))
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o700), folder.Mode().Perm())
	}
	if _, err := os.Stat("/proc/net/tcp"); err == nil { // Linux
		for _, pid := range []int{e.pid, c.pid} {
			assert.Empty(t, listening(t, pid), "process %d listens on a port", pid)
		}
		assert.NotEmpty(t, listening(t, os.Getpid()), "the front listens, and is seen to")
	}
	// What the front keeps is for the user alone.
	require.NoError(t, filepath.WalkDir(e.dir, func(path string, _ os.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := os.Stat(path)
		require.NoError(t, err)
		if path != e.dir {
			assert.Zero(t, info.Mode().Perm()&0o077, path)
		}
		return nil
	}))
	c.Stop()
	assert.Eventually(t, func() bool {
		left, _ := filepath.Glob(os.Getenv("TMPDIR") + "/moto-*")
		return len(left) == 1
	}, 30*time.Second, 20*time.Millisecond, "a copy removes its socket")
}

// listening returns the sockets on which a process listens for TCP, on Linux.
func listening(t *testing.T, pid int) (found []string) {
	t.Helper()
	waiting := map[string]bool{}
	for _, name := range []string{"tcp", "tcp6"} {
		text, err := os.ReadFile("/proc/net/" + name)
		if os.IsNotExist(err) {
			continue
		}
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			if columns := strings.Fields(line); len(columns) > 9 && columns[3] == "0A" {
				waiting["socket:["+columns[9]+"]"] = true
			}
		}
	}
	files, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/fd/*")
	require.NoError(t, err)
	for _, file := range files {
		if target, err := os.Readlink(file); err == nil && waiting[target] {
			found = append(found, target)
		}
	}
	return found
}

// Keys of users and of role sessions are accepted, each with its own secret and token, as long as they are valid.
func TestEmulator_IssuedKeys_Accepted(t *testing.T) {
	e := start(t)
	ask := func(service, form string, answer any) {
		status, _, body := send(t, query(t, e.URL(), service, form))
		require.Equal(t, http.StatusOK, status, body)
		require.NoError(t, xml.Unmarshal([]byte(body), answer))
	}
	var key struct {
		ID     string `xml:"CreateAccessKeyResult>AccessKey>AccessKeyId"`
		Secret string `xml:"CreateAccessKeyResult>AccessKey>SecretAccessKey"`
	}
	var role struct {
		ID     string `xml:"AssumeRoleResult>Credentials>AccessKeyId"`
		Secret string `xml:"AssumeRoleResult>Credentials>SecretAccessKey"`
		Token  string `xml:"AssumeRoleResult>Credentials>SessionToken"`
	}
	var ignored struct{}
	ask("iam", "Action=CreateUser&Version=2010-05-08&UserName=anna", &ignored)
	ask("iam", "Action=CreateAccessKey&Version=2010-05-08&UserName=anna", &key)
	ask("iam", "Action=CreateRole&Version=2010-05-08&RoleName=r&AssumeRolePolicyDocument=%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%5D%7D", &ignored)
	ask("sts", "Action=AssumeRole&Version=2011-06-15&RoleArn=arn:aws:iam::123456789012:role/r&RoleSessionName=i-1", &role)
	var expired struct {
		ID     string `xml:"AssumeRoleResult>Credentials>AccessKeyId"`
		Secret string `xml:"AssumeRoleResult>Credentials>SecretAccessKey"`
		Token  string `xml:"AssumeRoleResult>Credentials>SessionToken"`
	}
	ask("sts", "Action=AssumeRole&Version=2011-06-15&RoleArn=arn:aws:iam::123456789012:role/r&RoleSessionName=i-2&DurationSeconds=-1", &expired)
	who := func(e *Emulator, by aws.Credentials) (int, string) {
		const form = "Action=GetCallerIdentity&Version=2011-06-15"
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, e.URL()+"/", strings.NewReader(form))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		sign(t, r, by, "sts", "us-east-2", form)
		status, _, body := send(t, r)
		return status, body
	}
	anna, session := aws.Credentials{AccessKeyID: key.ID, SecretAccessKey: key.Secret}, aws.Credentials{AccessKeyID: role.ID, SecretAccessKey: role.Secret, SessionToken: role.Token}
	c, err := e.Fork(t.Context())
	require.NoError(t, err)
	for _, e := range []*Emulator{e, c} {
		status, body := who(e, anna)
		assert.Equal(t, http.StatusOK, status, body)
		assert.Contains(t, body, "user/anna")
		status, body = who(e, session)
		assert.Equal(t, http.StatusOK, status, body)
		assert.Contains(t, body, "assumed-role/r/i-1")
	}
	for name, by := range map[string]aws.Credentials{
		"the root's secret":     {AccessKeyID: anna.AccessKeyID, SecretAccessKey: secret},
		"a user with a token":   {AccessKeyID: anna.AccessKeyID, SecretAccessKey: anna.SecretAccessKey, SessionToken: session.SessionToken},
		"a role without token":  {AccessKeyID: session.AccessKeyID, SecretAccessKey: session.SecretAccessKey},
		"a role, another token": {AccessKeyID: session.AccessKeyID, SecretAccessKey: session.SecretAccessKey, SessionToken: "x" + session.SessionToken},
		"the key of another":    {AccessKeyID: session.AccessKeyID, SecretAccessKey: anna.SecretAccessKey, SessionToken: session.SessionToken},
		"an invented key":       {AccessKeyID: "AKIAXXXXXXXXXXXXXXXX", SecretAccessKey: ""},
		"a session that ended":  {AccessKeyID: expired.ID, SecretAccessKey: expired.Secret, SessionToken: expired.Token},
	} {
		status, body := who(e, by)
		assert.Equal(t, http.StatusForbidden, status, "%s: %s", name, body)
	}
	ask("iam", "Action=UpdateAccessKey&Version=2010-05-08&UserName=anna&Status=Inactive&AccessKeyId="+anna.AccessKeyID, &ignored)
	status, _ := who(e, anna)
	assert.Equal(t, http.StatusForbidden, status, "a key that was deactivated")
	status, _ = who(c, anna)
	assert.Equal(t, http.StatusOK, status, "the copy is another account by now")
}

func TestEmulator_Object_SignedInEachWay(t *testing.T) {
	e := start(t)
	put := func(path, body, hash string) *http.Request {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, e.URL()+path, strings.NewReader(body))
		require.NoError(t, err)
		r.Header.Set("X-Amz-Content-Sha256", hash)
		require.NoError(t, v4.NewSigner().SignHTTP(t.Context(), root(secret), r, hash, "s3", "us-east-1", time.Now(), func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }))
		return r
	}
	const ofHello, ofNothing = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	status, _, body := send(t, put("/bucket", "", ofNothing))
	require.Equal(t, http.StatusOK, status, body)
	for _, key := range []string{"plain", "a b+c", "a%2Fb", "ä", "x//y", "a=b&c:d@e!"} {
		r := put("/bucket/", "hello", ofHello)
		r.URL.Path += key
		require.NoError(t, v4.NewSigner().SignHTTP(t.Context(), root(secret), r, ofHello, "s3", "us-east-1", time.Now(), func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }))
		status, _, body = send(t, r)
		assert.Equal(t, http.StatusOK, status, "%s: %s", key, body)
	}
	status, _, body = send(t, put("/bucket/unsigned", "hello", "UNSIGNED-PAYLOAD"))
	assert.Equal(t, http.StatusOK, status, body)
	status, _, body = send(t, put("/bucket/other", "other", ofHello))
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Contains(t, body, "XAmzContentSHA256Mismatch")

	presigned := func(expires string, at time.Time) string {
		r, err := http.NewRequest(http.MethodGet, e.URL()+"/bucket/plain?X-Amz-Expires="+expires, nil)
		require.NoError(t, err)
		address, _, err := v4.NewSigner().PresignHTTP(t.Context(), root(secret), r, "UNSIGNED-PAYLOAD", "s3", "us-east-1", at)
		require.NoError(t, err)
		return address
	}
	get := func(address string) (int, string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		require.NoError(t, err)
		status, _, body := send(t, r)
		return status, body
	}
	status, body = get(presigned("60", time.Now()))
	assert.Equal(t, http.StatusOK, status, body)
	assert.Equal(t, "hello", body)
	for name, address := range map[string]string{
		"expired":                             presigned("60", time.Now().Add(-61*time.Second)),
		"of another key":                      strings.Replace(presigned("60", time.Now()), "/plain", "/unsigned", 1),
		"with more time":                      strings.Replace(presigned("60", time.Now()), "X-Amz-Expires=60", "X-Amz-Expires=600", 1),
		"for ever":                            presigned("9999999", time.Now()),
		"no signature":                        e.URL() + "/bucket/plain",
		"a parameter that Go cannot read":     presigned("60", time.Now()) + "&acl=%zz",
		"a parameter with a separator of old": presigned("60", time.Now()) + "&acl=;",
		"an unsigned key":                     e.URL() + "/bucket/plain?X-Amz-Signature=" + strings.Repeat("0", 64),
	} {
		status, _ := get(address)
		assert.GreaterOrEqual(t, status, 400, name)
	}
	// Whoever has the URL of an object can read the object, and make no other call of it.
	for name, c := range map[string]struct {
		header http.Header
		body   string
	}{
		"another service in a second signature": {http.Header{
			"Authorization": {"AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/ssm/aws4_request, x"},
			"X-Amz-Target":  {"AmazonSSM.DescribeDocument"}, "Content-Type": {"application/x-amz-json-1.1"},
		}, `{"Name":"AWS-RunShellScript"}`},
		"a target": {http.Header{"X-Amz-Target": {"AmazonSSM.DescribeDocument"}, "Content-Type": {"application/x-amz-json-1.1"}}, `{"Name":"AWS-RunShellScript"}`},
		"a form":   {http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, "Action=CreateUser&Version=2010-05-08&UserName=mallory"},
		"keys of a role": {http.Header{"Content-Type": {"application/x-www-form-urlencoded"}},
			"Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn:aws:iam::123456789012:role/r&RoleSessionName=x&WebIdentityToken=x"},
		"a session": {http.Header{"Authorization": {"Credential=test/20260101/us-east-1/ssm/aws4_request"}, "X-Amz-Target": {"AmazonSSM.StartSession"}}, `{"Target":"i-0"}`},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, presigned("60", time.Now()), strings.NewReader(c.body))
		require.NoError(t, err)
		r.Header = c.header
		status, _, body := send(t, r)
		if strings.HasPrefix(c.body, "Action=") { // nobody looks at it
			assert.Equal(t, "hello", body, name)
		} else {
			assert.True(t, status >= 400 && status < 500, "%s: %d %s", name, status, body)
		}
		for _, call := range e.Calls() {
			assert.NotContains(t, []string{"DescribeDocument", "StartSession", "CreateUser"}, call.Action, name)
		}
	}
	status, _, body = send(t, query(t, e.URL(), "iam", "Action=GetUser&Version=2010-05-08&UserName=mallory"))
	assert.Equal(t, http.StatusNotFound, status, body)
	// The one call that AWS answers to everybody.
	for address, want := range map[string]int{e.URL() + "/bucket": http.StatusOK, e.URL() + "/absent": http.StatusNotFound, e.URL() + "/bucket/plain": http.StatusForbidden} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodHead, address, nil)
		require.NoError(t, err)
		status, _, _ := send(t, r)
		assert.Equal(t, want, status, address)
	}
}

// moto guesses the service of an unsigned request, so nothing passes as a HEAD of a bucket that could be a call of another
// service.
func TestHeadsBucket_OtherCalls_False(t *testing.T) {
	request := func(method, path, body string, header ...string) *http.Request {
		r, err := http.NewRequest(method, "http://127.0.0.1"+path, strings.NewReader(body))
		require.NoError(t, err)
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		return r
	}
	assert.True(t, headsBucket(request(http.MethodHead, "/session-logs.example", "")))
	for name, r := range map[string]*http.Request{
		"another method":              request(http.MethodGet, "/session-logs", ""),
		"an object":                   request(http.MethodHead, "/session-logs/key", ""),
		"no bucket":                   request(http.MethodHead, "/", ""),
		"a path that names a service": request(http.MethodHead, "/iam_us-east-1/", ""),
		"a user pool":                 request(http.MethodHead, "/us-east-1_abc/.well-known/jwks.json", ""),
		"the API of moto":             request(http.MethodHead, "/moto-api/reset", ""),
		"an escaped path":             request(http.MethodHead, "/moto-api%2Freset", ""),
		"a query":                     request(http.MethodHead, "/session-logs?Action=ListUsers", ""),
		"a form":                      request(http.MethodHead, "/session-logs", "Action=AssumeRoleWithWebIdentity", "Content-Type", "application/x-www-form-urlencoded"),
		"a target":                    request(http.MethodHead, "/session-logs", "", "X-Amz-Target", "AmazonSSM.UpdateDocument"),
		"another protocol":            request(http.MethodHead, "/session-logs", "", "Smithy-Protocol", "rpc-v2-cbor"),
		"a scope without a signature": request(http.MethodHead, "/session-logs", "", "Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/ssm/aws4_request"),
	} {
		assert.False(t, headsBucket(r), name)
	}
}

// A caller without the secret cannot make the emulator read a body.
func TestAuthenticator_ForgedHeader_BodyNotRead(t *testing.T) {
	a := &authenticator{secret: secret, issued: func(context.Context, string) (string, string, error) { return "", "", nil }}
	r := signed(t, http.MethodPut, "http://127.0.0.1/b/k", "s3", "us-east-2", "")
	r.Header.Set("X-Amz-Content-Sha256", strings.Repeat("0", 64))
	r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), ";x-amz-date,", ";x-amz-content-sha256;x-amz-date,", 1))
	r.Body = io.NopCloser(unreadable{t})
	require.ErrorContains(t, a.verify(r), "SignatureDoesNotMatch")
}

type unreadable struct{ t *testing.T }

func (u unreadable) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, syscall.EIO
}
