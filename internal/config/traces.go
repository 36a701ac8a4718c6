package config

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// traces finds out whether the standard variables of OpenTelemetry ask for traces, which they do by naming a collector.
// What else they say is for its SDK, which passes over what it cannot follow: so that is refused here.
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
	r.delivery("OTEL_EXPORTER_OTLP_", values)
	r.delivery("OTEL_EXPORTER_OTLP_TRACES_", values)
	r.sampler(values)
	for _, name := range []string{"OTEL_BSP_SCHEDULE_DELAY", "OTEL_BSP_EXPORT_TIMEOUT", "OTEL_BSP_MAX_QUEUE_SIZE",
		"OTEL_BSP_MAX_EXPORT_BATCH_SIZE"} {
		if n, err := strconv.Atoi(values[name]); values[name] != "" && (err != nil || n <= 0) {
			r.problem(name, "must be a whole number above 0")
		}
	}
}

// headerName is a token (RFC 9110, section 5.6.2).
var headerName = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

// areHeaders reports whether text is name=value, separated by commas, with values that may be escaped as in URLs.
func areHeaders(text string) bool {
	for header := range strings.SplitSeq(text, ",") {
		name, value, found := strings.Cut(header, "=")
		if _, err := url.PathUnescape(value); !found || err != nil || !headerName.MatchString(strings.TrimSpace(name)) {
			return false
		}
	}
	return true
}

// delivery checks how traces are sent, as the variables with a prefix say it.
func (r *reader) delivery(prefix string, values map[string]string) {
	if name := prefix + "CERTIFICATE"; values[name] != "" {
		text, err := os.ReadFile(values[name])
		if err != nil || !x509.NewCertPool().AppendCertsFromPEM(text) {
			r.problem(name, "must be the path of a file with certificates in PEM")
		}
	}
	certificate, key := prefix+"CLIENT_CERTIFICATE", prefix+"CLIENT_KEY"
	if values[certificate] != "" || values[key] != "" {
		if _, err := tls.LoadX509KeyPair(values[certificate], values[key]); err != nil {
			r.problem(certificate, "must be the path of a certificate in PEM, and %s that of its key", key)
		}
	}
	if name := prefix + "HEADERS"; values[name] != "" && !areHeaders(values[name]) {
		r.problem(name, "must be name=value, separated by commas")
	}
	if name := prefix + "TIMEOUT"; values[name] != "" {
		if n, err := strconv.Atoi(values[name]); err != nil || n <= 0 {
			r.problem(name, "must be a whole number of milliseconds above 0")
		}
	}
	if name := prefix + "COMPRESSION"; values[name] != "" && values[name] != "gzip" && values[name] != "none" {
		r.problem(name, "must be gzip or none")
	}
}

// sampler checks which traces are sent.
func (r *reader) sampler(values map[string]string) {
	const sampler, argument = "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG"
	switch strings.ToLower(values[sampler]) {
	case "", "always_on", "always_off", "parentbased_always_on", "parentbased_always_off":
	case "traceidratio", "parentbased_traceidratio":
		if ratio, err := strconv.ParseFloat(cmp.Or(values[argument], "1"), 64); err != nil || !(0 <= ratio && ratio <= 1) {
			r.problem(argument, "must be a number from 0 to 1")
		}
	default:
		r.problem(sampler, "must be always_on, always_off or traceidratio, or one of these after parentbased_")
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
