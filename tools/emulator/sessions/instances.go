package sessions

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// agentVersion is what agents report where nothing else is set.
const agentVersion = "3.3.1611.0"

// What an agent can be set to.
const (
	AgentOnline = "online" // registered and connected; the default
	AgentLate   = "late"   // the same, after a time
	AgentNever  = "never"  // not registered, so that SSM does not know the instance
	AgentLost   = "lost"   // registered, but silent since
)

// Agent is how the agent of an instance behaves. The zero value is the default.
type Agent struct {
	Status string `json:"status"`
	// After is how long a late agent takes, from now on.
	After Duration `json:"after,omitzero"`
	// AgentVersion is the version that is reported.
	AgentVersion string `json:"agentVersion,omitempty"`
	// RecordAfter lets the client's channel end at once, and the record be delivered so much later.
	RecordAfter Duration `json:"recordAfter,omitzero"`
	// WithoutScript leaves the program script away, of which the agent makes the log: there is none then.
	WithoutScript bool `json:"withoutScript,omitempty"`
}

// Duration is a time.Duration that is "3s" in JSON.
type Duration struct{ time.Duration }

// UnmarshalText reads what time.ParseDuration does.
func (d *Duration) UnmarshalText(text []byte) (err error) {
	d.Duration, err = time.ParseDuration(string(text))
	return err
}

// MarshalText writes the same.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

type agentSetting struct {
	Agent
	since time.Time
}

// status is what the setting means now.
func (a agentSetting) status() string {
	switch {
	case a.Status == "" || a.Status == AgentLate && time.Since(a.since) >= a.After.Duration:
		return AgentOnline
	case a.Status == AgentLate:
		return AgentNever
	}
	return a.Status
}

