# make release builds dist/latchkey, for Linux, which needs nothing else on the machine, and its checksum. It needs npm,
# for the explorer's files.
release:
	npm ci --ignore-scripts --no-audit --no-fund --prefix graph/explorer
	mkdir -p dist
	CGO_ENABLED=1 go build -buildvcs=auto -trimpath -tags explorer,netgo,osusergo,sqlite_omit_load_extension \
		-ldflags '-s -w -linkmode external -extldflags -static' -o dist/latchkey .
	cd dist && sha256sum latchkey >latchkey.sha256

test:
	go test ./...

.PHONY: release test
