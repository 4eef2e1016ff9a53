// Package screen writes what a person sees of a run of Pulumi: the changes of a preview, the progress and the result of an
// update, the cause of a failure. It is pure: the same engine events give the same text.
package screen

import (
	"cmp"
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/urn"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"

	"private-ec2-access/internal/outputs"
)

// Run is one run of up, preview or destroy, as far as its events have arrived.
type Run struct {
	// Project and Stack are names, for the commands in the texts.
	Project, Stack string

	changes map[string]*change
	// running has the steps that have begun and not ended, in the order of their beginning.
	running []string
	// told has each notice, warning and error once.
	told      []message
	toldTexts map[string]bool
	canceled  bool
	planning  bool // a preview: nothing happens
	seconds   int
	before    map[string]any
	after     map[string]any
}

// change is what happens to one AWS resource. Pulumi's steps of a replacement are one change.
type change struct {
	verb       verb
	kind, name string
	id         string
	properties []string // of an update, those that change; of a replacement, those that require it
	done       bool
	failed     bool
}

// verb is what happens to a resource.
type verb int

// In the order in which a preview lists them: what can do damage first, because a long list is cut at its end.
const (
	deletes verb = iota
	replaces
	keeps // leaves the state without a call to AWS
	updates
	imports
	creates
	stays
)

var verbs = map[verb]struct{ symbol, infinitive, past string }{
	deletes:  {"- ", "delete", "deleted"},
	replaces: {"+-", "replace", "replaced"},
	keeps:    {"  ", "keep", "kept"},
	updates:  {"~ ", "update", "updated"},
	imports:  {"= ", "import", "imported"},
	creates:  {"+ ", "create", "created"},
	stays:    {"  ", "", "unchanged"},
}

// steps are Pulumi's operations. Others, such as reading and refreshing, change nothing in AWS.
var steps = map[apitype.OpType]verb{
	apitype.OpSame: stays, apitype.OpCreate: creates, apitype.OpUpdate: updates, apitype.OpDelete: deletes,
	apitype.OpReplace: replaces, apitype.OpCreateReplacement: replaces, apitype.OpDeleteReplaced: replaces,
	apitype.OpImport: imports, apitype.OpImportReplacement: replaces,
}

// message is a line for the user: a notice or a warning of the program, or an error.
type message struct {
	severity, resource, text string
}

// Add takes the next event.
func (r *Run) Add(e apitype.EngineEvent) {
	switch {
	case e.ResourcePreEvent != nil:
		r.planning = e.ResourcePreEvent.Planning
		r.begin(e.ResourcePreEvent.Metadata)
	case e.ResOutputsEvent != nil:
		r.end(e.ResOutputsEvent.Metadata, false)
	case e.ResOpFailedEvent != nil:
		r.end(e.ResOpFailedEvent.Metadata, true)
	case e.DiagnosticEvent != nil && !e.DiagnosticEvent.Ephemeral:
		r.hear(*e.DiagnosticEvent)
	case e.SummaryEvent != nil:
		r.seconds = e.SummaryEvent.DurationSeconds
		r.canceled = r.canceled || e.SummaryEvent.Result == apitype.OperationResultCanceled
	case e.ErrorEvent != nil:
		r.tell("error", "", e.ErrorEvent.Error)
	}
}

// inAWS tells an AWS resource from components and from Pulumi's own entries.
func inAWS(m apitype.StepEventMetadata) bool {
	custom := m.New != nil && m.New.Custom || m.Old != nil && m.Old.Custom
	return custom && !strings.HasPrefix(m.Type, "pulumi:")
}

func (r *Run) begin(m apitype.StepEventMetadata) {
	step, known := steps[m.Op]
	if !inAWS(m) || !known {
		return
	}
	if r.changes == nil {
		r.changes = map[string]*change{}
	}
	c := r.changes[m.URN]
	if c == nil || c.verb != replaces || step == replaces {
		if c == nil {
			c = &change{kind: shownType(m.Type), name: urn.URN(m.URN).Name()}
			r.changes[m.URN] = c
		}
		c.verb = step
	}
	c.done = false
	if m.Old != nil {
		c.id = cmp.Or(m.Old.ID, c.id)
		if step == deletes && m.Old.RetainOnDelete {
			c.verb = keeps
		}
	}
	if c.verb == replaces && len(m.Keys) > 0 {
		c.properties = m.Keys
	} else if c.verb == updates {
		c.properties = inputsOf(m)
	}
	if step != stays {
		r.running = append(r.running, m.URN)
	}
}

// inputsOf are the inputs that change. The others of its properties follow from them.
func inputsOf(m apitype.StepEventMetadata) []string {
	given := func(s *apitype.StepEventStateMetadata, property string) bool {
		if s == nil {
			return false
		}
		_, has := s.Inputs[property]
		return has
	}
	var inputs []string
	for _, p := range m.Diffs {
		if given(m.Old, p) || given(m.New, p) {
			inputs = append(inputs, p)
		}
	}
	if inputs == nil {
		return m.Diffs
	}
	return inputs
}