// SetAgent changes how the agent of an instance behaves, from now on.
func (s *Service) SetAgent(instance string, a Agent) error {
	if !slices.Contains([]string{"", AgentOnline, AgentLate, AgentNever, AgentLost}, a.Status) {
		return fmt.Errorf("an agent's status is online, late, never or lost, got %q", a.Status)
	}
	if (a.Status == AgentLate) != (a.After.Duration > 0) {
		return fmt.Errorf("after is how long a late agent takes, got status %q and after %q", a.Status, a.After)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.agents[instance] = agentSetting{a, time.Now()}
	return nil
}

// managed is an instance that SSM knows.
type managed struct {
	instance
	agent  Agent
	online bool
}

// managed lists the managed instances of a Region: those with a role that were not terminated, and whose agent has
// registered. A stopped one has lost its connection.
func (s *Service) managed(ctx context.Context, region string) ([]managed, error) {
	all, err := s.account.instances(ctx, region)
	if err != nil {
		return nil, err
	}
	list := []managed{}
	for _, i := range all {
		s.mu.Lock()
		setting := s.agents[i.ID]
		s.mu.Unlock()
		status := setting.status()
		if i.role.ARN == "" || i.State == "terminated" || i.State == "shutting-down" || i.State == "pending" || status == AgentNever {
			continue
		}
		setting.AgentVersion = cmp.Or(setting.AgentVersion, agentVersion)
		list = append(list, managed{instance: i, agent: setting.Agent, online: status == AgentOnline && i.State == "running"})
	}
	return list, nil
}

func (s *Service) target(ctx context.Context, region, id string) (managed, error) {
	all, err := s.managed(ctx, region)
	if err != nil {
		return managed{}, err
	}
	for _, m := range all {
		if m.ID == id {
			return m, nil
		}
	}
	return managed{}, nil
}

// information is an entry of DescribeInstanceInformation.
type information struct {
	InstanceID       string `json:"InstanceId"`
	PingStatus       string
	LastPingDateTime Time
	AgentVersion     string
	IsLatestVersion  bool
	PlatformType     string
	PlatformName     string
	PlatformVersion  string
	ResourceType     string
	IPAddress        string
	ComputerName     string
	SourceID         string `json:"SourceId"`
	SourceType       string
	iamRole          string
}

func (m managed) windows() bool { return strings.EqualFold(m.Platform, "windows") }

func (m managed) information() information {
	i := information{
		InstanceID: m.ID, PingStatus: "Online", LastPingDateTime: Time{time.Now()}, AgentVersion: m.agent.AgentVersion,
		IsLatestVersion: m.agent.AgentVersion == agentVersion, PlatformType: "Linux", PlatformName: "Amazon Linux", PlatformVersion: "2023",
		ResourceType: "EC2Instance", IPAddress: m.Address, ComputerName: m.Name, SourceID: m.ID, SourceType: "AWS::EC2::Instance", iamRole: m.role.Name,
	}
	if m.windows() {
		i.PlatformType, i.PlatformName, i.PlatformVersion = "Windows", "Microsoft Windows Server", ""
	}
	if !m.online {
		i.PingStatus = "ConnectionLost"
		if launched, err := time.Parse(time.RFC3339, m.Launch); err == nil {
			i.LastPingDateTime.Time = launched
		}
	}
	return i
}

type describeInstanceInformation struct {
	Filters []struct {
		Key    string
		Values []string
	}
	InstanceInformationFilterList []struct {
		Key      string   `json:"key"`
		ValueSet []string `json:"valueSet"`
	}
	MaxResults *int
	NextToken  string
}

func (s *Service) describeInstanceInformation(c Call) (any, error) {
	var in describeInstanceInformation
	if err := c.read(&in); err != nil {
		return nil, err
	}
	most := 50
	if in.MaxResults != nil {
		if most = *in.MaxResults; most < 5 || most > 50 {
			return nil, invalid("maxResults", strconv.Itoa(most), "Member must be between 5 and 50")
		}
	}
	for _, old := range in.InstanceInformationFilterList {
		in.Filters = append(in.Filters, struct {
			Key    string
			Values []string
		}{old.Key, old.ValueSet})
	}
	all, err := s.managed(c.Context, c.Region)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b managed) int { return strings.Compare(a.ID, b.ID) })
	list := []information{}
	for _, m := range all {
		list = append(list, m.information())
	}
	for _, f := range in.Filters {
		of := map[string]func(information) string{
			"InstanceIds":   func(i information) string { return i.InstanceID },
			"AgentVersion":  func(i information) string { return i.AgentVersion },
			"PingStatus":    func(i information) string { return i.PingStatus },
			"PlatformTypes": func(i information) string { return i.PlatformType },
			"ResourceType":  func(i information) string { return i.ResourceType },
			"IamRole":       func(i information) string { return i.iamRole },
			"SourceIds":     func(i information) string { return i.SourceID },
			"SourceTypes":   func(i information) string { return i.SourceType },
		}[f.Key]
		if of == nil {
			return nil, &Error{"InvalidFilterKey", "The specified filter key is not valid, or the local emulator does not support it: " + f.Key}
		}
		list = slices.DeleteFunc(list, func(i information) bool { return !slices.Contains(f.Values, of(i)) })
	}
	if in.NextToken != "" {
		last, err := readToken(in.NextToken)
		if err != nil {
			return nil, err
		}
		list = slices.DeleteFunc(list, func(i information) bool { return i.InstanceID <= last.SessionID })
	}
	page := list[:min(most, len(list))]
	out := map[string]any{"InstanceInformationList": page}
	if len(page) < len(list) {
		out["NextToken"] = writeToken(Session{SessionID: page[len(page)-1].InstanceID})
	}
	return out, nil
}

func (s *Service) getConnectionStatus(c Call) (any, error) {
	var in struct{ Target string }
	if err := c.read(&in); err != nil {
		return nil, err
	}
	if in.Target == "" {
		return nil, invalid("target", in.Target, "Member must have length greater than or equal to 1")
	}
	m, err := s.target(c.Context, c.Region, in.Target)
	if err != nil {
		return nil, err
	}
	status := "notconnected"
	if m.online {
		status = "connected"
	}
	return map[string]string{"Target": in.Target, "Status": status}, nil
}
