//go:build unix

package sessions_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"private-ec2-access/tools/emulator"
	"private-ec2-access/tools/emulator/sessions"
)

// dial opens a data channel by hand and shows a token. It returns what the service closes the connection with, or
// nothing where it leaves it open for a while.
func dial(t *testing.T, url, token string) error {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), url, nil)
	require.NoError(t, err)
	defer conn.CloseNow() //nolint:errcheck // a test's
	require.NoError(t, conn.Write(t.Context(), websocket.MessageText, fmt.Appendf(nil, `{"MessageSchemaVersion":"1.0","TokenValue":%q}`, token)))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	for {
		if _, _, err = conn.Read(ctx); err != nil {
			break
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func TestToken_UsedTwice_Refused(t *testing.T) {
	s := newScene(t)
	one, code := s.ssm("StartSession", object{"Target": target})
	require.Empty(t, code)
	other, code := s.ssm("StartSession", object{"Target": target})
	require.Empty(t, code)
	url, token := one["StreamUrl"].(string), one["TokenValue"].(string)
	assert.Regexp(t, `^ws://127\.0\.0\.1:\d+/`, url)

	assert.ErrorContains(t, dial(t, url, "invented"), "the token was not given out for this session")
	assert.ErrorContains(t, dial(t, other["StreamUrl"].(string), token), "the token was not given out for this session", "another session's")
	assert.NoError(t, dial(t, url, token))
	assert.ErrorContains(t, dial(t, url, token), "or was used")

	again, code := s.ssm("ResumeSession", object{"SessionId": one["SessionId"]})
	require.Empty(t, code)
	assert.NotEqual(t, token, again["TokenValue"])
	assert.NoError(t, dial(t, again["StreamUrl"].(string), again["TokenValue"].(string)))
	for _, session := range []any{one["SessionId"], other["SessionId"]} {
		_, code := s.ssm("TerminateSession", object{"SessionId": session})
		require.Empty(t, code)
	}
}

func TestChannel_Browser_Refused(t *testing.T) {
	s := newScene(t)
	one, code := s.ssm("StartSession", object{"Target": target})
	require.Empty(t, code)
	for _, origin := range []string{"https://example.com", s.URL(), "null"} {
		_, response, err := websocket.Dial(t.Context(), one["StreamUrl"].(string), &websocket.DialOptions{HTTPHeader: http.Header{"Origin": {origin}}})
		require.Error(t, err)
		assert.Equal(t, http.StatusForbidden, response.StatusCode)

		status, text := s.send("ssm", http.Header{"X-Amz-Target": {"AmazonSSM.StartSession"}, "Origin": {origin}}, `{"Target":"`+target+`"}`)
		assert.Equal(t, http.StatusForbidden, status)
		assert.Contains(t, text, "refuses requests of browsers")

		request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.URL()+"/_emulator/agents/"+target, strings.NewReader(`{"status":"never"}`))
		require.NoError(t, err)
		request.Header.Set("Origin", origin)
		request.Header.Set("Authorization", "Bearer "+s.Secret())
		answer, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		assert.Equal(t, http.StatusForbidden, answer.StatusCode)
	}
	assert.NoError(t, dial(t, one["StreamUrl"].(string), one["TokenValue"].(string)), "the token was not spent")
}

func TestChannel_OtherHost_Refused(t *testing.T) {
	s := newScene(t)
	_, port, err := net.SplitHostPort(strings.TrimPrefix(s.URL(), "http://"))
	require.NoError(t, err)
	addresses, err := net.InterfaceAddrs()
	require.NoError(t, err)
	tried := 0
	for _, a := range addresses {
		ip := a.(*net.IPNet).IP
		if ip.IsLoopback() && ip.Equal(net.IPv4(127, 0, 0, 1)) || ip.IsLinkLocalUnicast() {
			continue
		}
		tried++
		conn, err := net.DialTimeout("tcp", net.JoinHostPort(ip.String(), port), time.Second)
		if assert.Error(t, err, ip) {
			continue
		}
		_ = conn.Close()
	}
	if tried == 0 {
		t.Skip("this machine has no address but 127.0.0.1")
	}
}

// admin makes one of the front's own calls.
func (s scene) admin(method, path, body string) (int, string) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), method, s.URL()+"/_emulator/"+path, strings.NewReader(body))
	require.NoError(s.t, err)
	request.Header.Set("Authorization", "Bearer "+s.Secret())
	response, err := http.DefaultClient.Do(request)
	require.NoError(s.t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(s.t, err)
	return response.StatusCode, string(text)
}

