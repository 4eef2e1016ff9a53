package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"private-ec2-access/tools/emulator"
)

// recordedCall is a call that created a part of an account, without its
// signature and without headers that depend on the machine.
type recordedCall struct {
	Service string            `json:"service"`
	Action  string            `json:"action"`
	Method  string            `json:"method"`
	URI     string            `json:"uri"`
	Header  map[string]string `json:"header,omitempty"`
	// The body: form parameters, a JSON document or, in S3, a text.
	Form map[string]string `json:"form,omitempty"`
	JSON json.RawMessage   `json:"json,omitempty"`
	Text string            `json:"text,omitempty"`
	// IDs has the ids that no earlier response contains, with their positions
	// among the ids of their kind in the response.
	IDs map[string]int `json:"ids,omitempty"`

	response string
}

// anID matches the ids that AWS generates: of EC2, of IAM, and UUIDs. A name
// that looks like an id is harmless, because it is the same in a replay.
var anID = regexp.MustCompile(`\b(?:[a-z]+-)+[0-9a-f]{8,17}\b|\bA[A-Z0-9]{18,20}\b|\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b`)

// kind is "vpc" for an id such as vpc-0123456789abcdef0, and else "iam" or "uuid".
func kind(id string) string {
	switch at := strings.LastIndex(id, "-"); {
	case at < 0:
		return "iam"
	case strings.Count(id, "-") == 4 && len(id) == 36:
		return "uuid"
	default:
		return id[:at]
	}
}

// ids returns the distinct ids in a text, by kind and in their order.
func ids(text string) map[string][]string {
	found := map[string][]string{}
	for _, id := range anID.FindAllString(text, -1) {
		if k := kind(id); !slices.Contains(found[k], id) {
			found[k] = append(found[k], id)
		}
	}
	return found
}

// record collects the successful calls of an account. The returned function
// returns the calls that rebuild the account: all writes, and each read that is
// the first to return an id which a later call or one of the texts contains.
func (a *account) record() func(texts ...string) []recordedCall {
	a.t.Helper()
	var mu sync.Mutex
	var calls []recordedCall
	var writes []bool
	remove := a.Add(emulator.Rule{Name: "list the calls that build the account", Change: func(q *emulator.Request, reply *emulator.Reply) error {
		if reply.Status >= http.StatusMultipleChoices {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		calls = append(calls, newRecordedCall(q, string(reply.Body)))
		writes = append(writes, emulator.Call{Action: q.Action}.Writes())
		return nil
	}})
	return func(texts ...string) (kept []recordedCall) {
		remove()
		needed := strings.Join(texts, "\n")
		for i, c := range calls {
			require.NotEqual(a.t, "PutObject", c.Action, "a recorded account holds no objects")
			if writes[i] {
				text, err := json.Marshal(c)
				require.NoError(a.t, err)
				needed += string(text)
			}
		}
		known := map[string]bool{}
		for i, c := range calls {
			for _, of := range ids(c.response) {
				for position, id := range of {
					if !known[id] && strings.Contains(needed, id) {
						known[id] = true
						if c.IDs == nil {
							c.IDs = map[string]int{}
						}
						c.IDs[id] = position
					}
				}
			}
			if writes[i] || len(c.IDs) > 0 {
				kept = append(kept, c)
			}
		}
		return kept
	}
}

func newRecordedCall(q *emulator.Request, response string) recordedCall {
	c := recordedCall{Service: q.Service, Action: q.Action, Method: q.HTTP.Method, URI: q.HTTP.URL.RequestURI(), Header: map[string]string{}, response: response}
	for name := range q.HTTP.Header {
		switch {
		case name == "Content-Type", name == "X-Amz-Target", strings.HasPrefix(name, "X-Amz-Bucket-"), name == "X-Amz-Object-Ownership":
			c.Header[name] = q.HTTP.Header.Get(name)
		}
	}
	body := string(q.Body)
	switch {
	case strings.HasPrefix(c.Header["Content-Type"], "application/x-www-form-urlencoded"):
		c.Form = q.Params
	case json.Valid(q.Body):
		c.JSON = slices.Clone(q.Body)
	default:
		c.Text = body
	}
	return c
}

// replay makes recorded calls one after the other. It returns the texts with
// the ids of the recorded account replaced by those of this account.
func (a *account) replay(calls []recordedCall, texts ...string) []string {
	a.t.Helper()
	var pairs []string
	translate := func(text string) string { return strings.NewReplacer(pairs...).Replace(text) }
	for _, recorded := range calls {
		text, err := json.Marshal(recorded)
		require.NoError(a.t, err)
		var c recordedCall
		require.NoError(a.t, json.Unmarshal([]byte(translate(string(text))), &c))
		answered := ids(a.send(c))
		for _, id := range slices.Sorted(maps.Keys(recorded.IDs)) {
			of, position := answered[kind(id)], recorded.IDs[id]
			require.Greater(a.t, len(of), position, "%s:%s answers without the id that was %s", c.Service, c.Action, id)
			pairs = append(pairs, id, of[position])
			if c.Action == "CreateKey" {
				// Names of resources hold the beginning of the hash of a key's ARN.
				pairs = append(pairs, a.keyHash(id), a.keyHash(of[position]))
			}
		}
	}
	translated := make([]string, len(texts))
	for i, text := range texts {
		translated[i] = translate(text)
	}
	return translated
}

func (a *account) keyHash(id string) string {
	sum := sha256.Sum256([]byte("arn:aws:kms:" + a.region + ":123456789012:key/" + id))
	return hex.EncodeToString(sum[:4])
}

func (a *account) send(c recordedCall) string {
	a.t.Helper()
	body := c.Text
	switch {
	case c.Form != nil:
		form := url.Values{}
		for name, value := range c.Form {
			form.Set(name, value)
		}
		body = form.Encode()
	case c.JSON != nil:
		body = string(c.JSON)
	}
	request, err := http.NewRequestWithContext(a.t.Context(), c.Method, a.URL()+c.URI, strings.NewReader(body))
	require.NoError(a.t, err)
	for name, value := range c.Header {
		request.Header.Set(name, value)
	}
	require.NoError(a.t, a.Sign(request, c.Service, a.region, body))
	response, err := http.DefaultClient.Do(request)
	require.NoError(a.t, err)
	defer response.Body.Close() //nolint:errcheck // read to the end
	answer, err := io.ReadAll(response.Body)
	require.NoError(a.t, err)
	require.Less(a.t, response.StatusCode, http.StatusMultipleChoices, "%s:%s %s", c.Service, c.Action, answer)
	return string(answer)
}

// readable writes JSON for people: indented, without escapes for HTML.
func readable(t *testing.T, value any) []byte {
	t.Helper()
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	require.NoError(t, encoder.Encode(value))
	return b.Bytes()
}
