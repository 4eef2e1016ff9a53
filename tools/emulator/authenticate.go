package emulator

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"private-ec2-access/tools/emulator/sessions"
)

// AccessKeyID is the key ID of the account's root. It is no key ID that AWS gives out.
const AccessKeyID = "test"

const (
	// clockSkew is how far the time of a signature may be from now, as in AWS.
	clockSkew = 15 * time.Minute
	// signedBody limits bodies whose hash is not in the signed header, so that they are read before the caller is known.
	signedBody = 16 << 20
	dateLayout = "20060102T150405Z"
)

// authenticator lets only programs of the user who started the emulator through to the front. A session is a shell as that
// user, so a web page or another user of the machine must not get one.
//
// Calls of AWS need a signature by the account's secret key, or by a key that the emulated IAM or STS issued. The front's
// own calls need the secret itself. A data channel of a session needs the token that StartSession returned.
type authenticator struct {
	secret string
	// issued returns the secret access key and the session token of a key that IAM or STS issued; "" if there is none.
	issued func(ctx context.Context, id string) (secret, token string, err error)
	log    *log.Logger
	next   http.Handler
}

func (a *authenticator) ServeHTTP(w http.ResponseWriter, h *http.Request) {
	if err := refuseBrowser(h); err != nil {
		a.log.Printf("refused: %s %q: %v", h.Method, h.URL.Path, err)
		sendError(w, http.StatusForbidden, err)
		return
	}
	switch {
	case strings.HasPrefix(h.URL.Path, sessions.ChannelPath): // its first message has the token
	case strings.HasPrefix(h.URL.Path, AdminPath):
		given := strings.TrimPrefix(h.Header.Get("Authorization"), "Bearer ")
		if subtle.ConstantTimeCompare([]byte(given), []byte(a.secret)) != 1 {
			sendError(w, http.StatusUnauthorized, errors.New("the emulator's own calls need the header `Authorization: Bearer $AWS_SECRET_ACCESS_KEY` with the secret of this start"))
			return
		}
	case headsBucket(h):
	default:
		if err := a.verify(h); err != nil {
			var known *refusal
			if !errors.As(err, &known) {
				known = &refusal{http.StatusBadRequest, "InvalidRequest", err.Error()}
			}
			a.log.Printf("refused: %s %q: %v", h.Method, h.URL.Path, err)
			q, err := readRequest(h)
			if err != nil {
				http.Error(w, known.message, known.status)
				return
			}
			ErrorReply(q, known.status, known.code, known.message).write(w)
			return
		}
	}
	a.next.ServeHTTP(w, h)
}

// refuseBrowser refuses the requests of web pages: those with headers that only browsers send, and those to a name that
// somebody lets resolve to this machine.
func refuseBrowser(h *http.Request) error {
	for _, name := range []string{"Origin", "Sec-Fetch-Site"} {
		if value, set := h.Header[name]; set {
			return fmt.Errorf("the local emulator refuses requests of browsers (%s: %s)", name, strings.Join(value, ", "))
		}
	}
	host := h.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	if host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("the local emulator answers only as 127.0.0.1 or localhost (Host: %s)", h.Host)
	}
	return nil
}

var bucketPath = regexp.MustCompile(`^/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// headsBucket tells whether a request is an unsigned HEAD of a bucket, which AWS answers to everybody: the agent asks so
// for the bucket's Region. It has nothing that moto could take for a call of another service: moto guesses the service of an
// unsigned request from its path, its body and its target.
func headsBucket(h *http.Request) bool {
	return h.Method == http.MethodHead && bucketPath.MatchString(h.URL.EscapedPath()) && h.URL.RawQuery == "" && h.ContentLength == 0 &&
		h.Header.Get("Authorization") == "" && h.Header.Get("X-Amz-Target") == "" && h.Header.Get("Content-Type") == "" && h.Header.Get("Smithy-Protocol") == ""
}

// refusal is an answer in the words of AWS.
type refusal struct {
	status        int
	code, message string
}

func (r *refusal) Error() string { return r.code + ": " + r.message }

// signature is what a request says about how it is signed.
type signature struct {
	id, region, service string
	headers             []string // their names, in lower case
	value               string
	date                time.Time
	presigned           bool
}

var authorizationHeader = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=([^,\s]+),\s*SignedHeaders=([^,\s]+),\s*Signature=([0-9a-f]{64})$`)

