package emulator

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// withoutItems drops from an XML document the outermost elements named item that have the text in them.
func withoutItems(document []byte, text string) (kept []byte, err error) {
	copied, start, depth, drop := 0, 0, 0, false
	for decoder := xml.NewDecoder(bytes.NewReader(document)); ; {
		before := int(decoder.InputOffset())
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return append(kept, document[copied:]...), nil
		}
		if err != nil {
			return nil, fmt.Errorf("reply of the local emulator is not XML: %w", err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			if t.Name.Local != "item" {
				break
			}
			if depth++; depth == 1 {
				start, drop = before, false
			}
		case xml.CharData:
			drop = drop || string(t) == text
		case xml.EndElement:
			if t.Name.Local != "item" {
				break
			}
			if depth--; depth == 0 && drop {
				kept, copied = append(kept, document[copied:start]...), int(decoder.InputOffset())
			}
		}
	}
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder does not fail
	return b.String()
}
