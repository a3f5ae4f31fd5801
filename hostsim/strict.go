package hostsim

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"

	"go.yaml.in/yaml/v3"
)

// unknownField is how the YAML library words a key that v has no field for.
var unknownField = regexp.MustCompile(`field (\S+) not found in type \S+`)

// decodeStrict reads one YAML document (JSON is YAML too) into v. A key that v
// does not know, and a second document, are errors; name is the file.
func decodeStrict(name string, data []byte, v any) error {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(v); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: %s", name, unknownField.ReplaceAllString(err.Error(), `unknown key "$1"`))
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: want one YAML document", name)
	}
	return nil
}