func readSignature(h *http.Request) (signature, error) {
	var s signature
	var scope, date string
	// Moto reads parameters that Go cannot parse, and so leaves out of what is signed.
	query, err := url.ParseQuery(h.URL.RawQuery)
	if err != nil {
		return s, &refusal{http.StatusBadRequest, "InvalidArgument", "the query cannot be read: " + err.Error()}
	}
	if parts := authorizationHeader.FindStringSubmatch(h.Header.Get("Authorization")); parts != nil {
		scope, s.headers, s.value = parts[1], strings.Split(parts[2], ";"), parts[3]
		date = h.Header.Get("X-Amz-Date")
	} else if query.Get("X-Amz-Algorithm") == "AWS4-HMAC-SHA256" {
		scope, s.headers, s.value = query.Get("X-Amz-Credential"), strings.Split(query.Get("X-Amz-SignedHeaders"), ";"), query.Get("X-Amz-Signature")
		date, s.presigned = query.Get("X-Amz-Date"), true
	} else {
		return s, &refusal{http.StatusForbidden, "MissingAuthenticationToken", "the local emulator needs a signature of version 4. " + renew}
	}
	if s.presigned && h.Header.Get("Authorization") != "" {
		return s, &refusal{http.StatusBadRequest, "InvalidArgument", "only one of a presigned URL and the header Authorization is allowed"}
	}
	// Else whoever has a presigned URL of an object could add a header that makes another call of it.
	for name := range h.Header {
		if name = strings.ToLower(name); strings.HasPrefix(name, "x-amz-") && !slices.Contains(s.headers, name) {
			return s, &refusal{http.StatusForbidden, "AccessDenied", "the header " + name + " is not signed"}
		}
	}
	if !slices.Contains(s.headers, "host") {
		return s, &refusal{http.StatusForbidden, "AccessDenied", "the header host is not signed"}
	}
	parts := strings.Split(scope, "/")
	if len(parts) != 5 || parts[4] != "aws4_request" {
		return s, &refusal{http.StatusBadRequest, "IncompleteSignature", "the credential scope is not KEY/DATE/REGION/SERVICE/aws4_request"}
	}
	s.id, s.region, s.service = parts[0], parts[2], parts[3]
	if s.date, err = time.Parse(dateLayout, date); err != nil || s.date.Format("20060102") != parts[1] {
		return s, &refusal{http.StatusBadRequest, "IncompleteSignature", "the date of the signature is missing, or is not the one of its scope"}
	}
	expires := clockSkew
	if s.presigned {
		seconds, err := strconv.Atoi(query.Get("X-Amz-Expires"))
		if err != nil || seconds < 1 || seconds > 7*24*60*60 {
			return s, &refusal{http.StatusBadRequest, "AuthorizationQueryParametersError", "X-Amz-Expires is from 1 to 604800 seconds"}
		}
		expires = time.Duration(seconds) * time.Second
	}
	if now := time.Now(); s.date.After(now.Add(clockSkew)) || now.After(s.date.Add(expires)) {
		return s, &refusal{http.StatusForbidden, "RequestExpired", "the signature is of " + s.date.Format(time.RFC3339) + ", which is too far from now"}
	}
	return s, nil
}

const renew = `Run eval "$(make -s env)" in this shell: the secret key changes with each start of the emulator`

// verify signs the request again, with the secret that belongs to the key ID, and compares the signatures.
func (a *authenticator) verify(h *http.Request) error {
	s, err := readSignature(h)
	if err != nil {
		return err
	}
	secret, token := a.secret, ""
	if s.id != AccessKeyID {
		if secret, token, err = a.issued(h.Context(), s.id); err != nil {
			return err
		}
		given := h.Header.Get("X-Amz-Security-Token")
		if s.presigned {
			given = h.URL.Query().Get("X-Amz-Security-Token")
		}
		if secret == "" || subtle.ConstantTimeCompare([]byte(given), []byte(token)) != 1 {
			return &refusal{http.StatusForbidden, "InvalidClientTokenId", "the local emulator did not issue this access key and token, or they are not valid any more. " + renew}
		}
	}
	hash, body, err := payloadHash(h, s)
	if err != nil {
		return err
	}
	if err := a.compare(h, s, aws.Credentials{AccessKeyID: s.id, SecretAccessKey: secret, SessionToken: token}, hash); err != nil {
		return err
	}
	if s.presigned {
		// Without this header moto takes the call for unsigned, and guesses the service from what is not signed, the body.
		h.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+h.URL.Query().Get("X-Amz-Credential"))
	}
	return body()
}

