# make release builds dist/latchkey, for Linux, which needs nothing else on the machine, and its checksum.
release:
	mkdir -p dist
	CGO_ENABLED=1 go build -buildvcs=auto -trimpath -tags netgo,osusergo,sqlite_omit_load_extension \
		-ldflags '-s -w -linkmode external -extldflags -static' -o dist/latchkey .
	cd dist && sha256sum latchkey >latchkey.sha256

test:
	go test ./...

.PHONY: release test
