// Package githubtest is the part of GitHub's API that the scripts of the pipelines (scripts/ci) use, for one repository
// named owner/name.
package githubtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
)

const (
	// Bot is who the pipelines write as.
	Bot = "github-actions[bot]"
	// Token is the only one that is let in.
	Token = "a-token"
)

// Entry is an issue or a comment.
type Entry struct {
	ID     int    `json:"id"`
	Number int    `json:"number,omitempty"`
	Title  string `json:"title,omitempty"`
	Body   string `json:"body"`
	State  string `json:"state,omitempty"`
	User   struct {
		Login string `json:"login"`
	} `json:"user"`
	PullRequest *struct{} `json:"pull_request,omitempty"`
}

// By is an entry of somebody.
func By(login, body string) *Entry {
	e := &Entry{Body: body}
	e.User.Login = login
	return e
}

// GitHub is the part of GitHub's API that the scripts use, for one repository.
type GitHub struct {
	URL      string // for GITHUB_API_URL
	Issues   []*Entry
	Comments map[int][]*Entry // by issue
	Main     string           // the newest commit of main
	Refuse   string           // a method whose requests fail
	Writes   []string         // the requests that change something

	t  *testing.T
	mu sync.Mutex
}

// New starts one with no issue. It ends with the test.
func New(t *testing.T) *GitHub {
	g := &GitHub{t: t, Comments: map[int][]*Entry{}}
	handler := http.NewServeMux()
	const repository = "/repos/owner/name"
	handler.HandleFunc("GET "+repository+"/issues", func(w http.ResponseWriter, r *http.Request) {
		open := slices.DeleteFunc(slices.Clone(g.Issues), func(e *Entry) bool { return e.State == "closed" })
		g.page(w, r, open)
	})
	handler.HandleFunc("POST "+repository+"/issues", func(w http.ResponseWriter, r *http.Request) {
		e := g.read(r, By(Bot, ""))
		e.ID, e.Number = 1000+len(g.Issues), 1+len(g.Issues)
		g.Issues = append(g.Issues, e)
		w.WriteHeader(http.StatusCreated)
	})
	handler.HandleFunc("PATCH "+repository+"/issues/{number}", func(w http.ResponseWriter, r *http.Request) {
		g.read(r, g.Issues[number(r)-1])
	})
	handler.HandleFunc("GET "+repository+"/issues/{number}/comments", func(w http.ResponseWriter, r *http.Request) {
		g.page(w, r, g.Comments[number(r)])
	})
	handler.HandleFunc("POST "+repository+"/issues/{number}/comments", func(w http.ResponseWriter, r *http.Request) {
		g.Add(number(r), g.read(r, By(Bot, "")))
		w.WriteHeader(http.StatusCreated)
	})
	handler.HandleFunc("PATCH "+repository+"/issues/comments/{number}", func(w http.ResponseWriter, r *http.Request) {
		for _, list := range g.Comments {
			for _, e := range list {
				if e.ID == number(r) {
					g.read(r, e)
					return
				}
			}
		}
		w.WriteHeader(http.StatusNotFound)
	})
	handler.HandleFunc("GET "+repository+"/git/ref/heads/main", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"ref": "refs/heads/main", "object": {"sha": %q}}`, g.Main)
	})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		defer g.mu.Unlock()
		if r.Header.Get("Authorization") != "Bearer "+Token || r.Method == g.Refuse {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		if r.Method != http.MethodGet {
			g.Writes = append(g.Writes, r.Method+" "+strings.TrimPrefix(r.URL.Path, repository))
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	g.URL = server.URL
	return g
}

// Settle orders what a script did before what the caller reads or changes next: the race detector cannot see that by itself,
// because another process is in between.
func (g *GitHub) Settle() {
	if g != nil {
		g.mu.Lock()
		defer g.mu.Unlock()
	}
}

func number(r *http.Request) int {
	n, _ := strconv.Atoi(r.PathValue("number"))
	return n
}

// Add puts a comment under an issue.
func (g *GitHub) Add(issue int, e *Entry) {
	e.ID = 100*issue + len(g.Comments[issue])
	g.Comments[issue] = append(g.Comments[issue], e)
}

func (g *GitHub) read(r *http.Request, into *Entry) *Entry {
	assert.NoError(g.t, json.NewDecoder(r.Body).Decode(into))
	return into
}

func (g *GitHub) page(w http.ResponseWriter, r *http.Request, list []*Entry) {
	query := r.URL.Query()
	size, _ := strconv.Atoi(query.Get("per_page"))
	page, _ := strconv.Atoi(query.Get("page"))
	from := min((page-1)*size, len(list))
	assert.NoError(g.t, json.NewEncoder(w).Encode(append([]*Entry{}, list[from:min(from+size, len(list))]...)))
}