func (a *authenticator) compare(h *http.Request, s signature, credentials aws.Credentials, hash string) error {
	again := &http.Request{Method: h.Method, URL: new(url.URL), Host: h.Host, Header: http.Header{}}
	*again.URL = *h.URL
	for _, name := range s.headers {
		if name == "content-length" {
			again.ContentLength = h.ContentLength
		} else if values := h.Header.Values(name); len(values) > 0 {
			again.Header[http.CanonicalHeaderKey(name)] = slices.Clone(values)
		}
	}
	options := func(o *v4.SignerOptions) {
		o.DisableURIPathEscaping = s.service == "s3"
		o.DisableHeaderHoisting = true
	}
	var made string
	if s.presigned {
		query := h.URL.Query()
		query.Del("X-Amz-Signature")
		again.URL.RawQuery = query.Encode()
		signed, _, err := v4.NewSigner().PresignHTTP(h.Context(), credentials, again, hash, s.service, s.region, s.date, options)
		if err != nil {
			return err
		}
		made = signed[strings.LastIndex(signed, "X-Amz-Signature=")+len("X-Amz-Signature="):]
	} else {
		if err := v4.NewSigner().SignHTTP(h.Context(), credentials, again, hash, s.service, s.region, s.date, options); err != nil {
			return err
		}
		authorization := again.Header.Get("Authorization")
		made = authorization[strings.LastIndex(authorization, "Signature=")+len("Signature="):]
	}
	if subtle.ConstantTimeCompare([]byte(made), []byte(s.value)) != 1 {
		return &refusal{http.StatusForbidden, "SignatureDoesNotMatch", "the request is not signed with the secret key of this emulator. " + renew}
	}
	return nil
}

// Sign signs a request as the account's root, for callers that have no SDK.
func (e *Emulator) Sign(r *http.Request, service, region, body string) error {
	sum := sha256.Sum256([]byte(body))
	root := aws.Credentials{AccessKeyID: AccessKeyID, SecretAccessKey: e.secret}
	return v4.NewSigner().SignHTTP(r.Context(), root, r, hex.EncodeToString(sum[:]), service, region, time.Now(), func(o *v4.SignerOptions) {
		o.DisableURIPathEscaping = service == "s3"
	})
}

// payloadHash returns the hash that the signature covers, and a check of the body against it for after the signature is
// known to be right: a caller without the secret cannot make the emulator read a large upload.
//
// Where the client signs no hash of the body (UNSIGNED-PAYLOAD), or one for each chunk (STREAMING-…), the body is not
// checked: who could change it on the way within this machine could read it as well.
func payloadHash(h *http.Request, s signature) (hash string, check func() error, err error) {
	none := func() error { return nil }
	claimed := h.Header.Get("X-Amz-Content-Sha256")
	switch {
	case s.presigned && s.service == "s3":
		return "UNSIGNED-PAYLOAD", none, nil
	case claimed == "UNSIGNED-PAYLOAD", strings.HasPrefix(claimed, "STREAMING-"):
		return claimed, none, nil
	case claimed == "":
		read, err := readAll(h, signedBody)
		return read, none, err
	}
	return claimed, func() error {
		read, err := readAll(h, -1)
		if err == nil && read != claimed {
			err = &refusal{http.StatusBadRequest, "XAmzContentSHA256Mismatch", "the body is not the one that was signed"}
		}
		return err
	}, nil
}

// readAll reads the body, puts it back and returns its hash.
func readAll(h *http.Request, limit int64) (string, error) {
	reader := h.Body
	if limit >= 0 {
		reader = http.MaxBytesReader(nil, h.Body, limit)
	}
	body, err := io.ReadAll(reader)
	if err != nil {
		return "", fmt.Errorf("the body cannot be read: %w", err)
	}
	h.Body = io.NopCloser(bytes.NewReader(body))
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:]), nil
}
