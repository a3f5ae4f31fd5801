package profile

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// decodeStrict fills v, a pointer, from JSON. It refuses what encoding/json
// lets pass — unknown, misspelt, differently capitalised and repeated keys,
// null — and names the path of the key in every error.
func decodeStrict(data []byte, v any) error {
	if !json.Valid(data) {
		var any json.RawMessage
		err := json.Unmarshal(data, &any)
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			line := 1 + bytes.Count(data[:min(int(syntax.Offset), len(data))], []byte("\n"))
			return fmt.Errorf("line %d: not JSON: %w", line, err)
		}
		return fmt.Errorf("not JSON: %w", err)
	}
	return decodeValue("", data, reflect.ValueOf(v).Elem())
}

func decodeValue(path string, raw json.RawMessage, v reflect.Value) error {
	raw = bytes.TrimSpace(raw)
	if string(raw) == "null" {
		return atKey(path, errors.New("null is not a value here"))
	}
	if _, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return atKey(path, json.Unmarshal(raw, v.Addr().Interface()))
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return decodeValue(path, raw, v.Elem())
	case reflect.Struct:
		return eachMember(path, raw, func(key, at string, raw json.RawMessage) error {
			for i := range v.NumField() {
				if name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ","); name == key {
					return decodeValue(at, raw, v.Field(i))
				}
			}
			return atKey(at, fmt.Errorf("unknown key; known here: %s", strings.Join(keysOf(v.Type()), ", ")))
		})
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		return eachMember(path, raw, func(key, at string, raw json.RawMessage) error {
			k := reflect.New(v.Type().Key()).Elem()
			if k.Kind() == reflect.Int {
				n, err := strconv.Atoi(key)
				if err != nil || strconv.Itoa(n) != key {
					return atKey(at, errors.New("want a number as key"))
				}
				k.SetInt(int64(n))
			} else {
				k.SetString(key)
			}
			e := reflect.New(v.Type().Elem()).Elem()
			if err := decodeValue(at, raw, e); err != nil {
				return err
			}
			v.SetMapIndex(k, e)
			return nil
		})
	case reflect.Slice:
		var elems []json.RawMessage
		if err := json.Unmarshal(raw, &elems); err != nil {
			return atKey(path, err)
		}
		v.Set(reflect.MakeSlice(v.Type(), len(elems), len(elems)))
		for i, e := range elems {
			if err := decodeValue(fmt.Sprintf("%s[%d]", path, i), e, v.Index(i)); err != nil {
				return err
			}
		}
		return nil
	default:
		return atKey(path, json.Unmarshal(raw, v.Addr().Interface()))
	}
}

// eachMember calls fn for each member of a JSON object, in the file's order.
func eachMember(path string, raw json.RawMessage, fn func(key, at string, raw json.RawMessage) error) error {
	if len(raw) == 0 || raw[0] != '{' {
		return atKey(path, errors.New("want an object"))
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	_, _ = d.Token() // the brace: raw is valid JSON
	seen := map[string]bool{}
	for d.More() {
		tok, err := d.Token()
		if err != nil {
			return atKey(path, err)
		}
		key, _ := tok.(string)
		at := strings.TrimPrefix(path+"."+key, ".")
		if seen[key] {
			return atKey(at, errors.New("given twice"))
		}
		seen[key] = true
		var value json.RawMessage
		if err := d.Decode(&value); err != nil && !errors.Is(err, io.EOF) {
			return atKey(at, err)
		}
		if err := fn(key, at, value); err != nil {
			return err
		}
	}
	return nil
}

func keysOf(t reflect.Type) []string {
	var keys []string
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		keys = append(keys, name)
	}
	slices.Sort(keys)
	return keys
}

// atKey puts the path in front of err, in our words where encoding/json's are
// about Go types.
func atKey(path string, err error) error {
	if err == nil {
		return nil
	}
	if path == "" {
		path = "(top level)"
	}
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return fmt.Errorf("%s: want a %s, got a %s", path, wrong.Type.Kind(), wrong.Value)
	}
	return fmt.Errorf("%s: %w", path, err)
}
