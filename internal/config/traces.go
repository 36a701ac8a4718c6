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

// The standard variables of OpenTelemetry that name a collector.
const (
	otlpPrefix       = "OTEL_EXPORTER_OTLP_"
	otlpTracesPrefix = "OTEL_EXPORTER_OTLP_TRACES_"
)

// traces sets c.Traces if the standard variables of OpenTelemetry name a collector. It then checks them, because the
// SDK, which reads them itself, ignores invalid values.
func (r *reader) traces(c *Config, env []string) {
	values := map[string]string{}
	for _, entry := range env {
		if name, value, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "OTEL_") {
			values[name] = strings.TrimSpace(value)
		}
	}
	exporter := cmp.Or(values["OTEL_TRACES_EXPORTER"], "otlp")
	if values[otlpPrefix+"ENDPOINT"] == "" && values[otlpTracesPrefix+"ENDPOINT"] == "" ||
		strings.EqualFold(values["OTEL_SDK_DISABLED"], "true") || exporter == "none" {
		return
	}
	c.Traces = true
	if exporter != "otlp" {
		r.problem("OTEL_TRACES_EXPORTER", "must be otlp or none")
	}
	r.collector(values)
	r.delivery(otlpPrefix, values)
	r.delivery(otlpTracesPrefix, values)
	r.sampler(values)
	for _, name := range []string{"OTEL_BSP_SCHEDULE_DELAY", "OTEL_BSP_EXPORT_TIMEOUT", "OTEL_BSP_MAX_QUEUE_SIZE",
		"OTEL_BSP_MAX_EXPORT_BATCH_SIZE"} {
		if !isPositive(values[name]) {
			r.problem(name, "must be a whole number above 0")
		}
	}
}

// collector checks the address of the collector and the protocol.
func (r *reader) collector(values map[string]string) {
	for _, name := range []string{otlpPrefix + "ENDPOINT", otlpTracesPrefix + "ENDPOINT"} {
		if err := checkCollector(values[name]); values[name] != "" && err != nil {
			r.problem(name, "%v", err)
		}
	}
	protocol := otlpPrefix + "PROTOCOL"
	if values[otlpTracesPrefix+"PROTOCOL"] != "" {
		protocol = otlpTracesPrefix + "PROTOCOL"
	}
	if values[protocol] != "" && values[protocol] != "http/protobuf" {
		r.problem(protocol, "must be http/protobuf")
	}
}

// isPositive reports whether text is empty or a whole number above 0.
func isPositive(text string) bool {
	n, err := strconv.Atoi(text)
	return text == "" || err == nil && n > 0
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

// delivery checks the variables with a prefix that say how traces are sent.
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
	if name := prefix + "TIMEOUT"; !isPositive(values[name]) {
		r.problem(name, "must be a whole number of milliseconds above 0")
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
