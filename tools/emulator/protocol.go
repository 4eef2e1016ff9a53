package emulator

import (
	"encoding/json"
	"net/http"
	"strings"
)

// Protocols of the AWS services, as far as their errors differ.
const (
	protocolEC2      = "ec2"       // <Response><Errors><Error>
	protocolQuery    = "query"     // <ErrorResponse><Error>
	protocolS3       = "s3"        // <Error>
	protocolJSON     = "json"      // {"__type": …, "message": …}
	protocolRESTJSON = "rest-json" // {"message": …} and the code in a header
	protocolCBOR     = "cbor"      // the same map as JSON, in CBOR
)

func (r *Request) protocol() string {
	switch {
	case r.HTTP.Header.Get("Smithy-Protocol") == "rpc-v2-cbor":
		return protocolCBOR
	case r.HTTP.Header.Get("X-Amz-Target") != "":
		return protocolJSON
	case r.Service == "ec2":
		return protocolEC2
	case r.Service == "s3":
		return protocolS3
	case r.Params["Action"] != "":
		return protocolQuery
	}
	return protocolRESTJSON
}

const requestID = "00000000-0000-4000-8000-000000000000"

// ErrorReply is an error in the form in which the service's SDK clients expect it.
func ErrorReply(r *Request, status int, code, message string) *Reply {
	reply := &Reply{Status: status, Header: http.Header{"X-Amzn-Requestid": {requestID}}}
	kind, body := "text/xml", ""
	pair := "<Code>" + escape(code) + "</Code><Message>" + escape(message) + "</Message>"
	switch r.protocol() {
	case protocolEC2:
		body = "<Response><Errors><Error>" + pair + "</Error></Errors><RequestID>" + requestID + "</RequestID></Response>"
	case protocolQuery:
		body = "<ErrorResponse><Error><Type>Sender</Type>" + pair + "</Error><RequestId>" + requestID + "</RequestId></ErrorResponse>"
	case protocolS3:
		kind = "application/xml"
		body = "<Error>" + pair + "<RequestId>" + requestID + "</RequestId></Error>"
	case protocolCBOR:
		kind = "application/cbor"
		reply.Header.Set("Smithy-Protocol", "rpc-v2-cbor")
		body = "\xa2" + cborText("__type") + cborText(code) + cborText("message") + cborText(message)
	default:
		kind = "application/x-amz-json-1.1"
		reply.Header.Set("X-Amzn-Errortype", code)
		text, _ := json.Marshal(map[string]string{"__type": code, "message": message}) // two strings always can be written
		body = string(text)
	}
	reply.Header.Set("Content-Type", kind)
	reply.Body = []byte(body)
	return reply
}

// cborText is a text string of CBOR (RFC 8949, major type 3).
func cborText(s string) string {
	n := len(s)
	switch {
	case n < 24:
		return string([]byte{0x60 | byte(n)}) + s
	case n < 1<<8:
		return string([]byte{0x78, byte(n)}) + s
	}
	n = min(n, 1<<16-1)
	return string([]byte{0x79, byte(n >> 8), byte(n)}) + s[:n]
}

// errorCode finds the error code in a reply, "" where there is none.
func errorCode(header http.Header, body []byte) string {
	if code := header.Get("X-Amzn-Errortype"); code != "" {
		return strings.SplitN(code, ":", 2)[0]
	}
	var typed struct {
		Type string `json:"__type"`
	}
	if json.Unmarshal(body, &typed) == nil {
		return typed.Type[strings.LastIndex(typed.Type, "#")+1:]
	}
	if _, after, found := strings.Cut(string(body), "<Code>"); found {
		code, _, _ := strings.Cut(after, "</Code>")
		return code
	}
	return ""
}
