package emulator

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// node is one element of an XML reply. Names and attributes keep their prefixes as they came, so that
// writing an unchanged tree gives an equal document.
type node struct {
	name     string
	attrs    []xml.Attr
	text     string // of an element without children
	children []*node
}

func parseXML(data []byte) (*node, error) {
	root := &node{}
	open := []*node{root}
	decoder := xml.NewDecoder(bytes.NewReader(data))
	for {
		token, err := decoder.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("reply of the local emulator is not XML: %w", err)
		}
		top := open[len(open)-1]
		switch t := token.(type) {
		case xml.StartElement:
			child := &node{name: prefixed(t.Name), attrs: append([]xml.Attr(nil), t.Attr...)}
			top.children = append(top.children, child)
			open = append(open, child)
		case xml.EndElement:
			if len(open) == 1 {
				return nil, fmt.Errorf("reply of the local emulator is not XML: </%s> closes nothing", prefixed(t.Name))
			}
			open = open[:len(open)-1]
		case xml.CharData:
			top.text += string(t)
		}
	}
	if len(open) != 1 || len(root.children) != 1 {
		return nil, fmt.Errorf("reply of the local emulator is not one XML document: %.80q", data)
	}
	return root.children[0], nil
}

func prefixed(n xml.Name) string {
	if n.Space != "" {
		return n.Space + ":" + n.Local
	}
	return n.Local
}

// bytes writes the tree as a document.
func (n *node) bytes() []byte {
	var b bytes.Buffer
	b.WriteString(xml.Header)
	n.write(&b)
	return b.Bytes()
}

func (n *node) write(b *bytes.Buffer) {
	b.WriteString("<" + n.name)
	for _, a := range n.attrs {
		b.WriteString(" " + prefixed(a.Name) + `="` + escape(a.Value) + `"`)
	}
	b.WriteString(">")
	if len(n.children) == 0 {
		b.WriteString(escape(n.text))
	}
	for _, c := range n.children {
		c.write(b)
	}
	b.WriteString("</" + n.name + ">")
}

// find returns the first element of that name below n, or nil.
func (n *node) find(name string) *node {
	for _, c := range n.children {
		if c.name == name {
			return c
		}
		if found := c.find(name); found != nil {
			return found
		}
	}
	return nil
}

// drop removes the direct children for which the test holds.
func (n *node) drop(test func(*node) bool) {
	n.children = slices.DeleteFunc(n.children, test)
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder does not fail
	return b.String()
}
