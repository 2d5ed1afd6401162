package command

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/webhook"
)

// certificate returns a certificate for localhost that signs itself.
func certificate(t *testing.T, ends time.Duration) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour * 24 * 365), NotAfter: time.Now().Add(ends),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func TestDoctorCertificate_IsJudgedAsVendorsDo(t *testing.T) {
	const day = 24 * time.Hour
	for name, c := range map[string]struct {
		ends    time.Duration
		trusted bool
		host    string
		result  result
		says    string
	}{
		"valid":        {90 * day, true, "localhost", resultOK, "valid until"},
		"expired":      {-day, true, "localhost", resultProblem, "expired on"},
		"expires soon": {10 * day, true, "localhost", resultWarning, "Renew it"},
		"other name":   {90 * day, true, "127.0.0.1", resultProblem, "not valid"},
		"not trusted":  {90 * day, false, "localhost", resultWarning, "usual on this machine"},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewUnstartedServer(doctorHandler(t, "workflux", webhook.Options{}))
			own := certificate(t, c.ends)
			s.TLS = &tls.Config{Certificates: []tls.Certificate{own}}
			s.StartTLS()
			t.Cleanup(s.Close)
			_, port, err := net.SplitHostPort(s.Listener.Addr().String())
			require.NoError(t, err)
			d := newTestDoctor(t, "workflux", "https://"+c.host+":"+port, doctorSecret)
			d.roots = x509.NewCertPool()
			if c.trusted {
				d.roots.AddCert(own.Leaf)
			}
			got := d.findings(t)
			require.Equal(t, c.result, got["certificate"].Result, "%+v", got["certificate"])
			require.Contains(t, got["certificate"].Found+" "+got["certificate"].Fix, c.says)
			want := resultOK
			if c.result == resultProblem {
				want = resultSkipped // a vendor would not connect
			}
			require.Equal(t, want, got["test-event"].Result, "%+v", got["test-event"])
		})
	}
	d := newTestDoctor(t, "workflux", "https://example.com", doctorSecret)
	d.roots = x509.NewCertPool()
	f := d.judgeCertificate("localhost.test", []*x509.Certificate{certificate(t, 90*day).Leaf})
	require.Equal(t, resultProblem, f.Result, "%+v", f)
}

func TestDoctorNetwork_ReportsWhereItFails(t *testing.T) {
	closed := "http://" + kit.FreeAddress(t)
	plain := serveDoctor(t, doctorHandler(t, "workflux", webhook.Options{}))
	for url, want := range map[string]struct {
		check string
		result
	}{
		closed:                              {"connection", resultProblem},
		"http://no-such-host.invalid/hooks": {"dns", resultProblem},
		"https" + plain[len("http"):]:       {"certificate", resultProblem},
	} {
		got := newTestDoctor(t, "workflux", url, doctorSecret).findings(t)
		require.Equal(t, want.result, got[want.check].Result, "%s: %+v", url, got[want.check])
		require.Equal(t, resultSkipped, got["endpoint"].Result)
	}
	require.Equal(t, resultWarning, checkCertificate(t.Context(), newTestDoctor(t, "emberqa", "http://example.com", doctorSecret)).Result)
	require.Equal(t, resultOK, judgeAddresses("a.test", []netip.Addr{netip.MustParseAddr("203.0.113.7")}).Result)
	for _, private := range []string{"10.1.2.3", "127.0.0.1", "fe80::1", "fd00::1", "::ffff:192.168.1.1"} {
		require.Equal(t, resultWarning, judgeAddresses("a.test", []netip.Addr{netip.MustParseAddr(private)}).Result, private)
	}
}
