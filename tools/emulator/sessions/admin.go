package sessions

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// Administers tells whether a path after the emulator's own prefix is one of this service.
func Administers(path string) bool {
	return strings.HasPrefix(path, "agents/") || path == "sessions" || strings.HasPrefix(path, "sessions/")
}

// Administer answers the calls with which tests set the scene; path is what comes after the emulator's own prefix:
//
//	PUT  agents/INSTANCE          an Agent: how the agent of an instance behaves from now on
//	GET  sessions                 {"open"}: how many sessions are open
//	POST sessions                 a list of Session: entries for the history
//	POST sessions/SESSION/cut     cuts the connection of the session's client
func (s *Service) Administer(method, path string, r *http.Request) (any, int, error) {
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	parts := strings.Split(path, "/")
	switch {
	case method == http.MethodPut && parts[0] == "agents" && len(parts) == 2:
		var a Agent
		if err := decoder.Decode(&a); err != nil {
			return nil, http.StatusBadRequest, fmt.Errorf("not an agent's behaviour: %w", err)
		}
		if err := s.SetAgent(parts[1], a); err != nil {
			return nil, http.StatusBadRequest, err
		}
		return a, http.StatusOK, nil
	case method == http.MethodGet && path == "sessions":
		s.mu.Lock()
		defer s.mu.Unlock()
		return map[string]int{"open": len(s.live)}, http.StatusOK, nil
	case method == http.MethodPost && path == "sessions":
		var entries []seeded
		if err := decoder.Decode(&entries); err != nil {
			return nil, http.StatusBadRequest, fmt.Errorf("not a list of sessions: %w", err)
		}
		list := make([]Session, len(entries))
		for i, e := range entries {
			list[i] = e.Session
			list[i].Region = e.Region
		}
		if err := s.Seed(list); err != nil {
			return nil, http.StatusBadRequest, err
		}
		return map[string]int{"added": len(list)}, http.StatusOK, nil
	case method == http.MethodPost && parts[0] == "sessions" && len(parts) == 3 && parts[2] == "cut":
		if !s.Cut(parts[1]) {
			return nil, http.StatusNotFound, fmt.Errorf("the session %q has no client that is connected", parts[1])
		}
		return map[string]bool{"cut": true}, http.StatusOK, nil
	}
	return nil, http.StatusNotFound, fmt.Errorf("%s %s is not a call of the emulated Session Manager; it has PUT agents/INSTANCE, GET and POST sessions, and POST sessions/SESSION/cut", method, path)
}

// seeded is an entry with its Region, which DescribeSessions does not have.
type seeded struct {
	Session
	Region string `json:"Region"`
}
