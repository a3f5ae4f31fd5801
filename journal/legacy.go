package journal

import "errors"

var errOldFormat = errors.New("it is of the first version, one file: start the daemon once, which converts it, or read it with the version that made it")

func migrate(path string, opts Options) error { return errOldFormat }
