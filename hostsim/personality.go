package hostsim

import (
	"embed"
	"fmt"
	"path"
	"slices"
	"strings"
)

//go:embed personalities/*.yaml
var personalities embed.FS

// Personalities lists the hosts that can be played: each is a Policy in a file
// that says where such a host was seen.
func Personalities() []string {
	files, err := personalities.ReadDir("personalities")
	if err != nil { // embedded: cannot fail
		panic(err)
	}
	var names []string
	for _, f := range files {
		names = append(names, strings.TrimSuffix(f.Name(), ".yaml"))
	}
	slices.Sort(names)
	return names
}

// personality reads the one of this name; "" has no opinion.
func personality(name string) (Policy, error) {
	if name == "" {
		return Policy{}, nil
	}
	if !slices.Contains(Personalities(), name) {
		return Policy{}, fmt.Errorf("personality: there is no %q; there are %s", name, strings.Join(Personalities(), ", "))
	}
	file := path.Join("personalities", name+".yaml")
	data, err := personalities.ReadFile(file)
	if err != nil {
		return Policy{}, fmt.Errorf("personality: %w", err)
	}
	var p Policy
	if err := decodeStrict(file, data, &p); err != nil {
		return Policy{}, fmt.Errorf("personality: %w", err)
	}
	if err := p.check(); err != nil {
		return Policy{}, fmt.Errorf("personality: %s: %w", file, err)
	}
	return p, nil
}
