package pasted

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Unknown stands in a command for what is known only when it is printed.
const Unknown = "x1"

// InSources returns the commands of make, aws and pulumi in the texts of the Go
// files in folders, and one place of each. It reads the sources, so that no
// text can be forgotten: literals, their concatenation and formatting, local
// variables, constants, and functions of one line are put together. Of a
// command that is put together otherwise, it returns the part that it sees.
func InSources(t *testing.T, root string, folders ...string) map[string]string {
	t.Helper()
	found := map[string]string{}
	files := token.NewFileSet()
	for _, folder := range folders {
		require.NoError(t, filepath.WalkDir(filepath.Join(root, folder), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.IsDir() {
				return err
			}
			if entry.Name() == "pasted" { // the texts here are no messages
				return filepath.SkipDir
			}
			s := source{values: map[string]ast.Expr{}, params: map[string][]string{}}
			names, err := filepath.Glob(filepath.Join(path, "*.go"))
			var parsed []*ast.File
			for _, name := range names {
				if strings.HasSuffix(name, "_test.go") {
					continue
				}
				file, err := parser.ParseFile(files, name, nil, parser.SkipObjectResolution)
				if err != nil {
					return err
				}
				parsed = append(parsed, file)
				s.declare(file)
			}
			for _, file := range parsed {
				for _, decl := range file.Decls {
					here := map[string]string{}
					s.texts(decl, func(text string, at token.Pos) {
						for _, command := range commands(text) {
							here[command] = files.Position(at).String()
						}
					})
					for command, at := range here {
						if !begins(command, here) && found[command] == "" {
							found[command] = at
						}
					}
				}
			}
			return err
		}))
	}
	return found
}

// begins reports whether a command of the AWS CLI is the beginning of another one.
func begins(command string, others map[string]string) bool {
	for other := range others {
		if strings.HasPrefix(command, "aws ") && strings.HasPrefix(other, command+" ") {
			return true
		}
	}
	return false
}

// source is what the names in a package stand for.
type source struct {
	values map[string]ast.Expr // constants, and the results of functions of one line
	params map[string][]string // of these functions
	locals map[string]ast.Expr
	depth  int
}

func (s *source) declare(file *ast.File) {
	for _, decl := range file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Body == nil || len(d.Body.List) != 1 {
				continue
			}
			if result, ok := d.Body.List[0].(*ast.ReturnStmt); ok && len(result.Results) == 1 {
				s.values[d.Name.Name+"()"] = result.Results[0]
				var names []string
				for _, field := range d.Type.Params.List {
					for _, name := range field.Names {
						names = append(names, name.Name)
					}
				}
				s.params[d.Name.Name] = names
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				if v, ok := spec.(*ast.ValueSpec); ok && d.Tok == token.CONST {
					for i, name := range v.Names {
						if i < len(v.Values) {
							s.values[name.Name] = v.Values[i]
						}
					}
				}
			}
		}
	}
}

// texts calls f with every text of a declaration.
func (s *source) texts(decl ast.Decl, f func(text string, at token.Pos)) {
	s.locals = map[string]ast.Expr{}
	ast.Inspect(decl, func(node ast.Node) bool {
		if a, ok := node.(*ast.AssignStmt); ok && len(a.Lhs) == len(a.Rhs) {
			for i, left := range a.Lhs {
				if name, ok := left.(*ast.Ident); ok && s.locals[name.Name] == nil && a.Tok == token.DEFINE {
					s.locals[name.Name] = a.Rhs[i]
				}
			}
		}
		return true
	})
	var visit func(node ast.Node) bool
	visit = func(node ast.Node) bool {
		switch e := node.(type) {
		case *ast.BasicLit:
			if e.Kind == token.STRING {
				f(s.fold(e), e.Pos())
			}
		case *ast.BinaryExpr:
			if e.Op != token.ADD {
				return true
			}
			f(s.fold(e), e.Pos())
			for _, part := range parts(e) {
				if _, literal := part.(*ast.BasicLit); !literal {
					ast.Inspect(part, visit)
				}
			}
			return false
		case *ast.CallExpr:
			f(s.fold(e), e.Pos())
			_, format := s.format(e)
			for i, arg := range e.Args {
				if made(e) || i == format { // a part of the text
					continue
				}
				ast.Inspect(arg, visit)
			}
			ast.Inspect(e.Fun, visit)
			return false
		}
		return true
	}
	ast.Inspect(decl, visit)
}

// parts are the operands of a concatenation.
func parts(e ast.Expr) []ast.Expr {
	if b, ok := e.(*ast.BinaryExpr); ok && b.Op == token.ADD {
		return append(parts(b.X), parts(b.Y)...)
	}
	return []ast.Expr{e}
}

func called(e *ast.CallExpr) string {
	switch f := e.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		return f.Sel.Name
	}
	return ""
}

// made reports whether a call makes a command of make of its last argument.
func made(e *ast.CallExpr) bool {
	name := called(e)
	return len(e.Args) > 0 && (name == "Make" || name == "command" && len(e.Args) == 1)
}

