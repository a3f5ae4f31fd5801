.PHONY: test race lint build demo ci proof proof-nightly model bench-journal

test:  ; go test ./...
race:  ; CGO_ENABLED=1 go test -race -short ./...
lint:  ; go vet ./... && golangci-lint run
build: ; CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o bin/ ./cmd/...
demo:  ; go run ./cmd/counterfoil demo
ci:    ; .ci/run

# The gates of the proof, and one table: gate, demanded, measured, verdict. The
# nightly ones go on where they stopped. docs/proof.md says what they prove.
proof:         ; go run ./test/proof
proof-nightly: ; go run ./test/proof -nightly
model:         ; test/model/run long

# The journal against the disk's limit and other engines: about 15 minutes on a
# quiet machine. As root it measures on a slow disk as well. BENCH=-quick tries it.
bench-journal: ; cd test/bench/journal && go build -o ../../../bin/bench-journal . && ../../../bin/bench-journal -out ../../../docs $(BENCH)
