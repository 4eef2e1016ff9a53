package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strconv"
	"strings"
)

// text is something that people read, with the line on which it begins.
type text struct {
	content string
	line    int
}

func wholeText(_ string, content []byte) ([]text, error) {
	return []text{{string(content), 1}}, nil
}

// makefileTexts are the comments, with the help texts, and what is printed.
func makefileTexts(_ string, content []byte) ([]text, error) {
	var found []text
	for i, line := range strings.Split(string(content), "\n") {
		if m := makefileText.FindString(line); m != "" {
			found = append(found, text{m, i + 1})
		}
	}
	return found, nil
}

// pictureTexts is the text of an SVG file without its tags and styles.
func pictureTexts(_ string, content []byte) ([]text, error) {
	shown := svgMarkup.ReplaceAllStringFunc(string(content), func(markup string) string { return strings.Repeat("\n", strings.Count(markup, "\n")) })
	return []text{{shown, 1}}, nil
}

var (
	makefileText = regexp.MustCompile(`(#|echo ).*`)
	svgMarkup    = regexp.MustCompile(`(?s)<style>.*?</style>|<[a-zA-Z/][^>]*>`)
)

// goTexts are the string literals that are sentences, and the names of tests in
// words. A literal without a space is a name of something.
func goTexts(name string, content []byte) ([]text, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, content, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var found []text
	add := func(content string, at token.Pos) { found = append(found, text{content, files.Position(at).Line}) }
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec:
			return false
		case *ast.BasicLit:
			if n.Kind != token.STRING {
				break
			}
			if value, err := strconv.Unquote(n.Value); err == nil && strings.Contains(strings.TrimSpace(value), " ") {
				add(value, n.Pos())
			}
		case *ast.FuncDecl:
			if strings.HasSuffix(name, "_test.go") && testName.MatchString(n.Name.Name) {
				add(words(n.Name.Name), n.Pos())
			}
		}
		return true
	})
	return found, nil
}

var (
	testName = regexp.MustCompile(`^(Test|Benchmark|Fuzz|Example)[A-Z_]`)
	newWord  = regexp.MustCompile(`([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])`)
)

// words splits a name such as TestHistory_OldSession_IsListed.
func words(name string) string {
	return strings.ReplaceAll(newWord.ReplaceAllString(name, "$1$3 $2$4"), "_", " ")
}

var (
	// In a source file the first of these that matches is a comment or a literal.
	pythonToken   = regexp.MustCompile(`(?s)#[^\n]*|"""(.*?)"""|'''(.*?)'''|"((?:\\.|[^"\\\n])*)"|'((?:\\.|[^'\\\n])*)'`)
	pythonLiteral = []int{2, 4, 6, 8} // where the groups of pythonToken begin
)

// pythonTexts are the string literals that are sentences, with docstrings.
func pythonTexts(_ string, content []byte) ([]text, error) {
	var found []text
	for _, m := range pythonToken.FindAllSubmatchIndex(content, -1) {
		for _, group := range pythonLiteral {
			if m[group] < 0 {
				continue
			}
			value := string(content[m[group]:m[group+1]])
			if strings.Contains(strings.TrimSpace(value), " ") {
				found = append(found, text{value, 1 + strings.Count(string(content[:m[group]]), "\n")})
			}
		}
	}
	return found, nil
}
