package sessions

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// account asks moto what the service itself has to know. Those are no calls of a user of AWS, so they do not go through
// the front. The SDK's packages for EC2 and IAM would cost a minute of compiling for four calls.
type account struct{ moto *http.Client }

// authorization names a caller; moto takes who asks, service and Region from it. The front checks signatures, not moto.
func authorization(key, region, service string) string {
	return fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/%s/%s/%s/aws4_request, SignedHeaders=host, Signature=0", key, time.Now().UTC().Format("20060102"), region, service)
}

func (a account) send(ctx context.Context, key, region, service string, header http.Header, body string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://moto/", strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header = header
	request.Header.Set("Authorization", authorization(key, region, service))
	response, err := a.moto.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close() //nolint:errcheck // read to the end
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %s: %s", service, response.Status, bytes.TrimSpace(text))
	}
	return text, err
}

func (a account) query(ctx context.Context, key, region, service, version string, params url.Values, answer any) error {
	params.Set("Version", version)
	text, err := a.send(ctx, key, region, service, http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, params.Encode())
	if err != nil {
		return err
	}
	return xml.Unmarshal(text, answer)
}

// anyKey is for look-ups in which it does not matter who asks.
const anyKey = "emulator"

// instance is what the service knows of an instance from EC2.
type instance struct {
	ID      string `xml:"instanceId"`
	State   string `xml:"instanceState>name"`
	Address string `xml:"privateIpAddress"`
	Name    string `xml:"privateDnsName"`
	Launch  string `xml:"launchTime"`
	Profile string `xml:"iamInstanceProfile>arn"`
	// Platform is windows, or empty.
	Platform string `xml:"platform"`
	role     role
}

type role struct {
	ARN  string `xml:"Arn"`
	Name string `xml:"RoleName"`
}

// instances lists the instances of a Region, with the role of their profile where they have one.
func (a account) instances(ctx context.Context, region string) ([]instance, error) {
	var all []instance
	for params := (url.Values{"Action": {"DescribeInstances"}}); ; {
		var page struct {
			Instances []instance `xml:"reservationSet>item>instancesSet>item"`
			NextToken string     `xml:"nextToken"`
		}
		if err := a.query(ctx, anyKey, region, "ec2", "2016-11-15", params, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Instances...)
		if page.NextToken == "" {
			break
		}
		params.Set("NextToken", page.NextToken)
	}
	roles := map[string]role{}
	for i, one := range all {
		if one.Profile == "" {
			continue
		}
		name := one.Profile[strings.LastIndex(one.Profile, "/")+1:]
		found, asked := roles[name]
		if !asked {
			var profile struct {
				Roles []role `xml:"GetInstanceProfileResult>InstanceProfile>Roles>member"`
			}
			// A profile that was deleted under the instance has no role.
			if a.query(ctx, anyKey, region, "iam", "2010-05-08", url.Values{"Action": {"GetInstanceProfile"}, "InstanceProfileName": {name}}, &profile) == nil && len(profile.Roles) > 0 {
				found = profile.Roles[0]
			}
			roles[name] = found
		}
		all[i].role = found
	}
	return all, nil
}

// keys are what the instance's metadata would give the agent.
type keys struct {
	AccessKeyID     string `xml:"AccessKeyId"`
	SecretAccessKey string `xml:"SecretAccessKey"`
	SessionToken    string `xml:"SessionToken"`
}

// assume returns keys of the instance's role, under the instance's name, as EC2 does.
func (a account) assume(ctx context.Context, region string, of instance) (keys, error) {
	var answer struct {
		Keys keys `xml:"AssumeRoleResult>Credentials"`
	}
	err := a.query(ctx, anyKey, region, "sts", "2011-06-15", url.Values{"Action": {"AssumeRole"}, "RoleArn": {of.role.ARN}, "RoleSessionName": {of.ID}}, &answer)
	if err == nil && answer.Keys.AccessKeyID == "" {
		err = fmt.Errorf("no keys for the role %s", of.role.ARN)
	}
	return answer.Keys, err
}

// whoIs returns the ARN of who holds an access key. A key that moto did not give out is the account's root.
func (a account) whoIs(ctx context.Context, key, region string) (string, error) {
	var answer struct {
		ARN string `xml:"GetCallerIdentityResult>Arn"`
	}
	if err := a.query(ctx, key, region, "sts", "2011-06-15", url.Values{"Action": {"GetCallerIdentity"}}, &answer); err != nil {
		return "", err
	}
	// moto's answer for keys that it does not know is a user of this name in STS; IAM has the users.
	if parts := strings.Split(answer.ARN, ":"); len(parts) == 6 && parts[2] == "sts" && parts[5] == "user/moto" {
		parts[2], parts[5] = "iam", "root"
		return strings.Join(parts, ":"), nil
	}
	return answer.ARN, nil
}

// deployedDocument is a document in its default version.
type deployedDocument struct {
	Content, DocumentType string
}

// document returns nil where there is none of that name.
func (a account) document(ctx context.Context, region, name string) (*deployedDocument, error) {
	header := http.Header{"Content-Type": {"application/x-amz-json-1.1"}, "X-Amz-Target": {"AmazonSSM.GetDocument"}}
	text, err := a.send(ctx, anyKey, region, "ssm", header, string(mustJSON(map[string]string{"Name": name})))
	if bytes.Contains(text, []byte("InvalidDocument")) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	d := &deployedDocument{}
	return d, json.Unmarshal(text, d)
}
