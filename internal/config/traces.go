package config

import (
	"cmp"
	"errors"
	"net/url"
	"strings"
)

// traces finds out whether the standard variables of OpenTelemetry ask for traces, which they do by naming a collector.
// What else they say is for its SDK.
func (r *reader) traces(c *Config, env []string) {
	values := map[string]string{}
	for _, entry := range env {
		if name, value, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "OTEL_") {
			values[name] = strings.TrimSpace(value)
		}
	}
	const endpoint, protocol = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_PROTOCOL"
	const tracesEndpoint, tracesProtocol = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
	exporter := cmp.Or(values["OTEL_TRACES_EXPORTER"], "otlp")
	if values[endpoint] == "" && values[tracesEndpoint] == "" ||
		strings.EqualFold(values["OTEL_SDK_DISABLED"], "true") || exporter == "none" {
		return
	}
	c.Traces = true
	if exporter != "otlp" {
		r.problem("OTEL_TRACES_EXPORTER", "must be otlp or none")
	}
	for _, name := range []string{endpoint, tracesEndpoint} {
		if err := checkCollector(values[name]); values[name] != "" && err != nil {
			r.problem(name, "%v", err)
		}
	}
	spoken := protocol
	if values[tracesProtocol] != "" {
		spoken = tracesProtocol
	}
	if values[spoken] != "" && values[spoken] != "http/protobuf" {
		r.problem(spoken, "must be http/protobuf")
	}
}

func checkCollector(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || !isHost(u.Hostname()) || u.User != nil ||
		strings.ContainsAny(text, "?#") {
		return errors.New("must be http://host:4318 or https://host:4318, perhaps with a path; " +
			"secrets belong in OTEL_EXPORTER_OTLP_HEADERS")
	}
	return nil
}
