package agent

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ErrInUse says that another daemon answers on the socket.
var ErrInUse = errors.New("another daemon answers on this socket")

// Listen makes the unix socket of the local API: 0660 in a 0750 directory. A
// socket left behind by a dead daemon is replaced, a living one is not.
func Listen(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	if info, err := os.Lstat(path); err == nil {
		if info.Mode()&os.ModeSocket == 0 {
			return nil, fmt.Errorf("socket %s: there is a file of that name which is no socket: move it away", path)
		}
		if err := removeDead(path); err != nil {
			return nil, fmt.Errorf("socket %s: %w", path, err)
		}
	}
	l, err := listenPrivately(path)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	if err := os.Chmod(path, 0o660); err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("socket: %w", err)
	}
	return l, nil
}

// removeDead removes a socket on which nobody listens. Only a refused
// connection says so: a living daemon whose queue is full answers otherwise.
func removeDead(path string) error {
	c, err := net.DialTimeout("unix", path, time.Second)
	switch {
	case err == nil:
		_ = c.Close()
		return ErrInUse
	case errors.Is(err, syscall.ECONNREFUSED):
		return os.Remove(path)
	default:
		return fmt.Errorf("whether a daemon lives behind it cannot be told: %w", err)
	}
}

// masking keeps two listeners from restoring each other's mask.
var masking sync.Mutex

// listenPrivately creates the socket 0600, by the process's file mask: there is
// no moment at which others may connect.
func listenPrivately(path string) (net.Listener, error) {
	masking.Lock()
	defer masking.Unlock()
	defer syscall.Umask(syscall.Umask(0o177))
	return net.Listen("unix", path)
}

// PeerCredentials tells who is at the other end of a unix socket. Operators
// are root, the daemon's own user, and the uids listed.
func PeerCredentials(operators []int) func(net.Conn) (Peer, error) {
	return func(c net.Conn) (Peer, error) {
		u, ok := c.(*net.UnixConn)
		if !ok {
			return Peer{}, errors.New("not a unix socket")
		}
		raw, err := u.SyscallConn()
		if err != nil {
			return Peer{}, err
		}
		var cred *unix.Ucred
		var credErr error
		if err := raw.Control(func(fd uintptr) {
			cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		}); err != nil {
			return Peer{}, err
		}
		if credErr != nil {
			return Peer{}, credErr
		}
		uid := int(cred.Uid)
		return Peer{UID: uid, Operator: uid == 0 || uid == os.Geteuid() || slices.Contains(operators, uid)}, nil
	}
}
