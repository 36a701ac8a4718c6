FROM golang:1.26.8-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
RUN apt-get update && apt-get install -y --no-install-recommends npm
COPY . .
RUN make release

FROM debian:bookworm-slim
# Certificates to know mail servers and databases by, and a client for the health check.
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates busybox \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin latchkey \
 && install -d -o latchkey -g latchkey -m 0700 /data
COPY --from=build /src/dist/latchkey /usr/local/bin/latchkey
USER latchkey
# With SQLite: the database, the files beside it, and the secret.
WORKDIR /data
VOLUME /data
ENV LATCHKEY_LISTEN=0.0.0.0:8080
EXPOSE 8080
HEALTHCHECK CMD ["busybox", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8080/healthz"]
ENTRYPOINT ["latchkey"]
