package daemon

import (
	"net"
	"os"
)

// Notify reports the state of the service to systemd, for units of Type=notify: "READY=1",
// "STOPPING=1". Elsewhere it does nothing.
// https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html
func Notify(state string) {
	address := os.Getenv("NOTIFY_SOCKET")
	if address == "" {
		return
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		return // the service manager is gone, or is none
	}
	defer conn.Close()
	_, _ = conn.Write([]byte(state))
}
