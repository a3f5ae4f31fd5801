package agent_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"maps"
	"mime"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/counterfoil-pos/counterfoil/agent"
)

// The contract is agent/openapi.yaml. It is held to the routes, the problems,
// the types of agent/client, and to every request and answer that any test of
// this package makes through a bed or a lab. A failure says what to add there.

// document is the contract, ready to be asked.
type document struct {
	raw      map[string]any
	compiler *jsonschema.Compiler

	mu      sync.Mutex
	schemas map[string]*jsonschema.Schema // by JSON pointer
}

// contract is read before any test runs, outside of every bubble.
var contract = func() *document {
	d := &document{compiler: jsonschema.NewCompiler(), schemas: map[string]*jsonschema.Schema{}}
	if err := yaml.Unmarshal(agent.OpenAPI, &d.raw); err != nil {
		panic(err)
	}
	plain, err := json.Marshal(d.raw)
	if err != nil {
		panic(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(plain))
	if err != nil {
		panic(err)
	}
	d.compiler.DefaultDraft(jsonschema.Draft2020)
	d.compiler.AssertFormat()
	if err := d.compiler.AddResource("openapi.json", doc); err != nil {
		panic(err)
	}
	return d
}()

// at follows keys and $refs from the root; nil where there is nothing.
func (d *document) at(keys ...string) any {
	var node any = d.raw
	for _, k := range keys {
		m, _ := node.(map[string]any)
		node = d.resolve(m[k])
	}
	return node
}

func (d *document) resolve(node any) any {
	m, _ := node.(map[string]any)
	ref, ok := m["$ref"].(string)
	if !ok {
		return node
	}
	return d.at(strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
}

func keysOf(node any) []string {
	m, _ := node.(map[string]any)
	return slices.Sorted(maps.Keys(m))
}

// check validates body against the schema named in node.
func (d *document) check(node any, body []byte) error {
	m, _ := node.(map[string]any)
	ref, _ := m["$ref"].(string)
	if ref == "" {
		return fmt.Errorf("the schema is not a $ref into components")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.schemas[ref]
	if s == nil {
		var err error
		if s, err = d.compiler.Compile("openapi.json" + ref); err != nil {
			return err
		}
		d.schemas[ref] = s
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return err
	}
	return s.Validate(v)
}

// problems are the documented codes.
func (d *document) problems() map[string]map[string]any {
	out := map[string]map[string]any{}
	list, _ := d.at("components", "schemas", "ProblemCode").(map[string]any)["oneOf"].([]any)
	for _, p := range list {
		m := p.(map[string]any)
		out[m["const"].(string)] = m
	}
	return out
}

// The document itself is valid OpenAPI 3.1, and served as it is.
func TestContractIsOpenAPI31(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData(agent.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(context.Background()); err != nil || !strings.HasPrefix(doc.OpenAPI, "3.1") {
		t.Fatal(doc.OpenAPI, err)
	}
	bubble(t, func(l *lab) {
		if _, served := l.raw(http.MethodGet, "/v1/openapi.yaml", ""); string(served) != string(agent.OpenAPI) {
			t.Error("it is not served as it is")
		}
	})
}

func TestContractHasEveryRoute(t *testing.T) {
	routes := agent.Routes()
	documented := map[string]bool{}
	for _, path := range keysOf(contract.at("paths")) {
		for _, method := range keysOf(contract.at("paths", path)) {
			if method == "parameters" {
				continue
			}
			op := contract.at("paths", path, method).(map[string]any)
			pattern := strings.ToUpper(method) + " " + path
			documented[pattern] = true
			operator, known := routes[pattern]
			switch said, _ := op["x-operators-only"].(bool); {
			case !known:
				t.Errorf("agent/openapi.yaml describes %s, which is not in routes (agent/api.go): take it out, or add the route", pattern)
			case operator != said:
				t.Errorf("%s is for operators only in routes: %v; in agent/openapi.yaml x-operators-only: %v", pattern, operator, said)
			}
		}
	}
	for pattern := range routes {
		if !documented[pattern] {
			method, path, _ := strings.Cut(pattern, " ")
			t.Errorf("route %s is not in agent/openapi.yaml: add under paths:\n  %s:\n    %s:\n      operationId, summary, requestBody, responses (with default: Problem)", pattern, path, strings.ToLower(method))
		}
	}
}

func TestContractHasEveryProblem(t *testing.T) {
	documented := contract.problems()
	for _, code := range agent.ProblemCodes() {
		p := agent.Problem(code)
		line := fmt.Sprintf("- {const: %s, x-status: %d, x-retry: %s, title: %q}", code, p.Status, p.Retry, p.Title)
		d := documented[code]
		delete(documented, code)
		if d == nil || fmt.Sprint(d["x-status"], d["x-retry"], d["title"]) != fmt.Sprint(p.Status, p.Retry, p.Title) {
			t.Errorf("problem %s: agent/openapi.yaml must have, under ProblemCode:\n        %s", code, line)
		}
	}
	for code := range documented {
		t.Errorf("agent/openapi.yaml has the problem %s, which is not in problems (agent/problem.go): take it out", code)
	}
}

// Every type of agent/client has a schema of its name with its fields.
func TestContractHasEveryField(t *testing.T) {
	for name, fields := range clientTypes(t) {
		schema, _ := contract.at("components", "schemas", name).(map[string]any)
		if schema == nil {
			t.Errorf("agent/client has the type %s: add components.schemas.%s to agent/openapi.yaml, with %v", name, name, fields)
			continue
		}
		documented := keysOf(schema["properties"])
		for _, f := range fields {
			if !slices.Contains(documented, f) {
				t.Errorf("client.%s has the field %q: add it to components.schemas.%s.properties in agent/openapi.yaml", name, f, name)
			}
		}
		for _, f := range documented {
			if !slices.Contains(fields, f) {
				t.Errorf("components.schemas.%s in agent/openapi.yaml has %q, which client.%s has not: take it out", name, f, name)
			}
		}
		if schema["additionalProperties"] != false {
			t.Errorf("components.schemas.%s in agent/openapi.yaml must say additionalProperties: false", name)
		}
	}
}

// What the contract must not let pass.
func TestContractBites(t *testing.T) {
	answer := func(status int, kind, body string) *recorder {
		r := &recorder{ResponseWriter: httptest.NewRecorder(), status: status}
		r.Header().Set("Content-Type", kind)
		r.body.WriteString(body)
		return r
	}
	const health, problem = `{"status":"ok","version":"v","epoch":1,"open":0,"escalations":0,"losses":0,"terminals":[],"hosts":[]}`,
		`{"type":"about:blank","title":"t","status":404,"code":"not_found","retry":"same-id"}`
	for _, c := range []struct {
		name, pattern, asked string
		rec                  *recorder
		good                 bool
	}{
		{"as described", "GET /v1/health", "", answer(200, "application/json", health), true},
		{"a problem", "GET /v1/transactions/{uuid}", "", answer(404, "application/problem+json", problem), true},
		{"no route", "", "", answer(404, "application/problem+json", problem), true},
		{"a field too many", "GET /v1/health", "", answer(200, "application/json", strings.Replace(health, "{", `{"more":1,`, 1)), false},
		{"a field too few", "GET /v1/health", "", answer(200, "application/json", strings.Replace(health, `"epoch":1,`, "", 1)), false},
		{"another status", "GET /v1/health", "", answer(202, "application/json", health), false},
		{"another media type", "GET /v1/health", "", answer(200, "text/plain", health), false},
		{"a route that is not there", "GET /v1/nothing", "", answer(200, "application/json", health), false},
		{"a code that is not there", "", "", answer(404, "application/problem+json", strings.Replace(problem, "not_found", "lost", 1)), false},
		{"another retry", "", "", answer(404, "application/problem+json", strings.Replace(problem, "same-id", "never", 1)), false},
		{"a body that none is described for", "GET /v1/health", `{}`, answer(200, "application/json", health), false},
	} {
		if err := contract.judge(c.pattern, c.rec, []byte(c.asked)); (err == nil) != c.good {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// clientTypes are the exported structs of agent/client that have JSON fields.
func clientTypes(t *testing.T) map[string][]string {
	t.Helper()
	pkgs, err := parser.ParseDir(token.NewFileSet(), "client", func(f fs.FileInfo) bool { return !strings.HasSuffix(f.Name(), "_test.go") }, 0) //nolint:staticcheck // no types are needed
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	ast.Inspect(pkgs["client"], func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		s, ok := spec.Type.(*ast.StructType)
		if !ok || !spec.Name.IsExported() {
			return false
		}
		for _, f := range s.Fields.List {
			if f.Tag == nil {
				continue
			}
			tag, err := strconv.Unquote(f.Tag.Value)
			if err != nil {
				t.Fatal(err)
			}
			name, _, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ",")
			if name != "" && name != "-" {
				out[spec.Name.Name] = append(out[spec.Name.Name], name)
			}
		}
		return false
	})
	if len(out) < 10 {
		t.Fatalf("only %d types were found", len(out))
	}
	return out
}

// held lays the contract over a handler: each request and each answer that
// passes is validated.
func held(t testing.TB, next http.Handler) http.Handler {
	if _, measures := t.(*testing.B); measures {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var asked bytes.Buffer
		r.Body = struct {
			io.Reader
			io.Closer
		}{io.TeeReader(r.Body, &asked), r.Body}
		rec := &recorder{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(rec, r)
		if err := contract.judge(r.Pattern, rec, asked.Bytes()); err != nil {
			t.Errorf("%s %s is not what agent/openapi.yaml says: %v\nanswer %d: %s", r.Method, r.URL.Path, err, rec.status, rec.body.Bytes())
		}
	})
}

// judge holds one exchange to the document. pattern is the route that took it,
// "" where none did.
func (d *document) judge(pattern string, rec *recorder, asked []byte) error {
	kind, _, err := mime.ParseMediaType(rec.Header().Get("Content-Type"))
	if err != nil {
		return fmt.Errorf("its Content-Type: %w", err)
	}
	response := d.at("components", "responses", "Problem")
	if pattern != "" {
		method, path, _ := strings.Cut(pattern, " ")
		op, _ := d.at("paths", path, strings.ToLower(method)).(map[string]any)
		if op == nil {
			return fmt.Errorf("route %s is not described: add it under paths", pattern)
		}
		all, _ := op["responses"].(map[string]any)
		if response = d.resolve(all[strconv.Itoa(rec.status)]); response == nil {
			response = d.resolve(all["default"])
		}
		if rec.status/100 == 2 {
			if err := d.judgeRequest(op, asked); err != nil {
				return err
			}
		}
	}
	media, _ := response.(map[string]any)["content"].(map[string]any)[kind].(map[string]any)
	switch {
	case media == nil:
		return fmt.Errorf("status %d with %s is not described: add it under the route's responses", rec.status, kind)
	case kind == "application/x-ndjson":
		for line := range bytes.Lines(rec.body.Bytes()) {
			if err := d.check(media["schema"], line); err != nil {
				return err
			}
		}
		return nil
	case !strings.HasSuffix(kind, "json"):
		return nil
	}
	if err := d.check(media["schema"], rec.body.Bytes()); err != nil {
		return fmt.Errorf("add or mend it under components.schemas (%v): %w", media["schema"], err)
	}
	return d.judgeProblem(kind, rec)
}

// judgeRequest: what was taken must have been described.
func (d *document) judgeRequest(op map[string]any, asked []byte) error {
	body, _ := d.resolve(op["requestBody"]).(map[string]any)
	if len(asked) == 0 {
		return nil
	}
	if body == nil {
		return fmt.Errorf("a body was taken, and none is described: add requestBody")
	}
	media := body["content"].(map[string]any)["application/json"].(map[string]any)
	if err := d.check(media["schema"], asked); err != nil {
		return fmt.Errorf("the request that was taken (%v): %w", media["schema"], err)
	}
	return nil
}

// judgeProblem: code, status and retry belong together.
func (d *document) judgeProblem(kind string, rec *recorder) error {
	if kind != "application/problem+json" {
		return nil
	}
	var p struct{ Code, Retry string }
	if err := json.Unmarshal(rec.body.Bytes(), &p); err != nil {
		return err
	}
	said := d.problems()[p.Code]
	if fmt.Sprint(said["x-status"], said["x-retry"]) != fmt.Sprint(rec.status, p.Retry) {
		return fmt.Errorf("problem %s is described with status %v and retry %v", p.Code, said["x-status"], said["x-retry"])
	}
	return nil
}

// recorder keeps a copy of an answer on its way. A stream is not kept.
type recorder struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.Header().Get("Content-Type") != "text/event-stream" {
		r.body.Write(b)
	}
	return r.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController through.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
