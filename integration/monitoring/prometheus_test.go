//go:build unix

package monitoring_test

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/logtest"
	"github.com/aihooks/aihooks-go/internal/test/kit"
)

// A prometheus is a private Prometheus server.
type prometheus struct {
	t      *testing.T
	origin string
}

// startPrometheus starts a server that scrapes the targets twice a second, and evaluates the rules each second. The keys of
// targets are the names of jobs. The server and its data are removed when the test ends.
func startPrometheus(t *testing.T, rules string, targets map[string]string) *prometheus {
	t.Helper()
	_, err := exec.LookPath("prometheus")
	require.NoError(t, err, "on Debian: apt-get install prometheus")
	dir := t.TempDir()
	var config strings.Builder
	fmt.Fprint(&config, "global: {scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 1s}\nrule_files: [rules.yaml]\nscrape_configs:\n")
	for job, target := range targets {
		fmt.Fprintf(&config, "  - {job_name: %s, static_configs: [{targets: [%q]}]}\n", job, target)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "rules.yaml"), []byte(rules), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(config.String()), 0o600))

	address := kit.FreeAddress(t)
	log := new(logtest.LogBuffer)
	cmd := exec.Command("prometheus", "--config.file="+filepath.Join(dir, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address)
	cmd.Stdout, cmd.Stderr = log, log
	require.NoError(t, kit.Start(cmd))
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("log of prometheus: %s", log)
		}
	})
	p := &prometheus{t: t, origin: "http://" + address}
	kit.Eventually(t, func() bool {
		healthy, err := p.query("count(up == 1)")
		return err == nil && len(healthy) == 1 && healthy[0].value == float64(len(targets))
	}, "prometheus scrapes no targets")
	return p
}

// get parses the data of a response of Prometheus's API.
func (p *prometheus) get(path string, data any) error {
	r, err := http.Get(p.origin + path)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	var response struct {
		Status, Error string
		Data          json.RawMessage
	}
	if err := json.NewDecoder(r.Body).Decode(&response); err != nil {
		return err
	}
	if response.Status != "success" {
		return fmt.Errorf("%s: %s", r.Status, response.Error)
	}
	return json.Unmarshal(response.Data, data)
}

type sample struct {
	labels map[string]string
	value  float64
}

// query returns the samples of an expression that are numbers.
func (p *prometheus) query(expr string) (samples []sample, err error) {
	var data struct {
		Result []struct {
			Metric map[string]string
			Value  [2]any
		}
	}
	if err := p.get("/api/v1/query?query="+url.QueryEscape(expr), &data); err != nil {
		return nil, err
	}
	for _, r := range data.Result {
		text, _ := r.Value[1].(string)
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, err
		}
		if !math.IsNaN(value) {
			samples = append(samples, sample{r.Metric, value})
		}
	}
	return samples, nil
}

// requireValue requires that an expression has a value, which may take a few scrapes.
func (p *prometheus) requireValue(t *testing.T, expr string) {
	t.Helper()
	var samples []sample
	var err error
	kit.Eventually(t, func() bool {
		samples, err = p.query(expr)
		return err != nil || len(samples) > 0
	}, "no value: "+expr)
	require.NoError(t, err, expr)
}

type rule struct {
	Name, Query, Type, LastError string
	Annotations, Labels          map[string]string
}

func (p *prometheus) rules(t *testing.T) (all []rule) {
	t.Helper()
	var data struct{ Groups []struct{ Rules []rule } }
	require.NoError(t, p.get("/api/v1/rules", &data))
	for _, g := range data.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

type alert struct {
	Labels, Annotations map[string]string
	State               string
}

// firing returns the alerts in the state firing, or none if the server does not respond.
func (p *prometheus) firing() (list []alert) {
	var data struct{ Alerts []alert }
	if p.get("/api/v1/alerts", &data) != nil {
		return nil
	}
	for _, a := range data.Alerts {
		if a.State == "firing" {
			list = append(list, a)
		}
	}
	return list
}
