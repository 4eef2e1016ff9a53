package sessions

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

type transport func(*http.Request) (*http.Response, error)

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

// moto answers with 100 reservations at a time.
func TestInstances_Pages_AllRead(t *testing.T) {
	t.Parallel()
	a := account{&http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
		if err := r.ParseForm(); err != nil {
			return nil, err
		}
		token := r.Form.Get("NextToken")
		text := fmt.Sprintf("<R><reservationSet><item><instancesSet><item><instanceId>i-after-%s</instanceId></item></instancesSet></item></reservationSet><nextToken>%s</nextToken></R>",
			token, map[string]string{"": "1", "1": "2"}[token])
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(text)), Request: r}, nil
	})}}
	all, err := a.instances(t.Context(), "us-east-2")
	require.NoError(t, err)
	require.Equal(t, []instance{{ID: "i-after-"}, {ID: "i-after-1"}, {ID: "i-after-2"}}, all)
}