func (r *Run) end(m apitype.StepEventMetadata, failed bool) {
	if m.Type == string(resource.RootStackType) {
		if m.Old != nil {
			r.before = m.Old.Outputs
		}
		if m.New != nil {
			r.after = m.New.Outputs
		}
	}
	c := r.changes[m.URN]
	if c == nil {
		return
	}
	c.done, c.failed = !failed, c.failed || failed
	if at := slices.Index(r.running, m.URN); at >= 0 {
		r.running = slices.Delete(r.running, at, at+1)
	}
}

func shownType(token string) string {
	t := tokens.Type(token)
	module, _, _ := strings.Cut(string(t.Module().Name()), "/")
	return string(t.Package()) + ":" + module + ":" + string(t.Name())
}

// Pulumi's closing words, which say nothing that the rest does not.
var closing = regexp.MustCompile(`^(update|preview|destroy|refresh) (failed|canceled)$`)

// The layers around the cause: Pulumi's, those of its bridge to Terraform, and those of Go's multierror.
var wrapping = []*regexp.Regexp{
	regexp.MustCompile(`^an unhandled error occurred: program failed:\s*`),
	regexp.MustCompile(`^\d+ errors? occurred:\s*\* `),
	regexp.MustCompile(`^(?:creating|updating|deleting|refreshing|importing) urn:pulumi:\S+: `),
	regexp.MustCompile(`^\S+\.go:\d+: sdk\.helper_schema: `),
	regexp.MustCompile(`^\[ERROR\] : `),
	regexp.MustCompile(`: provider=aws@\S+$`),
	regexp.MustCompile(`[\s:]+$`),
}

func unwrap(text string) string {
	for before := ""; text != before; {
		before = text
		text = strings.TrimSpace(text)
		for _, w := range wrapping {
			text = w.ReplaceAllString(text, "")
		}
	}
	return text
}

func (r *Run) hear(d apitype.DiagnosticEvent) {
	severity := d.Severity
	switch severity {
	case "info", "warning", "error":
	case "info#err": // what the program printed on standard error, such as a panic
		severity = "info"
	default:
		return
	}
	text := unwrap(d.Message)
	if strings.Contains(text, "Automatically removing from Terraform State instead of returning the error") {
		return // what is gone is in the list of changes
	}
	if closing.MatchString(text) {
		r.canceled = r.canceled || strings.HasSuffix(text, "canceled")
		return
	}
	of := ""
	if d.URN != "" && !strings.Contains(d.URN, "::"+string(resource.RootStackType)+"::") {
		of = shownType(string(urn.URN(d.URN).Type())) + " " + urn.URN(d.URN).Name()
	}
	r.tell(severity, of, text)
}

// tell keeps a message. It may quote what others wrote, such as a tag in the account.
func (r *Run) tell(severity, of, text string) {
	text = Visible(text)
	if text == "" || r.toldTexts[of+text] {
		return
	}
	if r.toldTexts == nil {
		r.toldTexts = map[string]bool{}
	}
	r.toldTexts[of+text] = true
	r.told = append(r.told, message{severity, of, text})
}

// Told returns what the run has told already, for Skip of the next one.
func (r *Run) Told() map[string]bool { return r.toldTexts }

// Skip leaves out notices that the user has seen: an update repeats those of its preview.
func (r *Run) Skip(seen map[string]bool) {
	r.toldTexts = map[string]bool{}
	for text := range seen {
		r.toldTexts[text] = true
	}
}

// sorted returns the changes with one of the verbs, in the order of verbs and names.
func (r *Run) sorted(wanted func(*change) bool) (list []*change) {
	for _, c := range r.changes {
		if wanted(c) {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b *change) int {
		return cmp.Or(cmp.Compare(a.verb, b.verb), cmp.Compare(a.kind, b.kind), cmp.Compare(a.name, b.name))
	})
	return list
}

// Changes is how many AWS resources the run changes.
func (r *Run) Changes() int {
	return len(r.sorted(func(c *change) bool { return c.verb != stays }))
}

// unknown stands in events for a value that is not known before the update.
const unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"

// changedOutputs names the stack's outputs that change, and those that are known only after the update. A stack that is being
// created gets all of them.
func (r *Run) changedOutputs() (names, later []string) {
	if len(r.before) == 0 && r.Changes() > 0 || r.after == nil {
		return nil, nil
	}
	for name, value := range r.after {
		now, _ := json.Marshal(value)
		then, existed := r.before[name]
		was, _ := json.Marshal(then)
		switch {
		case strings.Contains(string(now), unknown):
			later = append(later, name)
		case !existed || string(now) != string(was):
			names = append(names, name)
		}
	}
	for name := range r.before {
		if _, stays := r.after[name]; !stays {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	slices.Sort(later)
	return names, later
}

// Values returns the stack's outputs after the run.
func (r *Run) Values() (v outputs.Values) {
	text, err := json.Marshal(r.after)
	if err == nil {
		_ = json.Unmarshal(text, &v) // what has another type than expected stays empty
	}
	return v
}