func TestAdmin_OpenSessions_Counted(t *testing.T) {
	s := newScene(t)
	one, code := s.ssm("StartSession", object{"Target": target})
	require.Empty(t, code)
	require.NoError(t, dial(t, one["StreamUrl"].(string), one["TokenValue"].(string)))
	status, text := s.admin("GET", "sessions", "")
	assert.Equal(t, http.StatusOK, status)
	assert.JSONEq(t, `{"open":1}`, text)
	_, code = s.ssm("TerminateSession", object{"SessionId": one["SessionId"]})
	require.Empty(t, code)
	assert.Eventually(t, func() bool {
		_, text = s.admin("GET", "sessions", "")
		return text == `{"open":0}`+"\n" || text == `{"open":0}`
	}, 10*time.Second, 50*time.Millisecond)
}

// managed is an instance in DescribeInstanceInformation; nil where it is not listed.
func (s scene) managed(id string) object {
	s.t.Helper()
	answer, code := s.ssm("DescribeInstanceInformation", object{"Filters": []object{{"Key": "InstanceIds", "Values": []string{id}}}})
	require.Empty(s.t, code, answer)
	list := answer["InstanceInformationList"].([]any)
	if len(list) == 0 {
		return nil
	}
	return list[0].(object)
}

func (s scene) connection(id string) string {
	s.t.Helper()
	answer, code := s.ssm("GetConnectionStatus", object{"Target": id})
	require.Empty(s.t, code, answer)
	return answer["Status"].(string)
}

func TestInstances_Agents_AreManaged(t *testing.T) {
	s := newScene(t)
	m := s.managed(target)
	require.NotNil(t, m)
	assert.Equal(t, []any{"Online", "Linux", "EC2Instance"}, []any{m["PingStatus"], m["PlatformType"], m["ResourceType"]})
	assert.Regexp(t, `^3\.\d+\.\d+\.\d+$`, m["AgentVersion"])
	assert.NotEmpty(t, m["IPAddress"])
	assert.NotEmpty(t, m["ComputerName"])
	assert.Equal(t, "connected", s.connection(target))
	assert.Nil(t, s.managed(lonely), "it has no role")
	assert.Equal(t, "notconnected", s.connection(lonely))

	status, text := s.admin("PUT", "agents/"+target, `{"status":"lost","agentVersion":"2.3.68.0"}`)
	require.Equal(t, 200, status, text)
	m = s.managed(target)
	assert.Equal(t, []any{"ConnectionLost", "2.3.68.0", false}, []any{m["PingStatus"], m["AgentVersion"], m["IsLatestVersion"]})
	assert.Equal(t, "notconnected", s.connection(target))
	_, code := s.ssm("StartSession", object{"Target": target})
	assert.Equal(t, "TargetNotConnected", code)

	status, text = s.admin("PUT", "agents/"+target, `{"status":"never"}`)
	require.Equal(t, 200, status, text)
	assert.Nil(t, s.managed(target))
	_, code = s.ssm("StartSession", object{"Target": target})
	assert.Equal(t, "TargetNotConnected", code)

	status, text = s.admin("PUT", "agents/"+target, `{"status":"late","after":"400ms"}`)
	require.Equal(t, 200, status, text)
	assert.Nil(t, s.managed(target))
	require.Eventually(t, func() bool { return s.connection(target) == "connected" }, patience, 50*time.Millisecond)
	assert.NotNil(t, s.managed(target))

	s.query("ec2", "2016-11-15", "Action", "StopInstances", "InstanceId.1", target)
	assert.Equal(t, "ConnectionLost", s.managed(target)["PingStatus"])
	s.query("ec2", "2016-11-15", "Action", "TerminateInstances", "InstanceId.1", target)
	assert.Nil(t, s.managed(target))
}

func TestAdmin_BadRequest_Explained(t *testing.T) {
	s := newScene(t)
	for _, one := range []struct{ method, path, body, problem string }{
		{"PUT", "agents/i-1", `{"status":"away"}`, `online, late, never or lost, got \"away\"`},
		{"PUT", "agents/i-1", `{"status":"late"}`, "after is how long"},
		{"PUT", "agents/i-1", `{"state":"late"}`, "unknown field"},
		{"POST", "sessions", `[{"Target":"i-1"}]`, "has no SessionId"},
		{"POST", "sessions", `[{"SessionID2":"x"}]`, "unknown field"},
		{"POST", "sessions/nobody/cut", ``, "has no client"},
		{"DELETE", "sessions", ``, "is not a call of the emulated Session Manager"},
	} {
		status, text := s.admin(one.method, one.path, one.body)
		assert.GreaterOrEqual(t, status, 400, one.path)
		assert.Contains(t, text, one.problem)
	}
}

