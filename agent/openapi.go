package agent

import (
	_ "embed"
	"net/http"

	"github.com/counterfoil-pos/counterfoil/agent/client"
)

// OpenAPI describes the local API, OpenAPI 3.1. A test holds it to the routes,
// the problems, the types of agent/client and every answer in the tests.
//
//go:embed openapi.yaml
var OpenAPI []byte

func (s *api) openapi(_ *http.Request, w http.ResponseWriter) *client.Problem {
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write(OpenAPI) // the client may be gone
	return nil
}
