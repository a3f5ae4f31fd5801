package main

import (
	"os"
	"path/filepath"
)

// What the files of a journal are called; FORMAT.md says so.
func logFiles(dir string) []string   { return glob(dir, "journal", "*.seg") }
func indexFiles(dir string) []string { return glob(dir, "journal", "index.db") }

func removeIndex(dir string) error {
	for _, path := range indexFiles(dir) {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return nil
}

func glob(parts ...string) []string {
	paths, _ := filepath.Glob(filepath.Join(parts...)) // the pattern is right
	return paths
}

func sum(paths []string) (n int64) {
	for _, path := range paths {
		if st, err := os.Stat(path); err == nil {
			n += st.Size()
		}
	}
	return n
}

func makeDir(path string) error { return os.MkdirAll(path, 0o700) }

func isRoot() bool { return os.Geteuid() == 0 }