func TestDescribeSessions_Thousands_Paged(t *testing.T) {
	s := newScene(t)
	var entries []string
	now := time.Now()
	for i := range 5000 {
		entries = append(entries, fmt.Sprintf(`{"SessionId":"anna-%017x","Target":"i-%d","StartDate":%q,"EndDate":%d,"Owner":"arn:aws:iam::123456789012:user/anna","Status":"Terminated"}`,
			i, i%3, now.Add(-time.Duration(i/2)*time.Minute).Format(time.RFC3339), now.Unix()))
	}
	entries = append(entries, fmt.Sprintf(`{"SessionId":"anna-old","StartDate":%q}`, now.Add(-31*24*time.Hour).Format(time.RFC3339)))
	entries = append(entries, fmt.Sprintf(`{"SessionId":"anna-elsewhere","Region":"us-east-1","StartDate":%q}`, now.Format(time.RFC3339)))
	status, text := s.admin("POST", "sessions", "["+strings.Join(entries, ",")+"]")
	require.Equal(t, 200, status, text)

	seen, pages, token, last := map[string]bool{}, 0, "", 1e12
	for {
		in := object{"State": "History", "MaxResults": 200}
		if token != "" {
			in["NextToken"] = token
		}
		answer, code := s.ssm("DescribeSessions", in)
		require.Empty(t, code, answer)
		for _, e := range answer["Sessions"].([]any) {
			seen[e.(object)["SessionId"].(string)] = true
			start := e.(object)["StartDate"].(float64)
			assert.LessOrEqual(t, start, last, "the newest first")
			last = start
		}
		pages++
		if pages == 2 { // what begins meanwhile shifts nothing
			require.NoError(t, s.Sessions().Seed([]sessions.Session{{SessionID: "anna-new", StartDate: sessions.Time{Time: now.Add(time.Minute)}}}))
		}
		if token, _ = answer["NextToken"].(string); token == "" {
			break
		}
		require.Less(t, pages, 50)
	}
	assert.Len(t, seen, 5000)
	assert.Equal(t, 25, pages)
	assert.False(t, seen["anna-old"], "AWS keeps 30 days")
	assert.False(t, seen["anna-elsewhere"])

	count := func(filters ...object) int {
		answer, code := s.ssm("DescribeSessions", object{"State": "History", "MaxResults": 200, "Filters": filters})
		require.Empty(t, code, answer)
		return len(answer["Sessions"].([]any))
	}
	since := now.Add(-9*time.Minute - 30*time.Second).UTC().Format(time.RFC3339)
	assert.Equal(t, 21, count(object{"key": "InvokedAfter", "value": since}), "twenty, and the new one")
	assert.Equal(t, 20, count(object{"key": "InvokedAfter", "value": since}, object{"key": "InvokedBefore", "value": now.Add(2 * time.Second).UTC().Format(time.RFC3339)}, object{"key": "Owner", "value": "arn:aws:iam::123456789012:user/anna"}))
	assert.Equal(t, 200, count(object{"key": "Target", "value": "i-1"}))
	assert.Equal(t, 1, count(object{"key": "SessionId", "value": fmt.Sprintf("anna-%017x", 4999)}))
	assert.Equal(t, 0, count(object{"key": "Status", "value": "Failed"}))
}

func TestDescribe_BadRequest_Refused(t *testing.T) {
	s := newScene(t)
	for _, one := range []struct {
		action string
		in     object
		code   string
	}{
		{"DescribeSessions", object{}, "ValidationException"},
		{"DescribeSessions", object{"State": "Past"}, "ValidationException"},
		{"DescribeSessions", object{"State": "Active", "MaxResults": 201}, "ValidationException"},
		{"DescribeSessions", object{"State": "Active", "NextToken": "invented"}, "InvalidNextToken"},
		{"DescribeSessions", object{"State": "Active", "Filters": []object{{"key": "InvokedAfter", "value": "yesterday"}}}, "ValidationException"},
		{"DescribeInstanceInformation", object{"MaxResults": 4}, "ValidationException"},
		{"DescribeInstanceInformation", object{"NextToken": "invented"}, "InvalidNextToken"},
		{"DescribeInstanceInformation", object{"Filters": []object{{"Key": "Colour", "Values": []string{"red"}}}}, "InvalidFilterKey"},
		{"GetConnectionStatus", object{}, "ValidationException"},
		{"TerminateSession", object{"SessionId": strings.Repeat("x", 97)}, "ValidationException"},
	} {
		answer, code := s.ssm(one.action, one.in)
		assert.Equal(t, one.code, code, "%s %v: %v", one.action, one.in, answer)
	}
	_, code := s.ssm("TerminateSession", object{"SessionId": "root-00000000000000000"})
	assert.Empty(t, code)
}

