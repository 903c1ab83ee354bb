package azurite_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/azurite"
)

// TestMain runs the other process of [TestEndsWithItsProcess] when the test
// binary was started as such.
func TestMain(m *testing.M) {
	if os.Getenv("AZURITE_TEST_LAUNCH") != "" {
		s, err := azurite.Launch(context.Background(), azurite.Options{})
		if err != nil {
			fmt.Fprintln(os.Stdout, err)
			os.Exit(1)
		}
		fmt.Fprintln(os.Stdout, s.ServiceURL)
		select {} // until killed
	}
	os.Exit(m.Run())
}

func TestStart(t *testing.T) {
	s := azurite.Start(t)
	client, err := azblob.NewClientFromConnectionString(s.ConnectionString, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.CreateContainer(t.Context(), "box", nil); err != nil {
		t.Fatal(err)
	}
	other, err := azblob.NewClientFromConnectionString(azurite.Start(t).ConnectionString, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.CreateContainer(t.Context(), "box", nil); err != nil {
		t.Errorf("a second server is not empty: %v", err)
	}
	s.Stop()
	if conn, err := net.Dial("tcp", host(t, s.ServiceURL)); err == nil {
		conn.Close()
		t.Error("a stopped server listens")
	}
}

func TestEndsWithItsProcess(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "AZURITE_TEST_LAUNCH=1", "TMPDIR="+t.TempDir()) // a killed process does not tidy up
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "http") {
		t.Fatalf("the other process says %q, %v", line, err)
	}
	address := host(t, strings.TrimSpace(line))
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // "signal: killed"
	// Each connection ends when the emulator does, the last is refused.
	for {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return
		}
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		_, err = io.Copy(io.Discard, conn)
		conn.Close()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("the emulator outlives the process that launched it")
		}
	}
}

func TestWithoutNode(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := azurite.Launch(t.Context(), azurite.Options{})
	if err == nil || !strings.Contains(err.Error(), "install Node.js") {
		t.Errorf("Launch: %v, want it to say what to install", err)
	}
}

func host(t *testing.T, serviceURL string) string {
	t.Helper()
	u, err := url.Parse(serviceURL)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}
