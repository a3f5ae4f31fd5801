module github.com/counterfoil-pos/counterfoil/test/powerfail

go 1.26.0

require (
	github.com/counterfoil-pos/counterfoil v0.0.0-00010101000000-000000000000
	github.com/hanwen/go-fuse/v2 v2.12.1
)

require (
	go.etcd.io/bbolt v1.5.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
)

replace github.com/counterfoil-pos/counterfoil => ../..
