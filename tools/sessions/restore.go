package sessions

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	sessiondoc "private-ec2-access/internal/session"
)

// Restore puts back what a session document said before a stack adopted it, and reports whether it did. A document that
// the stack did not adopt, or that is gone, is left alone, so it can be called again after it was cut off.
//
// The version of then becomes the one that sessions use, and then the stack's own versions are deleted: Systems Manager
// changes only the newest version, so while they are there nobody could change the document any more.
func Restore(ctx context.Context, environ []string, region, document, owner string) (version string, restored bool, err error) {
	c := newClient(environ, region)
	newest, err := c.documentVersion(ctx, document, "$LATEST")
	if isAbsent(err) {
		return "", false, nil
	} else if err != nil {
		return "", false, err
	}
	before := newest.mark().Before
	if newest.mark().Owner != owner || before == "" {
		return "", false, nil
	}
	err = c.call(ctx, nil, "ssm", "update-document-default-version", input{"Name": document, "DocumentVersion": before})
	if err != nil {
		return before, false, err
	}
	first, err := strconv.Atoi(before)
	if err != nil {
		return before, false, err
	}
	last, err := strconv.Atoi(newest.DocumentVersion)
	if err != nil {
		return before, false, fmt.Errorf("the newest version of the document %s is %q, expected a number", document, newest.DocumentVersion)
	}
	// The newest last: as long as it is there, the next call knows that there is something left to do.
	for n := first + 1; n <= last; n++ {
		v, err := c.documentVersion(ctx, document, strconv.Itoa(n))
		var failed *callError
		switch {
		case errors.As(err, &failed) && (failed.absent() || failed.code == "InvalidDocumentVersion"):
			continue // deleted already
		case err != nil:
			return before, false, err
		}
		if v.mark().Owner != owner {
			continue // somebody else's
		}
		if err := c.call(ctx, nil, "ssm", "delete-document", input{"Name": document, "DocumentVersion": strconv.Itoa(n)}); err != nil {
			return before, false, err
		}
	}
	return before, true, nil
}

// UseNewest lets sessions use a document's newest version, where that is the stack's own and an update was killed before it
// came to this. It reports whether there was something to do.
func UseNewest(ctx context.Context, environ []string, region, document, owner string) (bool, error) {
	c := newClient(environ, region)
	newest, err := c.documentVersion(ctx, document, "$LATEST")
	if isAbsent(err) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	used, err := c.documentVersion(ctx, document, "")
	if err != nil || used.DocumentVersion == newest.DocumentVersion || newest.mark().Owner != owner {
		return false, err
	}
	return true, c.call(ctx, nil, "ssm", "update-document-default-version", input{"Name": document, "DocumentVersion": newest.DocumentVersion})
}

type documentVersion struct{ Content, DocumentVersion string }

// mark is the mark in the content; zero, if no stack of this program made it.
func (d documentVersion) mark() sessiondoc.Mark {
	read, _ := sessiondoc.Read(d.Content)
	return read.Mark
}

// documentVersion reads a version; without one, the version that sessions use.
func (c *client) documentVersion(ctx context.Context, document, version string) (documentVersion, error) {
	in := input{"Name": document, "DocumentFormat": "JSON"}
	if version != "" {
		in["DocumentVersion"] = version
	}
	var d documentVersion
	err := c.call(ctx, &d, "ssm", "get-document", in)
	return d, err
}
