package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/counterfoil-pos/counterfoil/iso8583/mac"
	"github.com/counterfoil-pos/counterfoil/iso8583/profile"
)

// validateMaster looks at where a terminal's master key is said to be.
func (t *Terminal) validateMaster() error {
	if t.MasterKeyFile != "" && t.MasterKeyCred != "" {
		return errors.New("master_key_file, master_key_credential: want one of them")
	}
	return validCredential("master_key_credential", t.MasterKeyCred)
}

// signer makes the terminal's software signer, or none where its dialect has no
// MAC. The key is never part of an error. The agent says loudly what it is.
func (t *Terminal) signer(p *profile.Profile) (mac.Signer, error) {
	method, signs := p.MAC()
	given := t.MasterKeyFile + t.MasterKeyCred
	switch {
	case !signs && given != "":
		return nil, fmt.Errorf("master_key_file, master_key_credential: profile %s has no MAC, so that a master key is of no use", p.Name)
	case !signs:
		return nil, nil
	case given == "":
		return nil, fmt.Errorf("master_key_file, master_key_credential: profile %s signs its messages: want the terminal's master key", p.Name)
	}
	b, err := t.master()
	if err != nil {
		return nil, err
	}
	key, err := mac.ParseKey(strings.TrimSpace(string(b)))
	if err != nil {
		return nil, fmt.Errorf("master key of terminal %s: %w", t.TID, err)
	}
	return mac.NewSoftware(method, key, func(string) {})
}

func (t *Terminal) master() ([]byte, error) {
	if t.MasterKeyCred != "" {
		return readCredential("master_key_credential", t.MasterKeyCred)
	}
	b, err := readSecret(t.MasterKeyFile, 0o077)
	if err != nil {
		return nil, fmt.Errorf("master_key_file: %w", err)
	}
	return b, nil
}