func TestStartSession_WindowsInstance_RefusedWithTheReason(t *testing.T) {
	s := newScene(t)
	answer := s.query("ec2", "2016-11-15", "Action", "RunInstances", "ImageId", windowsImage, "MinCount", "1", "MaxCount", "1", "IamInstanceProfile.Name", "node")
	id := regexp.MustCompile(`<instanceId>(i-\w+)<`).FindStringSubmatch(answer)[1]
	said, code := s.ssm("StartSession", object{"Target": id})
	assert.Equal(t, "ValidationException", code)
	assert.Contains(t, fmt.Sprint(said), "it simulates SSM Agent with a shell of this machine, and has no PowerShell")
	found, code := s.ssm("DescribeInstanceInformation", object{"Filters": []object{{"Key": "InstanceIds", "Values": []string{id}}}})
	require.Empty(t, code)
	assert.Equal(t, "Windows", found["InstanceInformationList"].([]any)[0].(object)["PlatformType"])
}

func TestDescribeInstances_Many_Paged(t *testing.T) {
	s := newScene(t)
	for range 11 { // one by one: moto gives the profile to the first of a call only
		s.query("ec2", "2016-11-15", "Action", "RunInstances", "ImageId", linuxImage, "MinCount", "1", "MaxCount", "1", "IamInstanceProfile.Name", "node")
	}
	seen, token := map[string]bool{}, ""
	for range 3 {
		in := object{"MaxResults": 5}
		if token != "" {
			in["NextToken"] = token
		}
		answer, code := s.ssm("DescribeInstanceInformation", in)
		require.Empty(t, code, answer)
		for _, one := range answer["InstanceInformationList"].([]any) {
			seen[one.(object)["InstanceId"].(string)] = true
		}
		token, _ = answer["NextToken"].(string)
	}
	assert.Len(t, seen, 12)
	assert.Empty(t, token)
	answer, code := s.ssm("DescribeInstanceInformation", object{"Filters": []object{{"Key": "IamRole", "Values": []string{"node"}}, {"Key": "PingStatus", "Values": []string{"ConnectionLost"}}}})
	require.Empty(t, code)
	assert.Empty(t, answer["InstanceInformationList"])
}

func TestSession_Owner_IsCaller(t *testing.T) {
	s := newScene(t)
	s.query("iam", "2010-05-08", "Action", "CreateUser", "UserName", "anna")
	user := regexp.MustCompile(`<AccessKeyId>(\w+)<`).FindStringSubmatch(s.query("iam", "2010-05-08", "Action", "CreateAccessKey", "UserName", "anna"))[1]
	s.query("iam", "2010-05-08", "Action", "CreateRole", "RoleName", "operator", "AssumeRolePolicyDocument", `{"Version":"2012-10-17","Statement":[]}`)
	role := regexp.MustCompile(`<AccessKeyId>(\w+)<`).FindStringSubmatch(s.query("sts", "2011-06-15", "Action", "AssumeRole", "RoleArn", "arn:aws:iam::123456789012:role/operator", "RoleSessionName", "ben@example.com"))[1]
	for key, want := range map[string][2]string{
		user:   {"anna", "arn:aws:iam::123456789012:user/anna"},
		role:   {"ben@example.com", "arn:aws:sts::123456789012:assumed-role/operator/ben@example.com"},
		"test": {"root", "arn:aws:iam::123456789012:root"},
	} {
		answer, err := s.Sessions().Answer(sessions.Call{Context: t.Context(), Action: "StartSession", Region: region, AccessKey: key, Body: []byte(`{"Target":"` + target + `"}`)})
		require.NoError(t, err)
		id := answer.(map[string]string)["SessionId"]
		assert.Regexp(t, "^"+regexp.QuoteMeta(want[0])+"-[0-9a-f]{17}$", id)
		assert.Equal(t, want[1], s.entry("Active", id)["Owner"])
		_, code := s.ssm("TerminateSession", object{"SessionId": id})
		require.Empty(t, code)
	}
}

func TestRules_SessionCalls_AppliedFirst(t *testing.T) {
	s := newScene(t)
	remove := s.Add(emulator.Fail("ssm", "StartSession", 400, "AccessDeniedException", "User is not authorized to perform: ssm:StartSession"))
	c := s.start("--target", target)
	c.expect("AccessDeniedException.*not authorized to perform: ssm:StartSession")
	assert.NotEqual(t, 0, c.ends())
	remove()
	c = s.start("--target", target)
	c.opened()
}
