#!/usr/bin/env python3
"""What the pipelines do at GitHub. Usage:

scripts/ci/github.py comment NUMBER FILE
    puts a report into a comment of a pull request: into the one that an earlier run wrote, if there is one
scripts/ci/github.py issue same|differs TITLE FILE
    keeps one open issue as long as a report says that something differs: opens it, updates it, and closes it
scripts/ci/github.py newest
    fails if the branch of this run has gone on since; a deployment may have waited days for its approval, and would
    take back what was deployed in the meantime

It needs Python and nothing else. It does not use gh, because gh cannot be pointed at another server, and a test has to.
GITHUB_API_URL, GITHUB_REPOSITORY, GITHUB_RUN_ID, GITHUB_SERVER_URL, GITHUB_REF_NAME and GITHUB_SHA are what every
workflow has; GITHUB_TOKEN is given to the one step that needs it.
"""

import json
import os
import re
import sys
import time
import urllib.error
import urllib.request

# Only what this login wrote is ever changed: anybody can write a comment that looks like one of ours.
AUTHOR = os.environ.get("CI_AUTHOR", "github-actions[bot]")
PAGE = 100


def github(method, path, body=None):
    """Sends one request and returns the answer."""
    request = urllib.request.Request(
        f"{os.environ['GITHUB_API_URL']}/repos/{os.environ['GITHUB_REPOSITORY']}{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Accept": "application/vnd.github+json", "Content-Type": "application/json"},
    )
    # Not sent along when the answer leads to another server.
    request.add_unredirected_header("Authorization", f"Bearer {os.environ['GITHUB_TOKEN']}")
    # A creation is not tried twice: the first try may have been carried out although its answer was lost.
    tries = 1 if method == "POST" else 4
    while True:
        tries -= 1
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.loads(answer.read() or b"null")
        except (OSError, ValueError) as problem:
            refused = isinstance(problem, urllib.error.HTTPError) and problem.code < 500 and problem.code not in (408, 429)
            if tries == 0 or refused:
                sys.exit(f"error: the request {method} {path} failed: {problem}")
        time.sleep(2)


def ours(path, mark, field):
    """Returns the field of the first comment or issue that the pipelines wrote and that begins with the mark, or None."""
    page = 1
    while True:
        found = github("GET", f"{path}?per_page={PAGE}&page={page}")
        for entry in found:
            # GitHub lists pull requests among the issues.
            if entry["user"]["login"] == AUTHOR and entry.get("pull_request") is None and (entry["body"] or "").startswith(mark):
                return entry[field]
        if len(found) < PAGE:
            return None
        page += 1


def report(file):
    """Returns a report and its mark: the first line, a comment. A later report replaces the one with the same mark."""
    try:
        with open(file, encoding="utf-8") as opened:
            text = opened.read()
    except OSError as problem:
        sys.exit(f"error: there is no report {file}: {problem}")
    mark = text.split("\n", 1)[0]
    if not re.fullmatch("<!-- .* -->", mark):
        sys.exit(f"error: the first line of {file} is no mark")
    return text, mark


def comment(number, file):
    if not re.fullmatch("[0-9]+", number):
        sys.exit(f"error: {number} is not the number of a pull request")
    text, mark = report(file)
    known = ours(f"/issues/{number}/comments", mark, "id")
    if known is not None:
        github("PATCH", f"/issues/comments/{known}", {"body": text})
    else:
        github("POST", f"/issues/{number}/comments", {"body": text})


def issue(result, title, file):
    if result not in ("same", "differs"):
        sys.exit(f"error: the result is {result!r}, expected same or differs")
    text, mark = report(file)
    # GitHub lists open issues, unless told otherwise.
    number = ours("/issues", mark, "number")
    if result == "differs" and number is None:
        github("POST", "/issues", {"title": title, "body": text})
    elif result == "differs":
        github("PATCH", f"/issues/{number}", {"title": title, "body": text})
    elif number is not None:
        run = "{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_ID}".format_map(os.environ)
        github("POST", f"/issues/{number}/comments", {"body": f"Nothing differs any more: {run}"})
        github("PATCH", f"/issues/{number}", {"state": "closed", "state_reason": "completed"})


def newest():
    branch, commit = os.environ["GITHUB_REF_NAME"], os.environ["GITHUB_SHA"]
    found = github("GET", f"/git/ref/heads/{branch}")["object"]["sha"]
    if found != commit:
        sys.exit(
            f"error: {branch} is at {found}, and this run is for {commit}. Nothing was changed. "
            f"Approve the run of the newest commit; to go back to an older state, revert on {branch}"
        )


if __name__ == "__main__":
    commands = {"comment": (comment, 2), "issue": (issue, 3), "newest": (newest, 0)}
    command, count = commands.get(sys.argv[1] if len(sys.argv) > 1 else "", (None, 0))
    if command is None or len(sys.argv) != 2 + count:
        sys.exit(__doc__)
    command(*sys.argv[2:])
