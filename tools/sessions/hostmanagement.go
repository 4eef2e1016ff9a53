package sessions

import (
	"context"

	"private-ec2-access/internal/scope"
)

// HostManagementRole is the role, as PATH/NAME, that Default Host Management Configuration gives to the instances of the
// Region; empty: it is off.
func HostManagementRole(ctx context.Context, environ []string, region string) (string, error) {
	c := newClient(environ, region)
	me, err := c.caller(ctx)
	if err != nil {
		return "", err
	}
	setting := scope.Scope{Partition: scope.PartitionOf(region), Region: region, AccountID: me.Account}.
		ARN("ssm", "servicesetting/ssm/managed-instance/default-ec2-instance-management-role")
	var answer struct{ ServiceSetting struct{ SettingValue string } }
	err = c.call(ctx, &answer, "ssm", "get-service-setting", input{"SettingId": setting})
	if answer.ServiceSetting.SettingValue == "$None" {
		return "", err
	}
	return answer.ServiceSetting.SettingValue, err
}