// format returns the format of a call, and which argument it is; -1 if none is.
func (s *source) format(e *ast.CallExpr) (text string, at int) {
	if strings.HasSuffix(called(e), "f") || called(e) == "say" {
		for i, arg := range e.Args {
			text := s.fold(arg)
			if _, literal := parts(arg)[0].(*ast.BasicLit); literal && strings.Contains(text, "%") {
				return text, i
			}
		}
	}
	return "", -1
}

var verb = regexp.MustCompile(`%(?:\[(\d+)\])?[-+# 0]*\d*(?:\.\d+)?([a-zA-Z%])`)

// fold returns the text of an expression.
func (s *source) fold(e ast.Expr) string {
	if s.depth > 24 { // a name that stands for itself
		return Unknown
	}
	s.depth++
	defer func() { s.depth-- }()
	switch e := e.(type) {
	case *ast.BasicLit:
		if text, err := strconv.Unquote(e.Value); err == nil && e.Kind == token.STRING {
			return text
		}
	case *ast.ParenExpr:
		return s.fold(e.X)
	case *ast.BinaryExpr:
		if e.Op == token.ADD {
			return s.fold(e.X) + s.fold(e.Y)
		}
	case *ast.Ident:
		if local := s.locals[e.Name]; local != nil {
			if text := s.fold(local); text != "" { // else it is set later
				return text
			}
		}
		if value := s.values[e.Name]; value != nil {
			return s.fold(value)
		}
	case *ast.CallExpr:
		switch name := called(e); {
		case made(e):
			return "make " + s.fold(e.Args[len(e.Args)-1]) + " STACK=" + Unknown
		case name == "Itoa":
			return "1"
		case name == "Quote" && len(e.Args) == 1:
			return "'" + s.fold(e.Args[0]) + "'"
		default:
			if text, at := s.format(e); at >= 0 {
				return s.fill(text, e.Args[at+1:])
			}
			if result := s.values[name+"()"]; result != nil {
				given := map[string]ast.Expr{}
				for i, param := range s.params[name] {
					if i < len(e.Args) {
						given[param] = &ast.BasicLit{Kind: token.STRING, Value: strconv.Quote(s.fold(e.Args[i]))}
					}
				}
				locals := s.locals
				s.locals = given
				defer func() { s.locals = locals }()
				return s.fold(result)
			}
		}
	}
	return Unknown
}

// fill puts the arguments of a format into it.
func (s *source) fill(format string, args []ast.Expr) string {
	next := 0
	return verb.ReplaceAllStringFunc(format, func(found string) string {
		match := verb.FindStringSubmatch(found)
		if match[2] == "%" {
			return "%"
		}
		if match[1] != "" {
			next, _ = strconv.Atoi(match[1]) // digits, by the pattern
			next--
		}
		text := Unknown
		if next < len(args) {
			text = s.fold(args[next])
		}
		next++
		switch match[2] {
		case "d":
			return "1"
		case "q":
			return strconv.Quote(text)
		}
		return text
	})
}

const word = `(?:'[^'\n]*'|"[^"\n]*"|[^\s'"` + "`" + `;|()]+)`

var (
	// A whole line is a command that is to be pasted; others stand in a sentence, which goes on behind them.
	pasteable = regexp.MustCompile(`^(?:aws|pulumi) `)
	sentence  = regexp.MustCompile(`[.,:] [a-zA-Z]`)
	inText    = regexp.MustCompile(`(?:^|[^\w./-])(make(?: -[a-z]+)* [a-z][a-z0-9-]*(?: [A-Z][A-Z_]*=` + word + `)*` +
		`|aws [a-z0-9-]+ [a-z0-9-]+(?: --[a-z0-9-]+(?:[ =]` + word + `)?)*` +
		`|pulumi (?:(?:config|stack) )?[a-z-]+(?: --[a-z-]+(?:[ =]` + word + `)?)*)`)
	substituted = regexp.MustCompile(`"?\$\(([^()]*)\)"?`)
	behind      = regexp.MustCompile(`( #| \||;| >| \().*$`)
)

// commands returns the commands in a text.
func commands(text string) (found []string) {
	for line := range strings.SplitSeq(text, "\n") {
		for _, inner := range substituted.FindAllStringSubmatch(line, -1) {
			found = append(found, commands(inner[1])...)
		}
		line = strings.TrimSpace(behind.ReplaceAllString(substituted.ReplaceAllString(line, Unknown), ""))
		if pasteable.MatchString(line) && !sentence.MatchString(line) {
			found = append(found, line)
			continue
		}
		for _, match := range inText.FindAllStringSubmatch(line, -1) {
			found = append(found, strings.TrimRight(match[1], ".,:"))
		}
	}
	return found
}

var (
	block    = regexp.MustCompile("(?ms)^```sh\n(.*?)^```")
	variable = regexp.MustCompile(`"\$\{?\w+\}?"|\$\{?\w+\}?`)
)

// InPages returns the commands of make, aws and pulumi in the code blocks of
// pages, and one place of each.
func InPages(t *testing.T, files ...string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, match := range block.FindAllStringSubmatch(string(text), -1) {
			joined := strings.ReplaceAll(variable.ReplaceAllString(match[1], Unknown), "\\\n", "")
			for _, command := range commands(joined) {
				found[command] = file
			}
		}
	}
	return found
}
