package host_test

import (
	"bufio"
	"net"
	"os/exec"
	"strings"
	"testing"
)

func TestPeakRSS(t *testing.T) {
	h := start(t, config(t, "drained"))
	if peak, err := h.PeakRSS(); err != nil || peak < 1<<20 || peak > 1<<30 {
		t.Errorf("peak is %d, %v", peak, err)
	}
	h.Kill()
	if _, err := h.PeakRSS(); err == nil {
		t.Error("a dead process has a peak")
	}
}

// TestChildDiesWithParent kills a process that runs a host, and sees the
// connection to that host's child end.
func TestChildDiesWithParent(t *testing.T) {
	cfg := config(t, "parent")
	parent := exec.CommandContext(t.Context(), cfg.Path)
	parent.Env = append(parent.Environ(), cfg.Env...)
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", strings.TrimSpace(address))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(conn).ReadString('\n'); err != nil {
		t.Fatalf("the child does not answer: %v", err)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	rest := make([]byte, 4096)
	for {
		if _, err := conn.Read(rest); err != nil {
			break // the connection ended, so the child did
		}
	}
}
