package functions

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"
)

// defaultPort is for starting the program by hand:
//
//	curl -d '{}' -H 'Content-Type: application/json' -H 'X-Azure-Functions-InvocationId: by-hand' http://127.0.0.1:8080/function
const defaultPort = "8080"

// Listen opens the port assigned by the host, on 127.0.0.1. Call it first: from then on
// connections are queued.
func Listen(ctx context.Context) (net.Listener, error) {
	setting, port := "port", defaultPort
	for _, name := range []string{"FUNCTIONS_CUSTOMHANDLER_PORT", "FUNCTIONS_HTTPWORKER_PORT"} {
		if value := os.Getenv(name); value != "" {
			setting, port = name, value
			break
		}
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return nil, fmt.Errorf("listen for the Functions host: %s is %q, which is not a port number", setting, port)
	}
	var config net.ListenConfig
	ln, err := config.Listen(ctx, "tcp4", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return nil, fmt.Errorf("listen for the Functions host: %w", err)
	}
	return ln, nil
}

// Serve serves on ln until ctx ends. Then it accepts no more connections, cancels active
// polls with the cause of ctx, gives them h.Grace to answer, and returns nil: a request to
// stop is not a failure, and what is interrupted continues from the checkpoint. Any other
// end is an error.
func Serve(ctx context.Context, ln net.Listener, h *Handler) error {
	server := &http.Server{
		Handler: h,
		// No timeout for the answer: a run takes minutes.
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       readTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(h.logger().Handler(), slog.LevelWarn),
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ln) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve the Functions host: %w", err)
	case <-ctx.Done():
	}

	h.logger().Info("stopping", "cause", context.Cause(ctx))
	h.Stop(context.Cause(ctx))
	grace := h.Grace
	if grace == 0 {
		grace = defaultGrace
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	var quiet sync.WaitGroup
	quiet.Go(func() { h.quiet(last) }) // beside the last requests, which may take all the time there is
	if err := server.Shutdown(last); err != nil {
		h.logger().Warn("stopped with runs unfinished", "error", err)
		_ = server.Close()
	}
	quiet.Wait()
	h.quiet(last) // in case it was opened meanwhile
	return nil
}
