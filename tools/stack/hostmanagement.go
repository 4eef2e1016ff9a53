package stack

import (
	"context"
	"fmt"
	"time"

	"private-ec2-access/tools/sessions"
)

// hostManagementNotice looks, beside the preview, whether the account has Default Host Management Configuration on. The
// program cannot: the AWS plugin has no look-up for service settings, and reading one as a resource would leave it in the state.
// Where the setting cannot be read, there is no notice: it changes nothing that the stack does.
func (a *app) hostManagementNotice() <-chan string {
	found := make(chan string, 1)
	region, environ := a.stack.Region, a.awsEnviron()
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		role, err := sessions.HostManagementRole(ctx, environ, region)
		if err != nil || role == "" {
			found <- ""
			return
		}
		found <- fmt.Sprintf("Note: Default Host Management Configuration is on in %s: instances whose instance profile does not allow Systems Manager use the role %s. "+
			"By default it does not allow session logs: docs/default-host-management.md.", region, role)
	}()
	return found
}
