package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// config has the settings from the environment.
type config struct {
	addr        string
	greenflash  []string
	convosphere []string
	workflux    []string
	emberqa     []string
	standard    []string
	store       string
	inbox       string
	oldInbox    string
	metricsAddr string
	traces      bool
	silentAfter time.Duration
	maxBody     int64
	failFirst   int
	delay       time.Duration
}

func readConfig(getenv func(string) string) (config, error) {
	c := config{
		addr:        getenv("ADDR"),
		greenflash:  split(getenv("GREENFLASH_WEBHOOK_SECRET")),
		convosphere: split(getenv("CONVOSPHERE_WEBHOOK_SECRET")),
		workflux:    split(getenv("WORKFLUX_WEBHOOK_SECRET")),
		emberqa:     split(getenv("EMBERQA_WEBHOOK_TOKEN")),
		standard:    split(getenv("STANDARDWEBHOOKS_SECRET")),
		store:       getenv("STORE"),
		inbox:       getenv("INBOX"),
		oldInbox:    getenv("OLD_INBOX"),
		metricsAddr: getenv("METRICS_ADDR"),
		traces:      getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != "",
	}
	if c.addr == "" {
		c.addr = "127.0.0.1:8080"
	}
	var errs []error
	read := func(name string, parse func(value string) error) {
		if value := getenv(name); value != "" {
			if err := parse(value); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", name, err))
			}
		}
	}
	read("SILENT_AFTER", func(v string) (err error) { c.silentAfter, err = time.ParseDuration(v); return err })
	read("MAX_BODY", func(v string) (err error) { c.maxBody, err = strconv.ParseInt(v, 10, 64); return err })
	read("FAIL_FIRST", func(v string) (err error) { c.failFirst, err = strconv.Atoi(v); return err })
	read("HANDLER_DELAY", func(v string) (err error) { c.delay, err = time.ParseDuration(v); return err })
	return c, errors.Join(errs...)
}

// split splits a comma-separated list and trims its parts. An empty text is an empty list.
func split(list string) []string {
	if list == "" {
		return nil
	}
	parts := strings.Split(list, ",")
	for i, part := range parts {
		parts[i] = strings.TrimSpace(part)
	}
	return parts
}
