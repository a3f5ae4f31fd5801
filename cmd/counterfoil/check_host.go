package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent"
	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/iso8583/frame"
)

// hostTimeout bounds the look at one address.
const hostTimeout = 10 * time.Second

// checkHost connects to an address as the daemon would, and asks for an echo.
func checkHost(ctx context.Context, acq *agent.AcquirerOptions, route int, as agent.TerminalOptions) finding {
	addr := acq.Hosts[route]
	name := fmt.Sprintf("host %s %d", acq.Name, route)
	ctx, cancel := context.WithTimeout(ctx, hostTimeout)
	defer cancel()
	began := time.Now()
	c, err := dialHost(ctx, acq, addr)
	if err != nil {
		var cert *tls.CertificateVerificationError
		if errors.As(err, &cert) {
			return verdict(name, "", err, "the host does not prove who it is: see tls.ca and tls.server_name, and the clock; do not go on without")
		}
		return verdict(name, "", err, "see whether the address is right, the line is up, and a firewall lets it through")
	}
	defer func() { _ = c.Close() }()
	detail := addr + ": connected"
	if acq.TLS != nil {
		detail += ", TLS verified"
	}
	echo, err := composeEcho(acq, as)
	if err != nil {
		return finding{name, true, detail + "; the profile has no echo", ""}
	}
	code, err := exchangeEcho(ctx, acq, c, echo)
	if err != nil {
		return verdict(name, "", fmt.Errorf("%s, but the echo failed: %w", detail, err), "see whether the profile and its framing are this acquirer's")
	}
	return finding{name, true, fmt.Sprintf("%s, echo answered %s in %s", detail, code, time.Since(began).Round(time.Millisecond)), ""}
}

func dialHost(ctx context.Context, acq *agent.AcquirerOptions, addr string) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil || acq.TLS == nil {
		return c, err
	}
	conf := acq.TLS.Clone()
	if conf.ServerName == "" {
		conf.ServerName, _, err = net.SplitHostPort(addr)
	}
	t := tls.Client(c, conf)
	if err == nil {
		err = t.HandshakeContext(ctx)
	}
	if err != nil {
		_ = c.Close()
		return nil, fmt.Errorf("%s: TLS: %w", addr, err)
	}
	return t, nil
}

// composeEcho is the message as a terminal sends it, or an error where the
// dialect has none.
func composeEcho(acq *agent.AcquirerOptions, as agent.TerminalOptions) (*iso8583.Message, error) {
	return acq.Profile.Compose(iso8583.Facts{
		Kind: iso8583.KindEcho, TID: as.TID, MID: as.MID, STAN: iso8583.FirstSTAN, Transmission: time.Now().UTC().Format("0102150405"),
		Batch: iso8583.FirstBatch,
	})
}

// exchangeEcho sends it and waits for its answer; what else comes is passed
// over.
func exchangeEcho(ctx context.Context, acq *agent.AcquirerOptions, c net.Conn, echo *iso8583.Message) (string, error) {
	body, err := acq.Profile.Pack(echo)
	if err != nil {
		return "", err
	}
	until, _ := ctx.Deadline()
	f := frame.NewConn(c, acq.Profile.Frame)
	if _, err := f.Write(until, body); err != nil {
		return "", err
	}
	for {
		b, err := f.Read(until)
		if err != nil {
			return "", err
		}
		m, err := acq.Profile.Unpack(b)
		if err != nil {
			return "", err
		}
		if m.MTI == echo.MTI.Response() && m.Get(11) == echo.Get(11) {
			return orNone(m.Get(39)), nil
		}
	}
}
