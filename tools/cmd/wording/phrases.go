package main

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// phrase is a regular expression for words that the project does not use, without
// regard to case. A space in it stands for any white space.
type phrase struct{ pattern, instead string }

var phrases = []phrase{
	{`mend(s|ed|ing)?`, "fix"},
	{`records?`, `"session log", or "recording" for the act`},
	{`places? (of|that|in which)`, `"log location"`},
	{`ways? out|ways? to the internet`, `"internet route" or "route out of the VPC"`},
	{`(leave|leaves|leaving) the VPC`, `"route out of the VPC"`},
	{`stands?|stood`, `"is", "exists" or "applies"`},
	{`(take|takes|taking) it down`, `"delete" or "tear down"`},
	{`rid of`, `"delete"`},
	{`houses?`, `"repository layout"`},
	{`the eval line|by hand`, `"with plain pulumi and aws"`},
	{`believe`, `"verify"`},
	{`(keep|keeps) (a|its|the) failure to (itself|himself)|without a word`, `"fails silently"`},
	{`earlier times?`, `"a previous deployment"`},
	{`(take|takes|taken|took|taking)( \w+){0,2} up again`, `"reuse" or "import"`},
	{`(ask|asks|asked|asking) for it`, `"require"`},
	{`(let|lets) in nobody|nobody in general`, `"grants access only to …"`},
	{`go on:`, `"Next:"`},
	{`still at it`, `"still running"`},
	{`who opens (one|it)|of who opens|whoever opens`, `"the user who starts the session"`},
	{`foreign`, `"that this stack does not manage"`},
	{`strangers?`, `what it is: a new user, another account`},
	{`plays?|played|playing`, `"simulate"`},
	{`emulated (account|AWS|stack)s?`, `"local emulator", or the stack "local"`},
	{`에뮬레이션된 (계정|AWS|스택)`, `"로컬 에뮬레이터"`},
	{`레시피`, `"스택"`},
	{`철거`, `"삭제"`},
}

// exception allows what its pattern matches, for a reason.
type exception struct{ pattern, reason string }

var exceptions = []exception{
	{"`record`|make record|record SESSION=|record --session|-stack dev record", "the command keeps its name"},
	{`(to|not) record`, "the verb, which is correct"},
	{`-records|Session records of the Pulumi stack`, "names and a description that identify deployed resources"},
	{`stand-in`, "a program that replaces another"},
}

type rules struct {
	phrases []*regexp.Regexp
	instead []string
	allowed []*regexp.Regexp
}

func compile(phrases []phrase) rules {
	var r rules
	for _, p := range phrases {
		pattern := `(?:` + spaces(p.pattern) + `)`
		if p.pattern[0] < utf8.RuneSelf { // Go's \b knows no boundary of Korean words
			pattern = `\b` + pattern
		}
		if !strings.HasSuffix(p.pattern, ":") && p.pattern[0] < utf8.RuneSelf {
			pattern += `\b`
		}
		r.phrases = append(r.phrases, regexp.MustCompile(`(?i)`+pattern))
		r.instead = append(r.instead, p.instead)
	}
	for _, e := range exceptions {
		r.allowed = append(r.allowed, regexp.MustCompile(`(?:`+spaces(e.pattern)+`)`))
	}
	return r
}

func spaces(pattern string) string { return strings.ReplaceAll(pattern, " ", `\s+`) }

type finding struct {
	at              int
	phrase, instead string
}

// find gives the phrases in a text that no exception covers, and notes in used
// which exceptions were needed.
func (r rules) find(content string, used map[int]bool) (found []finding) {
	type allowance struct{ exception, from, to int }
	var allowances []allowance
	for i, e := range r.allowed {
		for _, m := range e.FindAllStringIndex(content, -1) {
			allowances = append(allowances, allowance{i, m[0], m[1]})
		}
	}
	for i, p := range r.phrases {
	next:
		for _, m := range p.FindAllStringIndex(content, -1) {
			for _, a := range allowances {
				if a.from <= m[0] && m[1] <= a.to {
					used[a.exception] = true
					continue next
				}
			}
			found = append(found, finding{m[0], content[m[0]:m[1]], r.instead[i]})
		}
	}
	return found
}
