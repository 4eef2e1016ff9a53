# shellcheck shell=bash
# Functions of the scripts beside this file. They use curl and not gh, because gh cannot be pointed at another server,
# and a test has to. GITHUB_API_URL, GITHUB_REPOSITORY, GITHUB_RUN_ID and GITHUB_SERVER_URL are what every workflow has;
# GITHUB_TOKEN is given to the one step that needs it.

# Only what this login wrote is ever changed: anybody can write a comment that looks like one of ours.
author=${CI_AUTHOR:-github-actions[bot]}

fail() {
  echo "error: $*" >&2
  exit 1
}

# github METHOD PATH: one request; a body is read from standard input, unless the method is GET.
github() {
  local arguments=(--silent --show-error --fail-with-body --request "$1" --header 'Accept: application/vnd.github+json')
  # A creation is not tried twice: the first try may have been carried out although its answer was lost.
  if [[ $1 != POST ]]; then arguments+=(--retry 3); fi
  if [[ $1 != GET ]]; then arguments+=(--data-binary @-); fi
  # From a file and not as an argument, which every process on the machine can read.
  if ! curl "${arguments[@]}" --header @<(printf 'Authorization: Bearer %s\n' "$GITHUB_TOKEN") "$GITHUB_API_URL/repos/$GITHUB_REPOSITORY$2"; then
    echo "error: the request $1 $2 failed" >&2
    return 1
  fi
}

# ours PATH MARK FIELD: the field of the first entry of a list of comments or issues that this project's pipelines wrote
# and that begins with the mark; nothing if there is none.
ours() {
  local page list found
  for ((page = 1; ; page++)); do
    list=$(github GET "$1?per_page=100&page=$page") || return 1
    found=$(jq -r --arg mark "$2" --arg author "$author" --arg field "$3" \
      'first(.[] | select(.user.login == $author and .pull_request == null and ((.body // "") | startswith($mark)))) | .[$field]' <<<"$list") || return 1
    if [[ -n $found ]]; then
      echo "$found"
      return
    fi
    if (($(jq length <<<"$list") < 100)); then return; fi
  done
}

# mark FILE: the first line of a report, a comment that names it. A later report replaces the one with the same mark.
mark() {
  local line
  IFS= read -r line <"$1" || fail "there is no report $1"
  [[ $line == '<!-- '*' -->' ]] || fail "the first line of $1 is no mark"
  echo "$line"
}
